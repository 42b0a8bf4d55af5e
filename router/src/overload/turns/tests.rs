use proptest::prelude::*;

use super::*;

/// Whose turns come, with something waiting of each class that a round names, as `csbu` or `-`.
fn turns(rounds: &str) -> String {
    let mut turns = Turns::default();
    let letters = ['c', 's', 'b', 'u'];
    let given = rounds.split_whitespace().map(|round| {
        let next = turns.next(|class| round.contains(letters[class.index()]));
        next.map_or('-', |class| {
            turns.took(class);
            letters[class.index()]
        })
    });
    given.collect()
}

#[test]
fn the_more_important_goes_first_and_the_others_follow_by_their_shares() {
    assert_eq!(turns("csbu csbu csbu csbu csbu csbu csbu csbu"), "csbucccs");
    assert_eq!(turns("u cu cu cu -"), "uccc-");
}

#[test]
fn nobody_waits_and_nobody_has_a_turn() {
    assert_eq!(turns("- u - c"), "-u-c");
}

#[test]
fn an_idle_class_saves_nothing_up() {
    // Bulk works alone for long; then the critical class does not have all turns of that time.
    let alone = "u ".repeat(50);
    let both = "cu ".repeat(57);
    let given = turns(&format!("{alone}{both}"));
    assert_eq!(given.matches('u').count(), 50 + 2, "{given}");
}

#[test]
fn classes_that_always_wait_share_as_they_weigh() {
    let given = turns(&"csbu ".repeat(400));
    let of = |letter| given.matches(letter).count();
    assert_eq!([of('c'), of('s'), of('b'), of('u')], [270, 90, 30, 10]);
}

proptest! {
    /// Whatever the others do, a class that waits has a turn within 43.
    #[test]
    fn no_class_stands_still(rounds in prop::collection::vec(0_u8..8, 200), which in 0_usize..4) {
        let class = Class::ALL[which];
        let mut turns = Turns::default();
        let mut since = 0;
        for others in rounds {
            let waits = |it: Class| it == class || others & (1 << (it.index() % 3)) != 0;
            let next = turns.next(waits).unwrap();
            turns.took(next);
            since = if next == class { 0 } else { since + 1 };
            prop_assert!(since < 43, "{class} waits for {since} turns");
        }
    }

    /// Behind everybody's backlog, a class that asks for less than its share waits for few turns.
    #[test]
    fn a_class_that_comes_now_and_then_is_next_but_for_few(apart in 6_usize..20) {
        let mut turns = Turns::default();
        for round in 0..200 {
            let comes = round % apart == 0;
            if comes {
                // All others have a backlog.
                let mut waited = 0;
                loop {
                    let next = turns.next(|_| true).unwrap();
                    turns.took(next);
                    if next == Class::Critical {
                        break;
                    }
                    waited += 1;
                }
                prop_assert!(waited <= 3, "{waited}");
            } else {
                let next = turns.next(|class| class != Class::Critical).unwrap();
                turns.took(next);
            }
        }
    }
}
