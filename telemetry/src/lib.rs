//! What the edge tells about itself: the trace of an exchange, metrics, access lines, logs.
//!
//! An exchange takes its [`trace::Incoming`] first, counts itself in the [`RouteMetrics`] of its
//! route, notes the steps it passes in a [`access::Journal`], and ends as one [`access::Line`].
//! Recording never blocks: a metric is an atomic addition, a line that finds its queue full is
//! dropped and counted. [`catalog`] names every metric, [`Metrics::exporter`] renders them.

pub mod access;
pub mod catalog;
mod labels;
pub mod logs;
mod metrics;
pub mod otlp;
mod registry;
pub mod trace;

pub use crate::{
    labels::{
        ArmToken, AttemptResult, BadHead, BreakerState, Denial, GateScope, Kept, Layer,
        LayerReason, Listener, MirrorResult, ProbeResult, Refusal, Reload, Ruled, Settled,
    },
    metrics::{
        ArmCounts, ArmMetrics, ArmNames, BreakerMetrics, ConfigMetrics, DiscoveryMetrics,
        DynamoDbCounts, DynamoDbMetrics, EdgeMetrics, FactsMetrics, GateLevels, GateMetrics,
        GroupMetrics, HandlerMetrics, HealthMetrics, IdentityMetrics, KeyCounts, KeyMetrics,
        Metrics, MirrorMetrics, ProbeMetrics, PushMetrics, RetryBudgetMetrics, RouteMetrics,
        Ruling, RulingMetrics, StoreCounts, StoreMetrics, TopicMetrics, UpstreamMetrics,
    },
    registry::{Exporter, Format},
};
