//! What operators and machines ask of a running edge: health, metrics, Passport keys, `/v1`.
//!
//! [`Server`] answers on a socket that it is given; [`State`] is what it answers from.

mod api;
mod connection;
mod events;
mod idempotency;
mod openapi;
mod overlays;
mod problem;
mod server;
mod status;
#[cfg(test)]
mod testing;

pub use crate::{
    api::{FactsAsk, Readiness, State, StatusSource, router},
    events::{
        DeadLetter, DeadLetterPage, EventEntry, EventPage, EventState, GroupStatus, Groups,
        HandledStatus, PartitionBounds, Redrive, RedrivePlan, Redriven, ResolveLetter,
        ResolveLetterAs, ResolvedLetter, Running, Series, SeriesNode, TopicStatus, Topics,
    },
    idempotency::{HeldEffect, HeldKey, HeldKeys, Resolve, ResolveAs, Resolved},
    openapi::document,
    overlays::{LIFETIME_MAX, NoOverlays, OverlayError, OverlayRequest, OverlayWish, Overlays},
    server::Server,
    status::{
        ConfigStatus, EndpointStatus, FaultStatus, FieldStatus, IdentityStatus, ListenerStatus,
        MirrorStatus, OverlayStatus, PartStatus, RouteStatus, Stage, Status, StrangleStatus,
        UpstreamStatus,
    },
};
