//! Handlers and layers, from outside: what is recorded, what happens twice, what never does.

#[cfg(test)]
mod apart;
#[cfg(test)]
mod bench;
#[cfg(test)]
mod effects;
#[cfg(test)]
mod embedded;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod layer;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod transactional;
