use super::*;

/// Sends so many requests in each second; tells how many were kept and for how many they stand.
fn run(sampler: &Sampler, seconds: std::ops::Range<u64>, requests: u64) -> (u64, u64) {
    let mut random = fastrand::Rng::with_seed(7);
    let (mut kept, mut stood_for) = (0, 0);
    for second in seconds {
        for request in 0..requests {
            let now = Moment::from_nanos(second * NANOS_PER_SECOND + request);
            if let Some(weight) = sampler.weight(now, random.u64(..)) {
                kept += 1;
                stood_for += weight;
            }
        }
    }
    (kept, stood_for)
}

#[test]
fn what_is_below_the_rate_is_kept_whole() {
    let sampler = Sampler::new(100);
    assert_eq!(run(&sampler, 1..60, 100), (5_900, 5_900));
}

#[test]
fn short_burst_is_kept_whole() {
    let sampler = Sampler::new(100);
    assert_eq!(run(&sampler, 1..2, 1_000), (1_000, 1_000));
}

#[test]
fn long_rush_is_sampled_and_stands_for_all() {
    let sampler = Sampler::new(100);
    run(&sampler, 1..10, 5_000);
    let (kept, stood_for) = run(&sampler, 10..110, 5_000);
    assert!((8_000..12_000).contains(&kept), "kept {kept}");
    assert!((450_000..550_000).contains(&stood_for), "stands for {stood_for}");
}

#[test]
fn calm_after_a_rush_is_kept_whole_again() {
    let sampler = Sampler::new(100);
    run(&sampler, 1..10, 5_000);
    run(&sampler, 10..11, 10);
    assert_eq!(run(&sampler, 11..20, 50), (450, 450));
}
