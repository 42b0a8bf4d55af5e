//! The upstreams of all teams.

use std::{collections::BTreeMap, num::NonZeroU32};

use headgate_gateway::settings;
use headgate_router::health::Thresholds;

use crate::{
    document::{
        health::Health,
        team::{self, Protocol},
    },
    fault::Report,
    load::Input,
    resolve::{edge::at_least_one, overload, pems::Pems, route::merged, tls},
};

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
        endpoints: Vec<settings::Endpoint>,
        (tls, overload): (Option<settings::UpstreamTls>, settings::UpstreamOverload),
    ) -> usize {
        let position = self.list.len();
        self.positions.entry(team.to_owned()).or_default().insert(name.to_owned(), position);
        self.list.push(settings::Upstream {
            team: team.into(),
            name: name.into(),
            endpoints,
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
pub(super) fn upstreams(input: &Input<'_>, pems: &mut Pems, report: &mut Report) -> Upstreams {
    let mut upstreams = Upstreams::default();
    for ((team, name), (file, upstream)) in merged(input, "upstream", |doc| &doc.upstream, report) {
        let endpoints = upstream.endpoints.iter().map(|endpoint| endpoint.0.clone()).collect();
        let at = overload::At::new(file, "upstream", name);
        let overload = overload::upstream(upstream, &at, report);
        let at = tls::At { input, file, name };
        let tls = tls::upstream(&at, upstream, (pems, report));
        let position = upstreams.add((team, name), upstream, endpoints, (tls, overload));
        if let Some(upstream) = upstreams.list.get(position) {
            tls::check(&at, upstream, report);
        }
    }
    upstreams
}
