//! Does what the router decides: serves client connections, and calls upstreams.
//!
//! The life of a request is `exchange.rs`, read top to bottom, one step a file in `step/`.
//! Whoever wires an edge turns files into [`settings::Settings`], builds an [`Edge`] from them,
//! binds its listeners with [`server::Bound`] and serves with [`server::run`].

pub mod settings;

mod connection;
mod connections;
pub mod server;
mod stream;
mod streams;
mod timer;

mod body;
mod call;
mod client;
mod exchange;
mod explain;
mod facts;
pub mod geo;
mod headers;
mod mirror;
pub mod overload;
mod probe;
mod proxied;
mod publishing;
mod push;
mod recent;
mod record;
mod replay;
mod split;
mod step;
mod testers;
mod tunnel;
mod websocket;

pub mod identity;
pub mod passport;
pub mod tls;
mod traces;
mod upstream;

mod drain;
mod edge;
mod error;

pub use crate::{
    body::{BodyError, ClientBody, ResponseBody},
    call::Function,
    drain::{Drained, Hold, Lifecycle, Phase},
    edge::{BuildError, Edge, Parts},
    error::{Error, Side, Wait},
    exchange::{Answering, Exchanges},
    explain::{Caller, Exchange, Explanation},
    facts::{FACTS_MAX, Fact, Keeper, Kept},
    mirror::{FieldState, MirrorState},
    probe::{Credential, Probed},
    publishing::{
        Asked, NotPublished, Owner, Publication, Publish, Published, Results, ResultsAsk,
        Unavailable,
    },
    push::PushBody,
    recent::Told,
    replay::{Decision, Demand, DeviceRule, Replay, RouteRule, Routing, RoutingError, Unknown},
    split::{ArmState, SplitState},
    step::draw::Drawn,
    upstream::{DiscoveryState, EndpointState, UpstreamState},
};
