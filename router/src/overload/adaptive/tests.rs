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
        let sample = Sample { started, ended, in_flight, limited: true, kind: 0, end };
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
        let sample = Sample { started, ended, in_flight, limited: false, kind: 0, end };
        upstream.limit.on_sample(&sample);
    }
    assert_eq!(upstream.limit(), 20);
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
            limit.on_sample(&Sample { started, ended, in_flight, limited, kind: 0, end });
            prop_assert!((4..=50).contains(&limit.limit()));
        }
    }
}
