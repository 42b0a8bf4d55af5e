use proptest::prelude::*;

use super::*;

fn times(healthy: u32, unhealthy: u32) -> Thresholds {
    let [healthy_after, unhealthy_after] =
        [healthy, unhealthy].map(|number| NonZeroU32::new(number).unwrap());
    Thresholds { healthy_after, unhealthy_after }
}

/// The states after each check: `+` is a good one.
fn states(checks: &str, thresholds: Thresholds) -> String {
    let mut health = Health::default();
    let state = |check| {
        health = health.checked(check == '+', thresholds);
        match health.state() {
            State::Unchecked => '?',
            State::Healthy => 'h',
            State::Unhealthy => 'u',
        }
    };
    checks.chars().map(state).collect()
}

#[test]
fn so_many_checks_in_a_row_decide() {
    for (checks, expected) in [
        ("+---++", "hhhuuh"),
        ("+--+--+---", "hhhhhhhhhu"),
        ("-++", "uuh"),
        ("-+-+-+", "uuuuuu"),
        ("+", "h"),
        ("-", "u"),
    ] {
        assert_eq!(states(checks, times(2, 3)), expected, "{checks}");
    }
    assert_eq!(states("+-+-", times(1, 1)), "huhu");
}

/// Endpoints: `.` is fit, `u` unhealthy, `d` drained, `x` both, `w` warms up at half its share.
fn asked(endpoints: &str, draw: f64) -> String {
    let standing = |letter| Standing {
        is_drained: matches!(letter, 'd' | 'x'),
        is_unhealthy: matches!(letter, 'u' | 'x'),
        share: if letter == 'w' { 0.5 } else { 1.0 },
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "below two to the 64th"
    )]
    let random = (draw * 18_446_744_073_709_551_615.0) as u64;
    let fit = fit(endpoints.chars().map(standing), random);
    let asked =
        endpoints.chars().enumerate().map(|(at, letter)| if fit.has(at) { letter } else { '-' });
    asked.collect()
}

#[test]
fn the_fit_are_asked_and_never_nobody_for_being_unhealthy() {
    for (endpoints, expected) in [
        ("...", "..."),
        (".u.", ".-."),
        ("uuu", "uuu"),
        ("d..", "-.."),
        ("du", "-u"),
        ("dx", "--"),
        ("dd", "--"),
        ("", ""),
    ] {
        assert_eq!(asked(endpoints, 0.7), expected, "{endpoints}");
    }
}

#[test]
fn who_warms_up_gets_a_part_of_the_calls_and_all_where_nobody_is_warm() {
    assert_eq!(asked(".w", 0.3), ".w");
    assert_eq!(asked(".w", 0.7), ".-");
    assert_eq!(asked("uw", 0.7), "-w");
    assert_eq!(asked("ww", 0.7), "ww");
}

#[test]
fn share_grows_evenly_and_is_never_nothing() {
    let window = Duration::from_secs(10);
    let at = |seconds: u64| {
        share(Moment::from_nanos(0), Moment::from_nanos(seconds * 1_000_000_000), window)
    };
    assert!((at(0) - 0.1).abs() < 1e-9);
    assert!((at(5) - 0.5).abs() < 1e-9);
    assert!((at(10) - 1.0).abs() < 1e-9);
    assert!((at(99) - 1.0).abs() < 1e-9);
}

#[test]
fn as_many_as_an_upstream_may_have_are_told_apart() {
    let standing = Standing { is_drained: false, is_unhealthy: false, share: 1.0 };
    let all = fit(std::iter::repeat_n(standing, ENDPOINTS_MAX), 0);
    assert!((0..ENDPOINTS_MAX).all(|at| all.has(at)));
    assert!(!all.has(ENDPOINTS_MAX));
}

proptest! {
    #[test]
    fn somebody_is_asked_unless_all_are_drained(endpoints in "[.udxw]{0,20}", draw in 0.0..1.0) {
        let asked = asked(&endpoints, draw);
        prop_assert!(!asked.contains(['d', 'x']));
        let all_drained = endpoints.chars().all(|one| matches!(one, 'd' | 'x'));
        prop_assert_eq!(asked.chars().all(|one| one == '-'), all_drained);
    }
}
