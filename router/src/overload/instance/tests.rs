use headgate_types::Class;

use super::*;

const LAGGING: Signals = Signals {
    scheduler_lag: Duration::from_millis(30),
    cpu: 0.7,
    in_flight: 10,
    completed: 100,
    arrived: 200,
    rtt: Duration::from_millis(20),
};
const CALM: Signals = Signals {
    scheduler_lag: Duration::ZERO,
    cpu: 0.2,
    in_flight: 10,
    completed: 100,
    arrived: 100,
    rtt: Duration::from_millis(20),
};

/// Runs quarter seconds, with arrivals spread over all ranks; gives the threshold after each.
fn run(instance: &Instance, from: u64, turns: u64, signals: &Signals) -> Vec<u16> {
    (0..turns)
        .map(|turn| {
            for class in Class::ALL {
                for level in 0..128 {
                    instance.check(Priority::new(class, level), 1);
                }
            }
            instance.report(signals, Duration::from_millis(250 * (from + turn)).into());
            instance.threshold()
        })
        .collect()
}

#[test]
fn nothing_is_shed_without_overload() {
    let instance = Instance::default();
    assert!(run(&instance, 1, 40, &CALM).iter().all(|threshold| *threshold == ADMIT_ALL));
}

#[test]
fn the_least_important_go_first_and_some_always_pass() {
    let instance = Instance::default();
    let thresholds = run(&instance, 1, 200, &LAGGING);
    assert!(thresholds.iter().all(|threshold| *threshold < ADMIT_ALL), "{thresholds:?}");
    let last = *thresholds.last().unwrap();
    assert!((20..200).contains(&last), "{last}");
    let refusal = instance.check(Priority::new(Class::Bulk, 0), 1).unwrap();
    assert_eq!((refusal.layer, refusal.reason), (Layer::Instance, Reason::SchedulerLag));
    assert!(instance.check(Priority::new(Class::Critical, 0), 1).is_none());
}

#[test]
fn little_overload_sheds_nothing() {
    let instance = Instance::default();
    let little = Signals { scheduler_lag: Duration::from_millis(15), ..LAGGING };
    assert!(run(&instance, 1, 40, &little).iter().all(|threshold| *threshold == ADMIT_ALL));
}

#[test]
fn cpu_alone_sheds_nothing() {
    let instance = Instance::default();
    let hot = Signals { cpu: 1.0, ..CALM };
    assert!(run(&instance, 1, 40, &hot).iter().all(|threshold| *threshold == ADMIT_ALL));
}

#[test]
fn cpu_alone_keeps_nothing_shed() {
    let instance = Instance::default();
    run(&instance, 1, 40, &LAGGING);
    let hot = Signals { cpu: 1.0, ..CALM };
    // Nothing but a wrong account of CPU says that the edge is busy.
    assert_eq!(*run(&instance, 41, 64, &hot).last().unwrap(), ADMIT_ALL);
}

#[test]
fn operators_move_the_cpu_that_is_aimed_at() {
    let confirmed = |cpu| Signals { cpu, scheduler_lag: Duration::from_millis(6), ..LAGGING };
    let sheds_at = |busy_from: f64, cpu| {
        let instance = Instance::default();
        instance.set_busy_from(Ratio::new(busy_from).unwrap());
        *run(&instance, 1, 40, &confirmed(cpu)).last().unwrap() < ADMIT_ALL
    };
    for (busy_from, too_little, enough) in [(0.75, 0.9, 0.95), (0.5, 0.6, 0.65), (0.01, 0.01, 0.02)]
    {
        let sheds = (sheds_at(busy_from, too_little), sheds_at(busy_from, enough));
        assert_eq!(sheds, (false, true), "from {busy_from}");
    }
}

#[test]
fn it_recovers_within_three_seconds() {
    let instance = Instance::default();
    run(&instance, 1, 40, &LAGGING);
    let thresholds = run(&instance, 41, 12, &CALM);
    assert_eq!(*thresholds.last().unwrap(), ADMIT_ALL, "{thresholds:?}");
}

#[test]
fn operators_cut_a_share_of_a_class_and_never_of_the_critical_one() {
    let instance = Instance::default();
    let share = |share| Ratio::new(share).unwrap();
    instance.set_cuts([share(1.0), share(0.0), share(0.3), share(1.0)]);
    let refused = |class| {
        let priority = Priority::from(class);
        (0..1000).filter(|draw| instance.check(priority, *draw).is_some()).count()
    };
    let refused = Class::ALL.map(refused);
    assert_eq!((refused[0], refused[1], refused[3]), (0, 0, 1000));
    assert!((250..350).contains(&refused[2]), "{refused:?}");
    let refusal = instance.check(Class::Bulk.into(), 1).unwrap();
    assert_eq!((refusal.reason, refusal.limit), (Reason::Operator, 1.0));
}

mod plant;
