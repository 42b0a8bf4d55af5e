use super::*;

fn machine(cpu: f64) -> Machine {
    Machine { cpu: Some(cpu), memory: None }
}

#[test]
fn a_report_tells_of_what_happened_since_the_last() {
    let meter = Meter::default();
    (0..5).for_each(|_| meter.arrived());
    meter.refused();
    meter.ended(Duration::from_millis(2));
    meter.ended(Duration::from_millis(4));
    let first = meter.report(machine(0.1), 0.75);
    assert_eq!((first.arrived, first.completed, first.in_flight), (6, 2, 3));
    assert_eq!(first.rtt, Duration::from_millis(3));
    let second = meter.report(machine(0.1), 0.75);
    assert_eq!((second.arrived, second.completed, second.in_flight), (0, 0, 3));
    assert_eq!(second.rtt, Duration::ZERO);
}

#[test]
fn late_timers_count_only_where_the_process_itself_is_busy() {
    let meter = Meter::default();
    meter.set_lag(0, Duration::from_millis(3));
    meter.set_lag(THREADS_MAX + 7, Duration::from_millis(30));
    assert_eq!(meter.report(machine(0.4), 0.75).scheduler_lag, Duration::ZERO);
    assert_eq!(meter.report(machine(0.9), 0.75).scheduler_lag, Duration::from_millis(30));
    let unknown = Machine::default();
    assert_eq!(meter.report(unknown, 0.75).scheduler_lag, Duration::from_millis(30));
}

#[test]
fn memory_is_full_until_there_is_clearly_less() {
    let meter = Meter::default();
    let full_after = [0.94, 0.95, 0.92, 0.89].map(|memory| {
        meter.report(Machine { cpu: None, memory: Some(memory) }, 0.75);
        meter.is_memory_full()
    });
    assert_eq!(full_after, [false, true, true, false]);
}
