//! Events from publishers to handlers, on the log in the store and on a broker that rebalances.

#[cfg(test)]
mod bench;
#[cfg(test)]
mod clock;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod consuming;
#[cfg(test)]
mod dead_letters;
#[cfg(test)]
mod dependencies;
#[cfg(test)]
mod exchanges;
#[cfg(test)]
mod order;
#[cfg(test)]
mod publishing;
#[cfg(test)]
mod rebalances;
#[cfg(test)]
mod redelivery;
#[cfg(test)]
mod retention;
#[cfg(test)]
mod simulation;
