use proptest::prelude::*;
use serde_json::json;

use super::*;

const HOUR: u64 = 3_600;

fn at(seconds: u64) -> UnixTime {
    UnixTime::from_secs(seconds)
}

fn by(actor: &str, time: u64) -> By {
    let (reason, node) = ("INC-7".to_owned(), "edge-1:9900".to_owned());
    By { actor: actor.to_owned(), reason, node, time: at(time) }
}

fn set(state: &Control, key: &str, value: &str) -> Change {
    let time = state.version() + 1;
    state.setting(key.to_owned(), json!(value), at(time + HOUR), by("ada", time))
}

fn taken(state: &mut Control, change: &Change) {
    state.take(change).unwrap();
}

/// What is in force, as `key=value` in the order of numbers.
fn shown(state: &Control) -> String {
    let one = |overlay: Overlay| format!("{}:{}={}", overlay.id, overlay.key, overlay.value);
    state.in_force(at(0)).into_iter().map(one).collect::<Vec<_>>().join(" ").replace('"', "")
}

#[test]
fn changes_are_numbered_and_overlays_too() {
    let mut state = Control::default();
    assert_eq!((state.version(), state.last()), (0, None));
    let change = set(&state, "edge.timeout", "2s");
    taken(&mut state, &change);
    let change = set(&state, "edge.max_body", "4KiB");
    taken(&mut state, &change);
    assert_eq!(shown(&state), "1:edge.timeout=2s 2:edge.max_body=4KiB");

    let change = state.unsetting(2, by("bob", 9));
    taken(&mut state, &change);

    assert_eq!(shown(&state), "1:edge.timeout=2s");
    assert_eq!(state.last(), Some(&Made { version: 3, by: by("bob", 9) }));
    assert_eq!(set(&state, "edge.max_body", "1KiB").set[0].id, 3, "no number comes twice");
}

#[test]
fn of_two_changes_from_one_version_the_first_counts() {
    let mut state = Control::default();
    let (ada, bob) = (set(&state, "edge.timeout", "2s"), set(&state, "edge.timeout", "3s"));
    taken(&mut state, &ada);

    assert_eq!(state.take(&bob), Err(Outdated { from: 0, version: 1 }));

    assert_eq!(shown(&state), "1:edge.timeout=2s");
    assert!(state.differs_on("edge.timeout", &Control::default()));
    assert!(!state.differs_on("edge.max_body", &Control::default()));
}

#[test]
fn rollback_restores_what_stood_and_is_a_version_itself() {
    let mut state = Control::default();
    for (key, value) in [("edge.timeout", "2s"), ("edge.max_body", "4KiB")] {
        let change = set(&state, key, value);
        taken(&mut state, &change);
    }
    let before = state.clone();
    for change in [|it: &Control| it.unsetting(1, by("bob", 3)), |it: &Control| set(it, "x", "y")] {
        let change = change(&state);
        taken(&mut state, &change);
    }
    assert_eq!(shown(&state), "2:edge.max_body=4KiB 3:x=y");

    let change = state.rolling_back(&before, by("eve", 5));
    assert_eq!((change.to, change.set.len(), &change.unset), (Some(2), 1, &vec![3]));
    taken(&mut state, &change);

    assert_eq!(shown(&state), shown(&before));
    assert_eq!((state.version(), state.last().unwrap().by.actor.as_str()), (5, "eve"));
    let nothing = state.rolling_back(&before, by("eve", 6));
    assert!(nothing.set.is_empty() && nothing.unset.is_empty());
}

#[test]
fn what_has_expired_is_not_restored_and_is_forgotten() {
    let mut state = Control::default();
    let change = set(&state, "edge.timeout", "2s");
    taken(&mut state, &change);
    let before = state.clone();
    let change = state.unsetting(1, by("bob", 2));
    taken(&mut state, &change);
    let late = state.rolling_back(&before, by("eve", 2 * HOUR));
    assert!(late.set.is_empty());

    let change = before.setting("x".to_owned(), json!(1), at(9 * HOUR), by("ada", 2 * HOUR));
    assert_eq!(shown(&before.after(&change)), "2:x=1");
    assert!(before.in_force(at(2 * HOUR)).is_empty());
}

#[test]
fn what_an_edge_kept_is_taken_over_once_and_hides_nothing() {
    let kept = set(&Control::default(), "edge.timeout", "2s").set;
    let mut state = Control::default();
    let change = state.adopting(&kept, by("headgate", 2)).unwrap();
    taken(&mut state, &change);
    assert_eq!(shown(&state), "1:edge.timeout=2s");
    assert_eq!(state.adopting(&kept, by("headgate", 3)), None);

    let others = set(&Control::default(), "edge.max_body", "4KiB").set;
    let change = state.adopting(&[kept, others].concat(), by("headgate", 3)).unwrap();
    taken(&mut state, &change);

    assert_eq!(shown(&state), "1:edge.timeout=2s 2:edge.max_body=4KiB", "with another number");
    assert_eq!(state.adopting(&change.set, by("headgate", 9 * HOUR)), None, "it has expired");
}

#[test]
fn state_has_a_bound() {
    let mut state = Control::default();
    let mut change = set(&state, "edge.timeout", "2s");
    let one = change.set[0].clone();
    change.set = (1..=OVERLAYS_MAX as u64 + 1).map(|id| Overlay { id, ..one.clone() }).collect();
    taken(&mut state, &change);
    assert_eq!(state.overlays().count(), OVERLAYS_MAX);
    assert!(state.overlay(1).is_some());
}

#[test]
fn what_is_kept_and_what_is_written_comes_back_whole() {
    let mut state = Control::default();
    let change = set(&state, "edge.timeout", "2s");
    let written = serde_json::to_string(&change).unwrap();
    assert_eq!(serde_json::from_str::<Change>(&written).unwrap(), change);
    let later = written.replace("\"set\",", "\"replace\",");
    let later = serde_json::from_str::<Change>(&later).unwrap();
    assert_eq!(later, Change { action: Action::Other, ..change.clone() }, "edges stay the same");
    taken(&mut state, &change);
    let head = serde_json::to_string(&state.head()).unwrap();
    let head = serde_json::from_str(&head).unwrap();
    assert_eq!(Control::new(head, state.overlays().cloned()), state);
}

/// What an operator does on an edge that may not have heard of the last changes.
#[derive(Clone, Debug)]
struct Step {
    what: u8,
    behind: usize,
    time: u64,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (0_u8..6, 0_usize..3, 0_u64..2 * HOUR);
    let step = step.prop_map(|(what, behind, time)| Step { what, behind, time });
    proptest::collection::vec(step, 0..40)
}

/// The changes that these steps append, in the order of the log.
fn changes(steps: &[Step]) -> Vec<Change> {
    let (mut states, mut changes) = (vec![Control::default()], Vec::new());
    for Step { what, behind, time } in steps {
        let seen = &states[states.len().saturating_sub(1 + behind)];
        let id = u64::from(*what) + 1;
        let change = match what {
            0..=2 => seen.setting(format!("k{what}"), json!(time), at(time + HOUR), by("a", *time)),
            3 | 4 => seen.unsetting(id, by("b", *time)),
            _ => seen.rolling_back(&states[states.len() / 2], by("c", *time)),
        };
        let mut next = states[states.len() - 1].clone();
        if next.take(&change).is_ok() {
            states.push(next);
        }
        changes.push(change);
    }
    changes
}

proptest! {
    #[test]
    fn two_edges_that_take_in_the_same_changes_agree(steps in steps(), restart in 0_usize..40) {
        let changes = changes(&steps);
        let (mut one, mut other) = (Control::default(), Control::default());
        for (index, change) in changes.iter().enumerate() {
            let verdicts = (one.take(change), other.take(change));
            prop_assert_eq!(verdicts.0, verdicts.1);
            if index == restart {
                other = Control::new(other.head(), other.overlays().cloned());
            }
            prop_assert_eq!(&one, &other);
        }
    }

    #[test]
    fn what_comes_again_changes_nothing(steps in steps()) {
        let changes = changes(&steps);
        let mut state = Control::default();
        for change in &changes {
            let _outdated = state.take(change);
            let before = state.clone();
            prop_assert!(state.take(change).is_err());
            prop_assert_eq!(&state, &before);
        }
        let before = state.clone();
        for change in &changes {
            prop_assert!(state.take(change).is_err(), "{:?}", change);
        }
        prop_assert_eq!(&state, &before);
    }

    #[test]
    fn rollback_leads_to_what_stood(steps in steps()) {
        let changes = changes(&steps);
        let mut states = vec![Control::default()];
        for change in &changes {
            let mut next = states[states.len() - 1].clone();
            if next.take(change).is_ok() {
                states.push(next);
            }
        }
        let last = &states[states.len() - 1];
        let time = last.last().map_or(0, |made| made.by.time.as_duration().as_secs());
        for state in &states {
            let back = last.after(&last.rolling_back(state, by("eve", time)));
            prop_assert_eq!(back.in_force(at(time)), state.in_force(at(time)));
        }
    }
}
