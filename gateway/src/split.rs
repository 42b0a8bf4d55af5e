//! The arms of a split route, and which of them a request gets.

use std::sync::Arc;

use headgate_router::split::{self, Choice};
use headgate_telemetry::{ArmCounts, ArmMetrics, ArmNames, access::Members};
use headgate_types::{Identity, TraceId};
use http::HeaderValue;

use crate::{
    edge::{BuildError, Tools},
    settings::{self, SplitKind, Sticky},
    upstream::Upstream,
};

/// A split route's arms as the data path uses them.
#[derive(Debug)]
pub(crate) struct Split {
    pub(crate) kind: SplitKind,
    sticky: Sticky,
    draw: split::Split,
    /// In the order of the settings; the rest is the last.
    arms: Vec<Arm>,
}

/// An arm as the data path uses it.
#[derive(Debug)]
pub(crate) struct Arm {
    pub(crate) settings: settings::Arm,
    /// Its name, for its BFF.
    pub(crate) value: HeaderValue,
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) metrics: ArmMetrics,
    /// What the access line of each of its exchanges says of it.
    pub(crate) members: Members,
}

/// An arm as it stands, for operators.
#[derive(Clone, Debug)]
pub struct ArmState {
    /// Its name.
    pub name: Arc<str>,
    /// Its upstream.
    pub upstream: Arc<str>,
    /// Its share.
    pub weight: split::Weight,
    /// What it has got.
    pub counts: ArmCounts,
}

/// A split route as it stands, for operators.
#[derive(Clone, Debug)]
pub struct SplitState {
    /// The team that owns the route.
    pub team: Arc<str>,
    /// The route.
    pub route: Arc<str>,
    /// What it matches.
    pub pattern: String,
    /// What the split is for.
    pub kind: SplitKind,
    /// The arms; the rest is the last.
    pub arms: Vec<ArmState>,
}

impl Split {
    /// Prepares the arms of a route; none where all requests go to one upstream.
    ///
    /// # Errors
    ///
    /// [`BuildError::Split`] or [`BuildError::Upstream`] for what whoever made the settings should
    /// have ruled out.
    pub(crate) fn compile(
        route: &settings::Route,
        upstreams: &[Arc<Upstream>],
        tools: &Tools,
    ) -> Result<Option<Box<Self>>, BuildError> {
        let Some(split) = &route.split else { return Ok(None) };
        let arms = split.arms.iter().chain([&split.rest]);
        let weights = split.arms.iter().map(|arm| arm.weight);
        Ok(Some(Box::new(Self {
            kind: split.kind.clone(),
            sticky: split.sticky,
            draw: split::Split::new(Arc::clone(&split.salt), weights)?,
            arms: arms
                .map(|arm| Arm::compile(arm, route, upstreams, tools))
                .collect::<Result<_, _>>()?,
        })))
    }

    /// What keeps its arm.
    pub(crate) const fn sticky(&self) -> Sticky {
        self.sticky
    }

    /// Draws the arm of a request. No trace: it is not drawn by one.
    pub(crate) fn choose(&self, caller: Option<&Identity>, trace: Option<TraceId>) -> Choice {
        let unit = |text: fn(&Identity) -> &Arc<str>| caller.map(|caller| text(caller).as_bytes());
        match self.sticky {
            Sticky::DeviceId => self.draw.choose(unit(|caller| &caller.device_id)),
            Sticky::User => self.draw.choose(unit(|caller| &caller.subject)),
            Sticky::Trace => {
                let hex = trace.map(|trace| trace.to_hex());
                self.draw.choose(hex.as_ref().map(<[u8; 32]>::as_slice))
            }
        }
    }

    /// The position of an arm by its name; the rest's is behind those of all arms.
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.arms.iter().position(|arm| *arm.settings.name == *name)
    }

    /// The arm of a choice: the rest where none was drawn.
    pub(crate) fn arm(&self, arm: Option<usize>) -> Option<&Arm> {
        arm.map_or_else(|| self.arms.last(), |arm| self.arms.get(arm))
    }

    /// The arms; the rest is the last.
    pub(crate) fn arms(&self) -> impl Iterator<Item = &Arm> {
        self.arms.iter()
    }

    /// As it stands.
    pub(crate) fn state(&self, route: &settings::Route) -> SplitState {
        let arm = |arm: &Arm| ArmState {
            name: Arc::clone(&arm.settings.name),
            upstream: Arc::clone(&arm.upstream.settings.name),
            weight: arm.settings.weight,
            counts: arm.metrics.counts(),
        };
        SplitState {
            team: Arc::clone(&route.team),
            route: Arc::clone(&route.name),
            pattern: route.pattern.to_string(),
            kind: self.kind.clone(),
            arms: self.arms.iter().map(arm).collect(),
        }
    }
}

impl Arm {
    fn compile(
        arm: &settings::Arm,
        route: &settings::Route,
        upstreams: &[Arc<Upstream>],
        tools: &Tools,
    ) -> Result<Self, BuildError> {
        let upstream = upstreams.get(arm.upstream).cloned().ok_or_else(|| {
            BuildError::Upstream { team: Arc::clone(&route.team), route: Arc::clone(&route.name) }
        })?;
        let names = ArmNames { team: &route.team, route: &route.name, arm: &arm.name };
        Ok(Self {
            settings: arm.clone(),
            // A name of the configuration is fit for a header.
            value: HeaderValue::from_str(&arm.name).unwrap_or(HeaderValue::from_static("")),
            metrics: tools.metrics.arm(names, tools.clock.unix_time()),
            members: Members::of(&[
                ("team", &route.team),
                ("route", &route.name),
                ("upstream", &upstream.settings.name),
                ("arm", &arm.name),
            ]),
            upstream,
        })
    }
}
