use proptest::prelude::*;

use super::*;

/// An upstream with slots in front of which everything waits, seen through a limit that binds.
struct Upstream {
    limit: Adaptive,
    now: Duration,
    turn: u32,
}

impl Upstream {
    fn new(settings: Settings) -> Self {
        Self { limit: Adaptive::new(settings), now: Duration::from_secs(1), turn: 0 }
    }

    /// Runs that many seconds with so many slots and calls that take so many milliseconds.
    fn run(&mut self, seconds: f64, slots: u32, millis: f64) {
        let end = self.now + Duration::from_secs_f64(seconds);
        while self.now < end {
            let in_flight = self.limit.limit();
            let busy = in_flight.min(slots);
            let rate = f64::from(busy) / (millis / 1000.0);
            let rtt = f64::from(in_flight) / rate;
            // Calls scatter by a factor of two either way, evenly, so that runs repeat.
            self.turn += 1;
            let scatter = [0.5, 1.0, 2.0, 0.8, 1.25][(self.turn % 5) as usize];
            self.now += Duration::from_secs_f64(1.0 / rate);
            self.end(Duration::from_secs_f64(rtt * scatter), in_flight, End::Success);
        }
    }

    fn end(&mut self, rtt: Duration, in_flight: u32, end: End) {
        let ended = Moment::from(self.now);
        let started = ended - rtt;
        let sample =
            Sample { started, ended, in_flight, limited: true, held_back: false, kind: 0, end };
        self.limit.on_sample(&sample);
    }

    fn limit(&self) -> u32 {
        self.limit.limit()
    }
}

#[test]
fn the_limit_finds_the_slots() {
    let mut upstream = Upstream::new(Settings::default());
    upstream.run(20.0, 60, 50.0);
    assert!((54..=80).contains(&upstream.limit()), "{}", upstream.limit());
}

#[test]
fn fewer_slots_mean_a_lower_limit_and_the_same_no_load_rtt() {
    let mut upstream = Upstream::new(Settings::default());
    upstream.run(20.0, 60, 50.0);
    let before = upstream.limit.no_load_rtt().unwrap();
    upstream.run(20.0, 12, 50.0);
    assert!((10..=20).contains(&upstream.limit()), "{}", upstream.limit());
    let after = upstream.limit.no_load_rtt().unwrap();
    assert!(after < before.mul_f64(1.2), "{before:?} became {after:?}");
}

#[test]
fn slower_calls_mean_another_no_load_rtt_and_the_same_limit() {
    let mut upstream = Upstream::new(Settings::default());
    upstream.run(20.0, 60, 50.0);
    upstream.run(30.0, 60, 250.0);
    assert!((50..=80).contains(&upstream.limit()), "{}", upstream.limit());
    let rtt = upstream.limit.no_load_rtt().unwrap();
    assert!((200..350).contains(&rtt.as_millis()), "{rtt:?}");
}

#[test]
fn nothing_is_learnt_above_a_healthy_rtt() {
    let healthy_rtt_max = Some(Duration::from_millis(100));
    let mut upstream = Upstream::new(Settings { healthy_rtt_max, ..Settings::default() });
    upstream.run(20.0, 60, 50.0);
    upstream.run(30.0, 60, 500.0);
    assert!(upstream.limit.no_load_rtt().unwrap() <= Duration::from_millis(101));
    assert!(upstream.limit() <= 5, "{}", upstream.limit());
}

#[test]
fn timeouts_halve_the_limit_to_its_least() {
    let mut upstream = Upstream::new(Settings { initial: 64, ..Settings::default() });
    let mut limits = vec![upstream.limit()];
    for _ in 0..400 {
        upstream.now += Duration::from_millis(50);
        let in_flight = upstream.limit();
        upstream.end(Duration::from_secs(5), in_flight, End::Dropped);
        if limits.last() != Some(&upstream.limit()) {
            limits.push(upstream.limit());
        }
    }
    assert_eq!(limits, [64, 32, 16, 8, 4]);
}

#[test]
fn ignored_calls_change_nothing() {
    let mut upstream = Upstream::new(Settings::default());
    upstream.run(5.0, 60, 50.0);
    let before = upstream.limit();
    for _ in 0..1000 {
        upstream.now += Duration::from_millis(5);
        upstream.end(Duration::from_secs(9), before, End::Ignore);
    }
    assert_eq!(upstream.limit(), before);
}

#[test]
fn an_idle_upstream_keeps_its_limit() {
    let mut upstream = Upstream::new(Settings::default());
    for _ in 0..10_000 {
        upstream.now += Duration::from_millis(20);
        let (ended, in_flight) = (Moment::from(upstream.now), 3);
        let started = ended - Duration::from_millis(50);
        let end = End::Success;
        let sample =
            Sample { started, ended, in_flight, limited: false, held_back: false, kind: 0, end };
        upstream.limit.on_sample(&sample);
    }
    assert_eq!(upstream.limit(), 20);
}

/// Runs a minute of slow calls that fill what a held share of three tenths leaves them, and of fast
/// ones beside them, on twenty slots. Gives the limits by the second.
fn with_a_held_share(mut limit: Adaptive) -> (Adaptive, Vec<u32>) {
    let mut limits = Vec::new();
    for turn in 0..12_000_u64 {
        let ended = Moment::from(Duration::from_millis(5_000 + 5 * turn));
        let slow = limit.limit() - limit.limit() * 3 / 10;
        let free = f64::from(20_u32.saturating_sub(slow)).max(0.5);
        let scatter = [0.5, 1.0, 2.0, 0.8, 1.25][usize::try_from(turn % 5).unwrap()];
        // The fewer slots the slow ones leave, the longer the fast ones wait for one.
        let kind = usize::from(!turn.is_multiple_of(6));
        let millis = if kind == 1 { 5.0 * (1.0 + free.recip().powi(2)) } else { 500.0 };
        let started = ended - Duration::from_secs_f64(millis / 1000.0 * scatter);
        let (in_flight, end) = (slow + 1, End::Success);
        let held_back = turn.is_multiple_of(6);
        let sample = Sample { started, ended, in_flight, limited: true, held_back, kind, end };
        limit.on_sample(&sample);
        if turn.is_multiple_of(200) {
            limits.push(limit.limit());
        }
    }
    (limit, limits)
}

#[test]
fn a_limit_that_a_held_share_keeps_from_being_filled_ends_at_what_was_in_flight() {
    let limit = Adaptive::new(Settings { kinds: 2, ..Settings::default() });
    let (limit, limits) = with_a_held_share(limit);
    let most = limits.iter().copied().max().unwrap();
    assert!((25..=29).contains(&most), "it grows until a kind waits: {limits:?}");
    assert!((18..=22).contains(&limit.limit()), "and has found the slots: {limits:?}");
    let found = limits.iter().position(|it| *it == most).unwrap();
    assert!(limits[found + 3..].iter().all(|it| *it <= 22), "and stays there: {limits:?}");
}

proptest! {
    #[test]
    fn the_limit_stays_within_its_bounds(
        calls in proptest::collection::vec(
            (0_u64..3_000, 0_u64..20_000, 0_u32..2_000, any::<bool>(), 0_u8..3), 1..2_000,
        ),
    ) {
        let settings = Settings { min: 4, max: 50, ..Settings::default() };
        let mut limit = Adaptive::new(settings);
        let mut now = 0;
        for (gap, rtt, in_flight, limited, end) in calls {
            now += gap;
            let end = [End::Success, End::Dropped, End::Ignore][usize::from(end)];
            let ended = Moment::from(Duration::from_millis(now));
            let started = ended - Duration::from_millis(rtt);
            let held_back = limited && in_flight.is_multiple_of(3);
            let sample = Sample { started, ended, in_flight, limited, held_back, kind: 0, end };
            limit.on_sample(&sample);
            prop_assert!((4..=50).contains(&limit.limit()));
        }
    }
}
