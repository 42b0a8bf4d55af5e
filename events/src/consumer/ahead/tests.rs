use proptest::prelude::*;

use super::*;

const CLASSES: [Class; 3] = [Class::Critical, Class::Standard, Class::Bulk];

fn skipped(places: &[(&str, Class, u64)]) -> Ahead {
    let mut ahead = Ahead::default();
    for (key, class, offset) in places {
        ahead.skip(&(*key).into(), *class, (0, *offset));
    }
    ahead
}

#[test]
fn places_are_read_again_from_the_first_of_their_class() {
    let mut ahead = skipped(&[("a", Class::Bulk, 1), ("b", Class::Critical, 2)]);
    assert_eq!(ahead.next(Class::Critical), Some((0, 2..3)));
    assert_eq!(ahead.next(Class::Bulk), Some((0, 1..2)));
    assert_eq!(ahead.next(Class::Standard), None);
    assert!(ahead.take(Class::Bulk, (0, 1)) && !ahead.has(&"a".into()));
    assert!(!ahead.take(Class::Bulk, (0, 1)), "it is not taken twice");
    assert!(ahead.take(Class::Bulk, (0, 2)), "what is more important may go along");
    assert_eq!((ahead.of(0), ahead.next(Class::Critical)), (0, None));
}

#[test]
fn what_is_less_important_is_not_taken_along() {
    let mut ahead = skipped(&[("a", Class::Bulk, 1), ("b", Class::Critical, 2)]);
    assert!(!ahead.take(Class::Critical, (0, 1)));
    assert_eq!(ahead.waiting(Class::Bulk), 1);
}

#[test]
fn all_of_a_key_is_as_important_as_the_most_important_of_it() {
    let mut ahead = skipped(&[
        ("a", Class::Bulk, 1),
        ("b", Class::Bulk, 2),
        ("a", Class::Critical, 3),
        ("a", Class::Standard, 4),
    ]);
    assert_eq!((ahead.waiting(Class::Critical), ahead.waiting(Class::Bulk)), (3, 1));
    assert_eq!(ahead.next(Class::Critical), Some((0, 1..5)));
    assert!(!ahead.take(Class::Critical, (0, 3)), "not before what is before it in its key");
    for offset in [1, 3, 4] {
        assert!(ahead.take(Class::Critical, (0, offset)), "{offset}");
    }
    assert!(!ahead.has(&"a".into()) && ahead.has(&"b".into()));
}

#[test]
fn partitions_are_read_again_in_turn() {
    let mut ahead = Ahead::default();
    for partition in [2, 5, 7] {
        ahead.skip(&format!("{partition}").into(), Class::Bulk, (partition, 10));
    }
    let given = (0..4).filter_map(|_| Some(ahead.next(Class::Bulk)?.0));
    assert_eq!(given.collect::<Vec<_>>(), [2, 5, 7, 2]);
    ahead.forget(&[2, 7]);
    assert_eq!((ahead.of(2), ahead.next(Class::Bulk)), (0, Some((5, 10..11))));
}

#[test]
fn what_is_far_away_is_not_read_along() {
    let mut ahead =
        skipped(&[("a", Class::Bulk, 1), ("b", Class::Bulk, 100), ("c", Class::Bulk, 10_000)]);
    assert_eq!(ahead.next(Class::Bulk), Some((0, 1..101)));
}

#[test]
fn what_the_log_has_no_more_is_gone() {
    let mut ahead = skipped(&[
        ("a", Class::Bulk, 1),
        ("b", Class::Critical, 2),
        ("a", Class::Bulk, 3),
        ("a", Class::Bulk, 9),
    ]);
    let mut gone = ahead.gone(0, 1..9, &[3]);
    gone.sort_unstable();
    assert_eq!(gone, [1, 2]);
    assert!(ahead.take(Class::Bulk, (0, 3)), "the key goes on behind what is gone");
    assert!(!ahead.has(&"b".into()));
}

proptest! {
    /// However places come and are read again, each is taken once, and a key's in order.
    #[test]
    fn each_place_is_taken_once_and_a_keys_in_order(
        places in prop::collection::vec((0_u8..6, 0_usize..3), 1..80),
        wanted in prop::collection::vec(0_usize..3, 400),
    ) {
        let mut ahead = Ahead::default();
        for (offset, (key, class)) in (0..).zip(&places) {
            ahead.skip(&key.to_string().into(), CLASSES[*class], (0, offset));
        }
        let mut taken = Vec::new();
        for class in wanted.into_iter().chain((0..200).map(|at| at % 3)) {
            let class = CLASSES[class];
            let Some((partition, within)) = ahead.next(class) else { continue };
            for offset in within {
                if ahead.take(class, (partition, offset)) {
                    taken.push(offset);
                }
            }
        }
        prop_assert_eq!(taken.len(), places.len());
        for key in 0..6 {
            let of_key = |offset: &&u64| places[usize::try_from(**offset).unwrap()].0 == key;
            prop_assert!(taken.iter().filter(of_key).is_sorted());
        }
        prop_assert_eq!((ahead.of(0), ahead.keys.len()), (0, 0));
    }
}
