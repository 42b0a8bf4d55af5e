use super::*;

fn at(millis: u64) -> Moment {
    Duration::from_millis(millis).into()
}

/// One character a tenth of a second: `+` succeeds, `-` fails, `~` is refused, `.` no call; in the
/// answer `o` passed, `x` refused, `.` no call.
fn check(script: &str, expected: &str) {
    let breaker = Breaker::new(Settings::default());
    let answers: String = script
        .chars()
        .enumerate()
        .map(|(turn, call)| {
            let now = at(100 * turn as u64);
            let end = match call {
                '+' => End::Success,
                '-' => End::Failure,
                '~' => End::Refused,
                _ => return '.',
            };
            match breaker.admit(now, 1) {
                Ok(pass) => {
                    breaker.record(&pass, now, end, true);
                    'o'
                }
                Err(_) => 'x',
            }
        })
        .collect();
    assert_eq!(answers, expected, "{script}");
}

#[test]
fn opens_after_failures_in_a_row() {
    check("-----++", "oooooxx");
}

#[test]
fn a_success_between_keeps_it_closed() {
    check("----+----+", "oooooooooo");
}

#[test]
fn a_failed_probe_opens_again_for_longer() {
    check("-----..........-.........-", "ooooo..........o.........x");
}

#[test]
fn refusals_open_by_share_and_never_by_row() {
    check("~~~~~~~~~~~~~~~~~~~~~", "oooooooooooooooooooox");
}

#[test]
fn four_fifths_of_success_keep_it_closed() {
    check(&"+++++-".repeat(20), &"oooooo".repeat(20));
}

fn opened() -> Breaker {
    let breaker = Breaker::new(Settings::default());
    for _ in 0..5 {
        let pass = breaker.admit(at(0), 1).unwrap();
        breaker.record(&pass, at(0), End::Failure, true);
    }
    assert_eq!(breaker.state(at(1)), State::Open);
    breaker
}

#[test]
fn exactly_as_many_probes_pass_as_allowed() {
    let breaker = opened();
    let passes: Vec<_> = (0..20).filter_map(|_| breaker.admit(at(1100), 1).ok()).collect();
    assert_eq!(passes.len(), 3);
    assert!(passes.iter().all(Pass::is_probe));
}

#[test]
fn a_probe_that_never_returns_opens_again() {
    for seed in 0..100 {
        let breaker = opened();
        let lost = breaker.admit(at(1100 + seed), 1).unwrap();
        assert_eq!(breaker.state(at(1200)), State::HalfOpen);
        assert_eq!(breaker.state(at(2100 + seed)), State::Open);
        // Its late answer changes nothing.
        breaker.record(&lost, at(2500), End::Success, true);
        assert_eq!(breaker.state(at(2500)), State::Open);
    }
}

#[test]
fn a_probe_that_was_not_made_is_given_back() {
    let breaker = opened();
    for _ in 0..50 {
        let pass = breaker.admit(at(1100), 1).unwrap();
        breaker.give_back(&pass);
    }
    assert_eq!(breaker.state(at(1100)), State::HalfOpen);
}

#[test]
fn clients_that_leave_hanging_probes_do_not_keep_it_half_open() {
    let breaker = opened();
    // Each leaves after 300 ms; another call of the endpoint tells what time it is.
    for start in [1100, 1400, 1700, 2000] {
        assert_eq!(breaker.state(at(start)), State::HalfOpen, "at {start}");
        let pass = breaker.admit(at(start), 1).unwrap();
        assert_eq!(breaker.state(at(start + 300)), State::HalfOpen);
        breaker.give_back(&pass);
    }
    assert_eq!(breaker.state(at(2300)), State::Open);
}

#[test]
fn answers_outweigh_clients_that_left_before() {
    let breaker = opened();
    for start in [1100, 1700, 2300] {
        let left = breaker.admit(at(start), 1).unwrap();
        assert_eq!(breaker.state(at(start + 500)), State::HalfOpen);
        breaker.give_back(&left);
        let answered = breaker.admit(at(start + 500), 1).unwrap();
        breaker.record(&answered, at(start + 510), End::Success, true);
    }
    assert_eq!(breaker.state(at(2900)), State::Ramp);
}

#[test]
fn after_three_good_probes_traffic_comes_back_step_by_step() {
    let breaker = opened();
    for _ in 0..3 {
        let pass = breaker.admit(at(1100), 1).unwrap();
        breaker.record(&pass, at(1110), End::Success, true);
    }
    let share = |millis: u64| {
        let passed = (0..1000).filter(|random| breaker.would_admit(at(millis), *random)).count();
        passed as f64 / 1000.0
    };
    let shares = [1200, 2200, 3200, 4200, 9000].map(share);
    let off = shares.iter().zip([0.1, 0.25, 0.5, 1.0, 1.0]).map(|(is, wanted)| (is - wanted).abs());
    assert!(off.fold(0.0, f64::max) < 0.05, "{shares:?}");
    assert_eq!(breaker.state(at(9000)), State::Closed);
}

#[test]
fn it_does_not_open_where_too_few_would_be_left() {
    let breaker = Breaker::new(Settings::default());
    for _ in 0..50 {
        let pass = breaker.admit(at(0), 1).unwrap();
        breaker.record(&pass, at(0), End::Failure, false);
    }
    assert_eq!(breaker.state(at(0)), State::Closed);
}

#[test]
fn failures_that_could_not_open_it_do_not_open_it_later() {
    let breaker = Breaker::new(Settings::default());
    let call = |millis, end, may_open| {
        let pass = breaker.admit(at(millis), 1).unwrap();
        breaker.record(&pass, at(millis), end, may_open);
    };
    (0..50).for_each(|millis| call(millis, End::Failure, false));
    (50..80).for_each(|millis| call(millis, End::Success, true));
    assert_eq!(breaker.state(at(80)), State::Closed);
}

#[test]
fn an_override_ends_by_itself() {
    let breaker = Breaker::new(Settings::default());
    breaker.set_override(Some(Override::Isolate(at(500))));
    assert!(breaker.admit(at(499), 1).is_err());
    assert!(breaker.admit(at(500), 1).is_ok());
    let breaker = opened();
    breaker.set_override(Some(Override::ForceClosed(at(400))));
    assert!(breaker.admit(at(399), 1).is_ok());
}
