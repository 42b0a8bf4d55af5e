use std::time::Duration;

use proptest::prelude::*;

use super::*;

/// Runs a script of `a1` (push 1 for key a), `?` (start), `-a` (end), `=a1` (again, at once), and
/// writes what each start gives.
fn check(script: &str, expected: &str) {
    let mut lanes = Lanes::default();
    let mut given = Vec::new();
    for word in script.split_whitespace() {
        let (verb, rest) = word.split_at(1);
        match verb {
            "?" => given.push(
                lanes.start().map_or_else(|| "_".to_owned(), |(key, work)| format!("{key}{work}")),
            ),
            "-" => lanes.end(&rest.into()),
            "=" => {
                let (key, work) = rest.split_at(1);
                lanes.again(&key.into(), work.to_owned(), None);
            }
            key => lanes.push(key.into(), rest.to_owned()),
        }
    }
    assert_eq!(given.join(" "), expected, "{script}");
}

#[test]
fn keys_run_side_by_side_and_a_keys_work_one_after_another() {
    check("a1 a2 b1 ? ? ?", "a1 b1 _");
    check("a1 a2 b1 ? ? -a ? -b ?", "a1 b1 a2 _");
}

#[test]
fn work_that_is_begun_again_comes_before_the_rest_of_its_key() {
    check("a1 a2 ? =a1 ? -a ?", "a1 a1 a2");
}

#[test]
fn no_key_starves() {
    check("a1 a2 a3 b1 c1 ? -a ? -b ? -c ?", "a1 b1 c1 a2");
}

#[test]
fn key_sleeps_until_its_moment() {
    let at = |millis| Moment::ZERO + Duration::from_millis(millis);
    let mut lanes = Lanes::default();
    lanes.push("a".into(), 1);
    lanes.push("a".into(), 2);
    let (key, work) = lanes.start().unwrap();
    lanes.again(&key, work, Some(at(10)));

    lanes.wake(at(9));
    assert!(lanes.start().is_none(), "nor does the key's next piece begin");
    assert_eq!(lanes.wakes_at(), Some(at(10)));
    lanes.wake(at(10));
    assert_eq!(lanes.start().map(|(_, work)| work), Some(1));
}

#[test]
fn work_that_waits_can_be_dropped() {
    let mut lanes = Lanes::default();
    for work in [1, 2, 3] {
        lanes.push("a".into(), work);
    }
    let (key, _) = lanes.start().unwrap();
    lanes.retain(|work| *work != 2);
    assert_eq!(lanes.waiting(), 1);
    lanes.end(&key);
    assert_eq!(lanes.start().map(|(_, work)| work), Some(3));
}

proptest! {
    /// However work begins and ends, each key's is in order and never two at once.
    #[test]
    fn a_keys_work_is_in_order(steps in prop::collection::vec((0_u8..4, 0_u8..5), 1..300)) {
        let mut lanes = Lanes::default();
        let mut running: Vec<(Key, u32)> = Vec::new();
        let (mut pushed, mut done) = ([0_u32; 5], [0_u32; 5]);
        for (verb, which) in steps {
            let at = usize::from(which);
            match verb {
                0 => {
                    lanes.push(at.to_string().into(), pushed[at]);
                    pushed[at] += 1;
                }
                1 => if let Some((key, work)) = lanes.start() {
                    prop_assert!(!running.iter().any(|(other, _)| *other == key));
                    running.push((key, work));
                },
                2 if !running.is_empty() => {
                    let (key, work) = running.swap_remove(at % running.len());
                    let index: usize = key.parse().unwrap();
                    prop_assert_eq!(work, done[index], "in order");
                    done[index] += 1;
                    lanes.end(&key);
                }
                3 if !running.is_empty() => {
                    let (key, work) = running.swap_remove(at % running.len());
                    lanes.again(&key, work, None);
                }
                _ => {}
            }
        }
        let left: u32 = pushed.iter().sum::<u32>() - done.iter().sum::<u32>();
        prop_assert_eq!(lanes.waiting() + running.len(), usize::try_from(left).unwrap());
    }
}
