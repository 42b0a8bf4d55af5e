//! The real binary on loopback, feature by feature.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test ends at the first surprise, with its place"
)]

mod aborts;
mod access_lines;
mod ambiguous_http;
mod answers;
mod api_keys;
mod audit;
mod back_pressure;
mod canaries;
mod client_addresses;
mod client_certificates;
mod configuration;
mod connections;
mod control;
mod dead_letters;
mod deadlines;
mod demo;
mod dev_tokens;
mod devices;
mod discovery;
mod drain;
mod dynamodb;
mod event_kafka;
mod event_kafka_tls;
mod event_limits;
mod event_notices;
mod event_settings;
mod event_sinks;
mod event_streams;
mod events;
mod exchange_events;
mod fallbacks;
mod geo;
mod grpc;
mod health;
mod held_keys;
mod idempotency;
mod idempotency_crashes;
mod identities;
mod introspection;
mod key_rotation;
mod limits;
mod listeners;
mod messages;
mod metrics;
mod mirrors;
mod overlays;
mod overload;
mod owners;
mod passports;
mod plans;
mod pool;
mod probes;
mod push;
mod rates;
mod readme;
mod reload;
mod retries;
mod routing;
mod series;
mod series_trees;
mod shedding;
mod slow;
mod smuggling;
mod start;
mod strangle;
mod tail;
mod tokens;
mod top;
mod trace;
mod traces;
mod trailers;
mod unix_sockets;
mod upgrade;
mod upstream_failures;
mod upstream_h2;
mod upstream_tls;
mod verbs;
mod websockets;
mod websockets_h2;
mod whoami;
mod why;
