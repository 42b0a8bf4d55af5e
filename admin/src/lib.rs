//! What operators and machines ask of a running edge: health, metrics, Passport keys, `/v1`.
//!
//! [`Server`] answers on a socket that it is given; [`State`] is what it answers from.

mod api;
mod connection;
mod openapi;
mod problem;
mod server;
mod status;
#[cfg(test)]
mod testing;

pub use crate::{
    api::{Readiness, State, StatusSource, router},
    openapi::document,
    server::Server,
    status::{
        EndpointStatus, FieldStatus, IdentityStatus, ListenerStatus, MirrorStatus, RouteStatus,
        Stage, Status, StrangleStatus, UpstreamStatus,
    },
};
