use proptest::prelude::*;

use super::*;

fn weight(text: &str) -> Weight {
    text.parse().unwrap()
}

fn split(salt: &str, weights: &[&str]) -> Split {
    Split::new(salt, weights.iter().map(|text| weight(text))).unwrap()
}

/// Where every bucket goes.
fn arms(split: &Split) -> Vec<Option<usize>> {
    (0..PARTS).map(|bucket| split.arm_of(bucket)).collect()
}

#[test]
fn buckets_are_these_for_ever() {
    for (salt, unit, expected) in [
        ("tv/home", "tv-4711", 4_037),
        ("tv/home", "", 9_770),
        ("", "", 9_049),
        ("v42", "tv-4711", 8_725),
        ("v42", "ada", 5_507),
        ("tv/home", "0af7651916cd43dd8448eb211c80319c", 9_251),
        ("salz", "Zoë", 3_649),
        ("a", "b:c", 6_911),
    ] {
        assert_eq!(bucket(salt, unit.as_bytes()), expected, "{salt} {unit}");
    }
}

#[test]
fn units_are_spread_evenly() {
    let mut counts = [0_u32; 10];
    for unit in 0..20_000 {
        counts[usize::from(bucket("tv/home", format!("tv-{unit}").as_bytes()) / 1_000)] += 1;
    }
    // 2,000 each; six standard deviations are 255.
    assert!(counts.iter().all(|count| (1_745..=2_255).contains(count)), "{counts:?}");
}

#[test]
fn other_salt_draws_anew() {
    let of = |salt: &str, unit: u32| bucket(salt, format!("tv-{unit}").as_bytes()) < 1_000;
    let both = (0..20_000).filter(|unit| of("first", *unit) && of("second", *unit)).count();
    // A tenth of a tenth: 200; six standard deviations are 84.
    assert!((116..=284).contains(&both), "{both}");
}

#[test]
fn weights_are_written_in_percent() {
    for (text, parts) in [
        ("0%", 0),
        ("5%", 500),
        ("0.01%", 1),
        ("0.1%", 10),
        ("12.34%", 1_234),
        ("33.33%", 3_333),
        ("100%", 10_000),
    ] {
        assert_eq!(weight(text).parts(), parts);
        assert_eq!(weight(text).to_string(), text);
    }
    assert_eq!(weight("5.00%"), weight("5%"));
    for text in
        ["", "%", "5", "-1%", "100.01%", "101%", "0.001%", "5.%", ".5%", "1e1%", " 5%", "٥%"]
    {
        assert_eq!(text.parse::<Weight>(), Err(ParseWeightError), "{text}");
    }
}

#[test]
fn one_arm_takes_the_first_buckets() {
    let split = split("", &["5%"]);
    assert_eq!(split.range(0), Some(0..500));
    assert_eq!(split.range(1), None);
    assert_eq!(split.arm_of(499), Some(0));
    assert_eq!(split.arm_of(500), None);
    assert_eq!(arms(&self::split("", &["100%"])), vec![Some(0); usize::from(PARTS)]);
}

#[test]
fn arms_have_lanes_of_one_width() {
    let split = split("", &["10%", "0%", "33.33%"]);
    assert_eq!(split.range(0), Some(0..1_000));
    assert_eq!(split.range(1), Some(3_333..3_333));
    assert_eq!(split.range(2), Some(6_666..9_999));
    assert_eq!(split.arm_of(3_333), None);
    assert_eq!(split.arm_of(9_999), None);
}

#[test]
fn unit_that_is_missing_is_the_rests() {
    let split = split("", &["100%"]);
    assert_eq!(split.choose(None), Choice { arm: None, bucket: None });
    assert_eq!(split.choose(Some(b"tv-1")).arm, Some(0));
}

#[test]
fn weight_above_its_lane_is_refused() {
    let refused = Split::new("", [weight("1%"), weight("50.01%")]);
    let lane = weight("50%");
    assert_eq!(refused, Err(Error::AboveLane { arm: 1, weight: weight("50.01%"), lane }));
    let many = vec![Weight::NONE; ARMS_MAX + 1];
    assert_eq!(Split::new("", many), Err(Error::TooMany { arms_count: ARMS_MAX + 1 }));
}

/// Raises of arms, each by its position and the parts that it gains.
fn raises() -> impl Strategy<Value = (usize, Vec<(usize, u16)>)> {
    (1..=ARMS_MAX).prop_flat_map(|count| {
        (Just(count), proptest::collection::vec((0..count, 0..3_000_u16), 1..20))
    })
}

proptest! {
    #[test]
    fn raises_take_from_the_rest_alone((count, raises) in raises()) {
        let lane = lane(count).parts();
        let mut weights = vec![0_u16; count];
        let mut before = vec![None; usize::from(PARTS)];
        for (arm, gain) in raises {
            let old = weights[arm];
            weights[arm] = (old + gain).min(lane);
            let parts = weights.iter().map(|parts| Weight::from_parts(*parts).unwrap());
            let after = arms(&Split::new("s", parts).unwrap());
            for (was, is) in before.iter().zip(&after) {
                prop_assert!(was == is || was.is_none() && *is == Some(arm), "{was:?} to {is:?}");
            }
            for (arm, parts) in weights.iter().enumerate() {
                let taken = after.iter().filter(|is| **is == Some(arm)).count();
                prop_assert_eq!(taken, usize::from(*parts));
            }
            before = after;
        }
    }

    #[test]
    fn bucket_is_in_range_and_of_the_unit_alone(salt in ".{0,20}", unit in ".{0,40}") {
        let found = bucket(&salt, unit.as_bytes());
        prop_assert!(found < PARTS);
        let choose = |parts| {
            let split = Split::new(salt.as_str(), Weight::from_parts(parts)).unwrap();
            split.choose(Some(unit.as_bytes()))
        };
        prop_assert_eq!(choose(found), Choice { arm: None, bucket: Some(found) });
        prop_assert_eq!(choose(found + 1), Choice { arm: Some(0), bucket: Some(found) });
    }
}
