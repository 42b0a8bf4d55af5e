//! What operators and machines ask of a running edge: health, metrics, Passport keys, `/v1`.
//!
//! [`Server`] answers on a socket that it is given; [`State`] is what it answers from.

mod api;
mod connection;
mod control;
mod dashboard;
mod events;
mod history;
mod idempotency;
mod limits;
mod openapi;
mod overlays;
mod passport;
mod probes;
mod problem;
mod server;
mod status;
mod tail;
#[cfg(test)]
mod testing;
mod why;

pub use crate::{
    api::{FactsAsk, Readiness, State, StatusSource, router},
    control::{
        ChangedOverlay, ConfigAsk, ConfigAt, ControlStatus, MadeStatus, Rollback, RolledBack,
        VersionStatus, Versions, VersionsAsk,
    },
    dashboard::{alerts, dashboard},
    events::{
        DeadLetter, DeadLetterPage, EventEntry, EventPage, EventState, GroupStatus, Groups,
        HandledStatus, PartitionBounds, Redrive, RedrivePlan, Redriven, ResolveLetter,
        ResolveLetterAs, ResolvedLetter, Running, Series, SeriesNode, SeriesStand, SeriesWish,
        SeriesWord, TopicStatus, Topics,
    },
    history::{History, HistoryAsk, HistoryEntry, HistoryPlace, Timeline},
    idempotency::{HeldEffect, HeldKey, HeldKeys, Resolve, ResolveAs, Resolved},
    limits::{
        EndpointLimits, GateStatus, InstanceLimits, LayerCounts, LimitsStatus, RouteLimits,
        UpstreamLimits,
    },
    openapi::{document, http_api},
    overlays::{
        Answer, ChangedBy, LIFETIME_MAX, NoOverlays, OverlayError, OverlayRequest, OverlayWish,
        Overlays,
    },
    passport::{PassportKeys, PassportRotated, RotateError, RotatePassport},
    probes::{NoProbes, ProbeBegun, ProbeList, ProbeRun, ProbeStatus, ProbeWish, Probes},
    server::Server,
    status::{
        ConfigStatus, DiscoveryStatus, EndpointStatus, FaultStatus, FieldStatus, IdentityStatus,
        ListenerStatus, MirrorStatus, OverlayStatus, PartStatus, RouteStatus, Stage, Status,
        StrangleStatus, UpstreamStatus,
    },
    why::{NotKept, Why, WhyAttempt, WhyExchange, WhyLayer},
};
