//! The upstreams of all teams.

use std::{
    collections::BTreeMap,
    num::NonZeroU32,
    path::{Component, Path, PathBuf},
};

use headgate_gateway::settings;
use headgate_router::health::Thresholds;

use crate::{
    document::{
        health::Health,
        team::{self, Protocol, TeamFile},
    },
    fault::{Code, Draft, Report},
    load::{Document, Input},
    resolve::{
        at,
        edge::at_least_one,
        endpoints::{self, Endpoints},
        last_good::LastGood,
        overload,
        route::merged,
        tls,
    },
};

/// An upstream's table in its team's file.
pub(super) struct At<'a> {
    pub(super) input: &'a Input<'a>,
    pub(super) file: &'a Document<TeamFile>,
    pub(super) name: &'a str,
}

impl At<'_> {
    /// Whether a key is written, good or not.
    pub(super) fn has(&self, keys: &[&str]) -> bool {
        let table = self.file.root.get("upstream").and_then(|all| all.get(self.name));
        keys.iter().try_fold(table, |table, key| Some(table?.get(key))).flatten().is_some()
    }

    fn table(&self) -> at::At<'_> {
        at::At::new(self.file, "upstream", self.name)
    }

    pub(super) fn draft(&self, code: Code, keys: &[&'static str], message: String) -> Draft {
        self.table().draft(code, keys, message)
    }

    /// A file of the team, which the keys name; one that lies elsewhere is a fault of that code.
    pub(super) fn path(
        &self,
        (code, keys): (Code, &[&'static str]),
        file: &str,
        report: &mut Report,
    ) -> Option<PathBuf> {
        let path = path_of_team(self.input, &self.file.doc.team, file);
        path.map_err(|message| report.push(self.draft(code, keys, message))).ok()
    }
}

/// The path of a file that lies in the team's own folder.
///
/// # Errors
///
/// It lies elsewhere: what to say of that.
pub(super) fn path_of_team(input: &Input<'_>, team: &str, file: &str) -> Result<PathBuf, String> {
    let plain = |part| matches!(part, Component::Normal(_) | Component::CurDir);
    let folder = input.routes_dir.join(team);
    let path = folder.join(file);
    // Whoever writes the folder has not this process's rights: neither a path nor a link leads out
    // of it.
    let leads_out = |(root, target): (PathBuf, PathBuf)| !target.starts_with(root);
    let resolve = |path: &Path| input.files.resolve(path).ok();
    let is_out = !Path::new(file).components().all(plain)
        || resolve(&folder).zip(resolve(&path)).is_some_and(leads_out);
    if is_out {
        return Err(format!("file {file} lies outside the folder {}", folder.display()));
    }
    Ok(path)
}

/// All upstreams, with their positions by team and name.
#[derive(Default)]
pub(super) struct Upstreams {
    list: Vec<settings::Upstream>,
    positions: BTreeMap<String, BTreeMap<String, usize>>,
}

impl Upstreams {
    pub(super) fn position(&self, team: &str, name: &str) -> Option<usize> {
        self.positions.get(team)?.get(name).copied()
    }

    /// Takes in an upstream, and tells its position.
    pub(super) fn add(
        &mut self,
        (team, name): (&str, &str),
        upstream: &team::Upstream,
        endpoints: Endpoints,
        (tls, overload): (Option<settings::UpstreamTls>, settings::UpstreamOverload),
    ) -> usize {
        let position = self.list.len();
        self.positions.entry(team.to_owned()).or_default().insert(name.to_owned(), position);
        self.list.push(settings::Upstream {
            team: team.into(),
            name: name.into(),
            endpoints: endpoints.list,
            dns: endpoints.dns,
            zone: endpoints.zone,
            protocol: match upstream.protocol {
                Protocol::H1 => settings::Protocol::H1,
                Protocol::H2 => settings::Protocol::H2,
                Protocol::H2c => settings::Protocol::H2c,
            },
            tls,
            connect_timeout: upstream.connect_timeout.0,
            idle_connections_max: usize::try_from(upstream.max_idle).unwrap_or(usize::MAX),
            connections_max: at_least_one(upstream.max_connections),
            idle_timeout: upstream.idle_timeout.0,
            health: upstream.health.as_ref().map(health),
            slow_start: upstream.slow_start.as_ref().map(|time| time.0),
            drained: upstream.drain.iter().map(|endpoint| endpoint.0.clone()).collect(),
            overload,
        });
        position
    }

    pub(super) fn into_settings(self) -> Vec<settings::Upstream> {
        self.list
    }
}

fn health(health: &Health) -> settings::Health {
    let checks = |count| NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
    settings::Health {
        path: health.path.as_ref().map(|path| path.0.clone()),
        interval: health.interval.0,
        timeout: health.timeout.0,
        thresholds: Thresholds {
            healthy_after: checks(health.healthy_after),
            unhealthy_after: checks(health.unhealthy_after),
        },
    }
}

/// Reads all upstreams.
pub(super) fn upstreams(
    input: &Input<'_>,
    last_good: &mut LastGood,
    report: &mut Report,
) -> Upstreams {
    let mut upstreams = Upstreams::default();
    for ((team, name), (file, upstream)) in merged(input, "upstream", |doc| &doc.upstream, report) {
        let at = At { input, file, name };
        let overload = overload::upstream(upstream, &at.table(), report);
        let endpoints = endpoints::of(&at, upstream, (last_good, report));
        let tls = tls::upstream(&at, upstream, (last_good, report));
        let position = upstreams.add((team, name), upstream, endpoints, (tls, overload));
        if let Some(upstream) = upstreams.list.get(position) {
            tls::check(&at, upstream, report);
        }
    }
    upstreams
}
