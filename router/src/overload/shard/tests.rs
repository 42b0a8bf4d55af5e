use std::collections::{HashMap, HashSet};

use super::*;

#[test]
fn a_hand_has_different_places_and_is_always_the_same() {
    for key in 0..10_000 {
        let hand = Hand::deal(key, 9, 6);
        let places: HashSet<_> = hand.places().iter().collect();
        assert_eq!(places.len(), 6, "{hand:?}");
        assert!(hand.places().iter().all(|place| *place < 9));
        assert_eq!(hand, Hand::deal(key, 9, 6));
    }
}

#[test]
fn who_has_fewer_places_than_cards_deals_all() {
    assert_eq!(Hand::deal(5, 3, 6).places(), [0, 1, 2]);
    assert_eq!(Hand::deal(5, 0, 6).lightest(|place| place), None);
}

#[test]
fn every_pair_of_eight_workers_is_dealt_as_often_as_any_other() {
    let mut hands: HashMap<Vec<usize>, u32> = HashMap::new();
    for key in 0..28_000 {
        *hands.entry(Hand::deal(key, 8, 2).places().to_vec()).or_default() += 1;
    }
    assert_eq!(hands.len(), 28);
    assert!(hands.values().all(|count| (800..1200).contains(count)), "{hands:?}");
}

#[test]
fn sixteen_floods_hardly_ever_squash_a_seventeenth() {
    let squashed = (0..20_000_u64).filter(|turn| {
        let floods: HashSet<usize> = (1..=16)
            .flat_map(|flood| Hand::deal(turn * 17 + flood, 256, 6).places().to_vec())
            .collect();
        Hand::deal(turn * 17, 256, 6).places().iter().all(|place| floods.contains(place))
    });
    // 20,000 times 9e-4 are 18.
    assert!((4..40).contains(&squashed.count()));
}

#[test]
fn the_lightest_place_of_the_hand_is_taken() {
    let hand = Hand::deal(1, 8, 2);
    let heavy = hand.places()[0];
    assert_eq!(hand.lightest(|place| u32::from(place == heavy)), Some(hand.places()[1]));
}
