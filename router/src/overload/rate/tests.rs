use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

const BURST: u32 = 5;

fn limiter() -> Limiter {
    let (requests, burst) = (NonZeroU32::new(10).unwrap(), NonZeroU32::new(BURST).unwrap());
    Limiter::new(Rate { requests, period: Duration::from_secs(1), burst }).unwrap()
}

fn at(millis: u64) -> Moment {
    Duration::from_millis(10_000 + millis).into()
}

#[test]
fn a_burst_passes_and_then_the_rate() {
    let limiter = limiter();
    let passed = |millis: std::ops::Range<u64>| {
        millis.filter(|milli| limiter.check(1, at(*milli)).is_none()).count()
    };
    assert_eq!(passed(0..10), 5);
    assert_eq!(passed(10..1010), 10);
}

#[test]
fn a_refusal_says_when_to_come_back() {
    let limiter = limiter();
    let refusal = (0..6).filter_map(|_| limiter.check(1, at(0))).next_back().unwrap();
    assert_eq!(refusal.retry_after, Duration::from_millis(100));
    assert!(limiter.check(1, at(99)).is_some());
    assert!(limiter.check(1, at(100)).is_none());
}

#[test]
fn a_million_keys_take_no_more_memory_and_spare_the_keys_in_use() {
    let limiter = limiter();
    assert!(std::mem::size_of::<[u64; 2]>() * KEYS < 64 << 20);
    let (mut asked, mut wrong) = (0_u32, 0_u32);
    // A hundred keys ask for twice their rate while a million others come by once.
    let mut naive: HashMap<u64, f64> = HashMap::new();
    for flood in 0..1_000_000_u64 {
        let nanos = 10_000_000_000 + flood * 10_000;
        limiter.check(1_000_000 + flood, Moment::from_nanos(nanos));
        if flood % 50 == 0 {
            let key = (flood / 50) % 100;
            let now = nanos as f64 / 1e9;
            let arrival = naive.entry(key).or_insert(now);
            let may = *arrival - now <= 0.1 * f64::from(BURST - 1) + 1e-9;
            if may {
                *arrival = arrival.max(now) + 0.1;
            }
            asked += 1;
            let passed = limiter.check(key, Moment::from_nanos(nanos)).is_none();
            wrong += u32::from(passed != may);
        }
    }
    assert!(wrong * 100 <= asked, "{wrong} of {asked} decisions changed by the flood");
}

proptest! {
    #[test]
    fn decisions_are_those_of_a_naive_bucket(gaps in proptest::collection::vec(0_u64..400, 1..200)) {
        let limiter = limiter();
        let (mut now, mut arrival) = (0, 0_i64);
        for gap in gaps {
            now += gap;
            let signed = i64::try_from(now).unwrap();
            let may = arrival - signed <= 100 * i64::from(BURST - 1);
            if may {
                arrival = arrival.max(signed) + 100;
            }
            prop_assert_eq!(limiter.check(9, at(now)).is_none(), may);
        }
    }
}
