//! How a route's requests are divided, and what gets copies of them.

use std::{collections::BTreeSet, sync::Arc};

use headgate_gateway::{
    identity::Error,
    settings::{Arm, Mirror, Split, SplitKind, Sticky, Testers},
};
use headgate_router::split::{Weight, lane};
use headgate_types::UnixTime;

use crate::{
    document::{
        scalar::{Name, Percent},
        split,
        team::{Route, TeamFile},
    },
    fault::{Code, Draft, Report},
    load::{Document, Input, reason},
    resolve::{NOBODY, of_route, route::no_upstream, upstreams::Upstreams},
    source::key_path,
};

/// What an experiment's arms leave over.
const CONTROL: &str = "control";

/// The upstreams that routes are moving off, by position.
pub(super) type Legacy = BTreeSet<usize>;

/// One route's split, and the route's other keys that it has to fit.
pub(super) struct Resolver<'i, 'r> {
    pub(super) input: &'i Input<'i>,
    pub(super) file: &'i Document<TeamFile>,
    pub(super) name: &'i str,
    pub(super) route: &'i Route,
    pub(super) upstreams: &'i Upstreams,
    pub(super) report: &'r mut Report,
}

impl<'i> Resolver<'i, '_> {
    fn team(&self) -> &'i str {
        &self.file.doc.team
    }

    /// Checks what the route says of its split and makes the settings from it. Also a route that
    /// says nothing is followed, if its upstream is one that other routes are moving off.
    pub(super) fn resolve(mut self, to: Option<usize>, legacy: &Legacy) -> Option<Split> {
        self.check_single();
        let route = self.route;
        if let Some(canary) = &route.canary {
            self.canary(canary, to)
        } else if let Some(experiment) = &route.experiment {
            self.experiment(experiment, to)
        } else if let Some(strangle) = &route.strangle {
            self.strangle(strangle, to)
        } else {
            let old = to.filter(|to| legacy.contains(to))?;
            Some(self.split(
                SplitKind::Strangle { ends: None },
                (split::Sticky::Trace, None),
                Vec::new(),
                ("old", old),
            ))
        }
    }

    /// Checks what the route says of its mirror and makes the settings from it.
    pub(super) fn mirror(mut self) -> Option<Mirror> {
        let mirror = self.route.mirror.as_ref()?;
        if self.route.idempotency.is_some() {
            let message = "requests on a route with `idempotency` are not copied".to_owned();
            let help = "a copy would be a second request with its key".to_owned();
            self.fault(Code::Contradiction, &["mirror"], message, Some(help));
        }
        Some(Mirror {
            upstream: self.upstream(&["mirror", "to"], &mirror.to)?,
            share: mirror.share.0,
            compare: mirror.compare.iter().map(|field| field.0.clone()).collect(),
            timeout: mirror.timeout.0,
            body_bytes_max: mirror.max_body.0,
            takes_writes: mirror.writes,
        })
    }

    fn canary(&mut self, canary: &'i split::Canary, to: Option<usize>) -> Option<Split> {
        self.check_sticky("canary", canary.sticky);
        self.check_other("canary", "to", &canary.to);
        let trial = self.upstream(&["canary", "to"], &canary.to)?;
        let arms = vec![arm("canary", trial, &canary.weight)];
        let draw = (canary.sticky, canary.salt.as_ref());
        Some(self.split(SplitKind::Canary, draw, arms, ("stable", to?)))
    }

    fn experiment(
        &mut self,
        experiment: &'i split::Experiment,
        to: Option<usize>,
    ) -> Option<Split> {
        self.check_sticky("experiment", experiment.sticky);
        let lane = lane(experiment.arms.len());
        let mut arms = Vec::with_capacity(experiment.arms.len());
        for (name, version) in &experiment.arms {
            let path = |key| ["experiment", "arms", name.as_str(), key];
            if name == CONTROL {
                let message = format!("arm {CONTROL:?} is the route's own `to`");
                self.fault(Code::NameTaken, &["experiment", "arms", name], message, None);
            }
            if version.weight.0 > lane {
                let message = format!(
                    "weight {} is above an even share of {} arms",
                    version.weight.0,
                    experiment.arms.len()
                );
                let help = format!("at most {lane}: only so far can each grow beside the others");
                self.fault(Code::OutOfRange, &path("weight"), message, Some(help));
            }
            if let Some(upstream) = self.upstream(&path("to"), &version.to) {
                arms.push(arm(name, upstream, &version.weight));
            }
        }
        let draw = (experiment.sticky, experiment.salt.as_ref());
        Some(self.split(SplitKind::Experiment, draw, arms, (CONTROL, to?)))
    }

    fn strangle(&mut self, strangle: &'i split::Strangle, to: Option<usize>) -> Option<Split> {
        self.check_sticky("strangle", strangle.sticky);
        self.check_other("strangle", "old", &strangle.old);
        let old = self.upstream(&["strangle", "old"], &strangle.old)?;
        let arms = vec![arm("new", to?, &strangle.weight)];
        let ends = strangle.ends.as_ref().map(|ends| UnixTime::from_secs(ends.0));
        let draw = (strangle.sticky, strangle.salt.as_ref());
        Some(self.split(SplitKind::Strangle { ends }, draw, arms, ("old", old)))
    }

    fn split(
        &self,
        kind: SplitKind,
        (sticky, salt): (split::Sticky, Option<&Name>),
        arms: Vec<Arm>,
        (name, upstream): (&str, usize),
    ) -> Split {
        let taken = arms.iter().map(|arm| arm.weight.parts()).fold(0, u16::saturating_add);
        let weight = Weight::from_parts(taken).map_or(Weight::NONE, Weight::rest);
        let own = || format!("{}/{}", self.team(), self.name);
        Split {
            kind,
            sticky: sticky.into(),
            salt: salt.map_or_else(own, |salt| salt.0.clone()).into(),
            arms,
            rest: Arm { name: name.into(), upstream, weight },
        }
    }

    /// Two draws for one request would need an order.
    fn check_single(&mut self) {
        let route = self.route;
        let written = [
            ("canary", route.canary.is_some()),
            ("experiment", route.experiment.is_some()),
            ("strangle", route.strangle.is_some()),
        ];
        let mut written = written.into_iter().filter(|(_, is_set)| *is_set).map(|(key, _)| key);
        let Some(first) = written.next() else { return };
        for other in written {
            let message = format!("`{other}` and `{first}` can't both be set");
            let help = "a route divides its requests once".to_owned();
            self.fault(Code::Contradiction, &[other], message, Some(help));
        }
    }

    /// On a route that asks for nobody every request would be the rest's.
    fn check_sticky(&mut self, key: &str, sticky: split::Sticky) {
        let is_known = sticky == split::Sticky::Trace || self.route.auth != NOBODY;
        if is_known {
            return;
        }
        let word = Sticky::from(sticky).as_str();
        let message = format!("a route without `auth` knows no {word}, and would divide nothing");
        let help = "name an identity source in `auth`, or draw each request: sticky = \"trace\"";
        self.fault(Code::Contradiction, &[key, "sticky"], message, Some(help.to_owned()));
    }

    fn check_other(&mut self, table: &str, key: &str, upstream: &str) {
        if self.route.to.as_deref() == Some(upstream) && !upstream.is_empty() {
            let message = format!("upstream {upstream:?} is the route's own `to`");
            self.fault(Code::Contradiction, &[table, key], message, None);
        }
    }

    fn upstream(&mut self, path: &[&str], name: &str) -> Option<usize> {
        let found = self.upstreams.position(self.team(), name);
        if found.is_none()
            && let Some((message, help)) = no_upstream(self.input, self.team(), name)
            && !name.is_empty()
        {
            self.fault(Code::Unresolved, path, message, Some(help));
        }
        found
    }

    fn fault(&mut self, code: Code, keys: &[&str], message: String, help: Option<String>) {
        self.report.push(of_route(self.file, self.name, keys, (code, message), help));
    }
}

/// Who may choose an arm; the keys that verify them are read here.
pub(super) fn testers(input: &mut Input<'_>, report: &mut Report) -> Option<Testers> {
    let file = input.platform.doc.testers.as_ref()?.jwks_file.clone();
    // An absent key has been reported by the schema.
    let path = ["testers".into(), "jwks_file".into()];
    input.platform.root.nearest(&path).as_text()?;
    let at = input.platform.at(&path);
    let place = input.base.join(&file);
    let text = input
        .files
        .read(&place)
        .map_err(|error| reason(&error))
        .and_then(|bytes| String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned()));
    let mut fault = |message: String| {
        report.push(Draft::new(Code::BadKeys, at.clone(), message).key(key_path(&path)));
    };
    let text = match text {
        Ok(text) => text,
        Err(why) => {
            fault(format!("file {} can't be read: {why}", place.display()));
            return None;
        }
    };
    let testers = Testers { keys: text.as_str().into() };
    if let Err(Error::Keys { cause, .. }) = testers.check() {
        fault(format!("file can't be used: {cause}"));
    }
    input.texts.insert(file, text);
    Some(testers)
}

fn arm(name: &str, upstream: usize, weight: &Percent) -> Arm {
    Arm { name: Arc::from(name), upstream, weight: weight.0 }
}
