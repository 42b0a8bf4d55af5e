use super::*;

#[test]
fn percentile_is_the_nearest_rank() {
    let sorted = (1..=1_000).collect::<Vec<_>>();
    let all = [0.5, 0.99, 0.999, 1.0].map(|share| percentile(&sorted, share));
    assert_eq!(all, [500, 990, 999, 1_000]);
}

#[test]
fn percentile_of_few_is_one_of_them() {
    assert_eq!(
        (percentile(&[7], 0.999), percentile(&[7, 9], 0.5), percentile(&[], 0.5)),
        (7, 7, 0)
    );
}

#[test]
fn spread_keeps_the_ends() {
    let spread = Spread::of([3.0, 1.0, 2.0]);
    assert_eq!(spread, Spread { median: 2.0, min: 1.0, max: 3.0 });
}
