//! Bounded load on the embedded store, beside the disk's own floor.

fn main() {}
