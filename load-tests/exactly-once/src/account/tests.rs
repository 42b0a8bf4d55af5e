use super::*;

const EVENT: Event = Event { partition: 1, number: 0 };

/// Puts evidence of an event by that name out of order.
type Spoil = fn(&mut Evidence, String);

/// One event of mode keyed that went well.
fn evidence() -> Evidence {
    let mut told = Told::default();
    told.note(Said::Acknowledged, EVENT);
    Evidence {
        events: vec![EVENT],
        told,
        carried: [(EVENT.to_string(), vec![7])].into(),
        children: [(EVENT.to_string(), 1)].into(),
        records: [(EVENT, Stands { is_held: false, attempts: 1 })].into(),
        states: vec![0, 1],
        is_relayed: true,
    }
}

fn faults(spoil: impl FnOnce(&mut Evidence)) -> String {
    let mut evidence = evidence();
    spoil(&mut evidence);
    let verdict = evidence.judge();
    assert_eq!(verdict.faults, verdict.told.len() as u64);
    verdict.told.join("\n")
}

#[test]
fn what_agrees_has_no_fault() {
    assert_eq!(faults(|_| {}), "");
}

#[test]
fn every_disagreement_is_found() {
    let name = EVENT.to_string();
    let spoils: [(&str, Spoil); 9] = [
        ("outcome is lost", |it, _| {
            it.children.clear();
            it.told = Told::default();
            it.states = vec![0, 0];
        }),
        ("acknowledged, and is lost", |it, _| it.children.clear()),
        ("recorded twice", |it, name| it.children.extend([(name, 2)])),
        ("acknowledged twice", |it, _| it.told.note(Said::Acknowledged, EVENT)),
        ("effect is lost", |it, _| it.carried.clear()),
        ("too often", |it, name| it.carried.extend([(name, vec![7, 8])])),
        ("one attempt carried it out twice", |it, name| {
            it.carried.extend([(name, vec![7, 7])]);
        }),
        ("never published", |it, _| it.carried.extend([("1-9".to_owned(), vec![1])])),
        ("counted in its state", |it, _| it.states = vec![0, 2]),
    ];
    for (expected, spoil) in spoils {
        let found = faults(|evidence| spoil(evidence, name.clone()));
        assert!(found.contains(expected), "{expected:?} is not in {found:?}");
    }
}

#[test]
fn a_held_event_is_no_loss_where_it_may_be_held() {
    let held = |partition| {
        let event = Event { partition, number: 0 };
        let evidence = Evidence {
            events: vec![event],
            told: Told::default(),
            carried: Carried::new(),
            children: BTreeMap::new(),
            records: [(event, Stands { is_held: true, attempts: 1 })].into(),
            states: Vec::new(),
            is_relayed: true,
        };
        evidence.judge()
    };
    assert_eq!(held(3).faults, 0, "leased, hold");
    assert!(held(2).told.iter().any(|fault| fault.contains("it is held")), "leased, retry");
}

#[test]
fn repeats_are_bounded_by_the_attempts() {
    let event = Event { partition: 2, number: 0 };
    let repeated = |attempts| {
        let evidence = Evidence {
            events: vec![event],
            told: Told::default(),
            carried: [(event.to_string(), vec![1, 2])].into(),
            children: [(event.to_string(), 1)].into(),
            records: [(event, Stands { is_held: false, attempts })].into(),
            states: Vec::new(),
            is_relayed: true,
        };
        evidence.judge()
    };
    assert_eq!((repeated(2).faults, repeated(2).rows[2].repeated), (0, 1));
    assert_eq!(repeated(1).faults, 1);
}
