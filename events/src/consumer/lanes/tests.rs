use std::time::Duration;

use proptest::prelude::*;

use super::*;

/// Pieces that wait.
fn all<W>(lanes: &Lanes<W>) -> usize {
    let waiting = lanes.keys.values().map(|lane| lane.waiting.len()).sum();
    assert_eq!(Class::ALL.into_iter().map(|class| lanes.waiting(class)).sum::<usize>(), waiting);
    waiting
}

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
                lanes.again(&key.into(), (Class::Standard, work.to_owned()), None);
            }
            key => lanes.push(&key.into(), Class::Standard, rest.to_owned()),
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

/// Pushes `a1` to the class of its letter and starts at `?`: `c`, `s`, `b` and `u` are the classes.
fn by_class(script: &str, expected: &str) {
    let mut lanes = Lanes::default();
    let mut given = Vec::new();
    for word in script.split_whitespace() {
        if word == "?" {
            given.extend(lanes.start().map(|(_, work)| work));
            continue;
        }
        let (class, rest) = word.split_at(1);
        let class = Class::ALL["csbu".find(class).unwrap()];
        let (key, _) = rest.split_at(1);
        lanes.push(&key.into(), class, word);
    }
    assert_eq!(given.join(" "), expected, "{script}");
}

#[test]
fn urgent_keys_go_first_and_the_others_are_not_forgotten() {
    by_class("ua ub cc cd ? ? ? ?", "cc ua cd ub");
    by_class("sa sb sc cd ? ? ? ?", "cd sa sb sc");
}

#[test]
fn what_is_before_urgent_work_in_its_key_is_urgent_too() {
    by_class("ub1 ua1 ua2 ca3 ?", "ua1");
}

#[test]
fn a_key_that_is_not_urgent_any_more_waits_with_its_like() {
    let mut lanes = Lanes::default();
    lanes.push(&"b".into(), Class::Bulk, "b");
    lanes.push(&"a".into(), Class::Critical, "urgent");
    lanes.push(&"a".into(), Class::Bulk, "a");
    let (key, _) = lanes.start().unwrap();
    lanes.end(&key);
    assert_eq!(lanes.start().map(|(_, work)| work), Some("b"));
    assert_eq!(lanes.start().map(|(_, work)| work), Some("a"));
}

#[test]
fn key_that_sleeps_is_not_woken_by_what_is_urgent() {
    let mut lanes = Lanes::default();
    lanes.push(&"a".into(), Class::Bulk, 1);
    let (key, work) = lanes.start().unwrap();
    let at = Moment::ZERO + Duration::from_secs(1);
    lanes.again(&key, (Class::Bulk, work), Some(at));
    lanes.push(&key, Class::Critical, 2);
    assert!(lanes.start().is_none());
    lanes.wake(at);
    assert_eq!(lanes.start().map(|(_, work)| work), Some(1), "it is first in its key");
}

#[test]
fn key_sleeps_until_its_moment() {
    let at = |millis| Moment::ZERO + Duration::from_millis(millis);
    let mut lanes = Lanes::default();
    lanes.push(&"a".into(), Class::Standard, 1);
    lanes.push(&"a".into(), Class::Standard, 2);
    let (key, work) = lanes.start().unwrap();
    lanes.again(&key, (Class::Standard, work), Some(at(10)));

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
        lanes.push(&"a".into(), Class::Standard, work);
    }
    let (key, _) = lanes.start().unwrap();
    lanes.retain(|work| *work != 2);
    assert_eq!(all(&lanes), 1);
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
                    lanes.push(&at.to_string().into(), Class::ALL[usize::from(pushed[at] % 4 == 3) * 2], pushed[at]);
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
                    lanes.again(&key, (Class::Standard, work), None);
                }
                _ => {}
            }
        }
        let left: u32 = pushed.iter().sum::<u32>() - done.iter().sum::<u32>();
        prop_assert_eq!(all(&lanes) + running.len(), usize::try_from(left).unwrap());
    }
}
