//! Who may call a route.

use headgate_gateway::settings::{ANONYMOUS, Auth};

use crate::{
    document::team::{Route, TeamFile},
    fault::{Code, Draft, Report},
    load::{Document, Input},
    resolve::{NOBODY, of_route},
    source::key_path,
    walk::nearest,
};

/// Sources that one route asks at most: a credential that none knows costs a look at each.
const SOURCES_MAX: usize = 8;

/// Who may ask what the edge makes of a caller.
pub(super) fn whoami(input: &Input<'_>, report: &mut Report) -> Option<Auth> {
    let whoami = input.platform.doc.whoami.as_ref()?;
    let known = &input.platform.doc.identity;
    let mut sources = Vec::new();
    // Without a source nobody would have the scope; that the key is missing has been reported.
    for name in whoami.auth.split('|').filter(|name| !name.is_empty()) {
        if let Some(source) = known.keys().position(|source| source == name) {
            sources.push(source);
            continue;
        }
        let path = ["whoami".into(), "auth".into()];
        let names: Vec<_> = known.keys().map(String::as_str).collect();
        let message = format!("no identity source {name:?}");
        let draft = Draft::new(Code::Unresolved, input.platform.at(&path), message);
        let help = format!("identity sources are {}", names.join(", "));
        report.push(draft.key(key_path(&path)).help(help));
    }
    let scopes = vec![whoami.scope.clone()];
    Some(Auth::Source { sources, is_open: false, scopes, claims: Vec::new() })
}

/// Reads `auth` of one route.
pub(super) struct Resolver<'i, 'r> {
    pub(super) input: &'i Input<'i>,
    pub(super) file: &'i Document<TeamFile>,
    pub(super) name: &'i str,
    pub(super) route: &'i Route,
    pub(super) report: &'r mut Report,
}

impl Resolver<'_, '_> {
    fn fault(&mut self, code: Code, key: &str, message: String, help: Option<String>) {
        let what = (code, message);
        self.report.push(of_route(self.file, self.name, &[key], what, help));
    }

    /// The sources in their order; none when that has to be reported.
    pub(super) fn resolve(&mut self) -> Option<Auth> {
        let auth = self.route.auth.as_str();
        if auth == NOBODY {
            self.refuse_demands("needs an identity source in `auth`");
            return Some(Auth::None);
        }
        let (mut sources, mut is_open, mut is_whole) = (Vec::new(), false, true);
        for name in auth.split('|') {
            if is_open {
                let message = format!("{ANONYMOUS:?} comes last: nobody is asked after it");
                self.fault(Code::Contradiction, "auth", message, None);
                return None;
            }
            is_open = name == ANONYMOUS;
            match self.source(name) {
                _ if is_open => {}
                Some(source) if sources.contains(&source) => {
                    let message = format!("identity source {name:?} is named twice");
                    self.fault(Code::Contradiction, "auth", message, None);
                }
                Some(source) => sources.push(source),
                None => is_whole = false,
            }
        }
        if sources.len() > SOURCES_MAX {
            let message = format!("{} identity sources", sources.len());
            let help = format!("at most {SOURCES_MAX}");
            self.fault(Code::OutOfRange, "auth", message, Some(help));
        }
        if is_open {
            self.refuse_demands("would refuse every anonymous caller");
        }
        let claims = self.route.require.iter();
        is_whole.then(|| Auth::Source {
            sources,
            is_open,
            scopes: self.route.scopes.clone(),
            claims: claims.map(|(name, value)| (name.clone(), serde_json::json!(value))).collect(),
        })
    }

    /// The position of a source.
    fn source(&mut self, name: &str) -> Option<usize> {
        let sources = &self.input.platform.doc.identity;
        let position = sources.keys().position(|source| source == name);
        if position.is_none() && name != ANONYMOUS && self.input.platform.is_whole {
            let names: Vec<_> =
                sources.keys().map(String::as_str).chain([NOBODY, ANONYMOUS]).collect();
            let help = match nearest(name, names.iter().copied()) {
                Some(known) => format!("did you mean {known:?}?"),
                None => format!("identity sources are {}", names.join(", ")),
            };
            self.fault(
                Code::Unresolved,
                "auth",
                format!("no identity source {name:?}"),
                Some(help),
            );
        }
        position
    }

    fn refuse_demands(&mut self, why: &str) {
        let demands = [
            ("scopes", !self.route.scopes.is_empty()),
            ("require", !self.route.require.is_empty()),
        ];
        for (key, _) in demands.into_iter().filter(|(_, is_set)| *is_set) {
            self.fault(Code::Contradiction, key, format!("`{key}` {why}"), None);
        }
    }
}
