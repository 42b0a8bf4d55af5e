//! Events from publishers to handlers, on the log in the store and on a broker that rebalances.

mod bench;
mod clock;
mod conformance;
mod consuming;
mod dead_letters;
mod dependencies;
mod order;
mod publishing;
mod rebalances;
mod redelivery;
mod simulation;
