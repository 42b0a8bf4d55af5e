use headgate_router::overload::mode::Mode;
use headgate_types::Ratio;

use super::*;

fn concurrency(mode: Mode, limit: u32) -> Concurrency {
    Concurrency { mode, initial: limit, min: limit, max: limit }
}

fn enforce() -> Mode {
    Mode::Enforce(Ratio::new(1.0).unwrap())
}

/// Refused of requests that come ten milliseconds apart and take `service` each, half of them
/// critical (stream 0) and half bulk (stream 1).
fn refused(gates: &[Concurrency], service: Duration) -> Vec<u64> {
    let gates: Vec<_> = gates.iter().map(gate).collect();
    let both = [(gates.len() > 1).then_some(1), Some(0)];
    let arrival = |number: u64| {
        let stream = usize::from(number % 2 == 1);
        let class = if stream == 0 { Class::Critical } else { Class::Bulk };
        let at = Duration::from_millis(10 * number);
        Arrival {
            at,
            class,
            gates: both,
            route: None,
            is_known: true,
            service,
            is_good: true,
            stream,
        }
    };
    let arrivals: Vec<_> = (0..2_000).map(arrival).collect();
    run(&arrivals, Layers { rates: &[], throttles: &[], gates: &gates }, 2, 7)
}

#[test]
fn who_fits_is_served() {
    assert_eq!(refused(&[concurrency(enforce(), 4)], Duration::from_millis(30)), [0, 0]);
}

#[test]
fn who_does_not_fit_is_refused_the_least_important_first() {
    // Twice as much as four slots take.
    let refused = refused(&[concurrency(enforce(), 4)], Duration::from_millis(80));
    let (critical, bulk) = (refused[0], refused[1]);
    assert!((800..1_100).contains(&(critical + bulk)), "{refused:?}");
    assert!(critical * 10 < bulk, "{refused:?}");
}

#[test]
fn limit_that_only_observes_refuses_nobody() {
    let service = Duration::from_millis(80);
    assert_eq!(refused(&[concurrency(Mode::Observe, 4)], service), [0, 0]);
    assert_eq!(refused(&[concurrency(Mode::Off, 4)], service), [0, 0]);
}

#[test]
fn limit_of_the_route_counts_too() {
    let gates = [concurrency(enforce(), 100), concurrency(enforce(), 4)];
    let refused = refused(&gates, Duration::from_millis(80));
    assert!(refused.iter().sum::<u64>() > 800, "{refused:?}");
}
