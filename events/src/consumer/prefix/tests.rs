use proptest::prelude::*;

use super::*;

#[test]
fn what_is_open_holds_the_offset_back() {
    let mut prefix = Prefix::at(5);
    for offset in [5, 6, 9] {
        assert!(prefix.give(offset));
    }
    prefix.settle(6);
    prefix.settle(9);
    assert_eq!((prefix.next(), prefix.open()), (5, 1));
    assert!(prefix.is_head(5));

    prefix.settle(5);
    assert_eq!(prefix.commit(), Some(10), "offsets that were never given hold nothing up");
    assert_eq!(prefix.commit(), None, "nothing is new");
}

#[test]
fn offset_that_comes_again_is_not_taken_again() {
    let mut prefix = Prefix::at(3);
    assert!(!prefix.give(2), "it is settled for ever");
    assert!(prefix.give(3));
    assert!(!prefix.give(3));
}

proptest! {
    #[test]
    fn prefix_never_passes_an_open_offset(
        gaps in prop::collection::vec(1_u64..4, 1..60),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..60),
    ) {
        let mut prefix = Prefix::at(0);
        let mut open = Vec::new();
        let mut offset = 0;
        for gap in gaps {
            offset += gap;
            prefix.give(offset);
            open.push(offset);
        }
        let mut last = prefix.next();
        for index in order {
            if open.is_empty() {
                break;
            }
            prefix.settle(open.swap_remove(index.index(open.len())));
            let least = open.iter().min().copied().unwrap_or(offset + 1);
            prop_assert_eq!(prefix.next(), least);
            prop_assert!(prefix.next() >= last, "it never moves back");
            last = prefix.next();
        }
    }
}
