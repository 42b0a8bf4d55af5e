use std::collections::BTreeSet;

use super::*;

#[test]
fn no_bits_are_given_twice() {
    let drawn: BTreeSet<Owner> =
        std::iter::repeat_with(|| Owner::draw(&OsRandom)).take(10 * POOL_BYTES).collect();
    assert_eq!(drawn.len(), 10 * POOL_BYTES);
    let elsewhere = std::thread::spawn(|| Owner::draw(&OsRandom)).join().unwrap();
    assert!(!drawn.contains(&elsewhere));
}
