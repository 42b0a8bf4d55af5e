use proptest::prelude::*;

use super::*;

fn found(address: &str) -> Found {
    Found { address: address.parse().unwrap(), weight: NonZeroU16::MIN }
}

fn addresses(answer: &[&str]) -> Result<String, Fault> {
    let set = judge(answer.iter().map(|one| found(one)))?;
    let all: Vec<_> = set.found.iter().map(|one| one.address.to_string()).collect();
    Ok(all.join(" "))
}

#[test]
fn answer_is_believed_unless_nobody_could_mean_it() {
    for (answer, expected) in [
        (&["10.0.0.2:1", "10.0.0.1:1"][..], Ok("10.0.0.1:1 10.0.0.2:1")),
        (&["10.0.0.1:1", "10.0.0.1:1"], Ok("10.0.0.1:1")),
        (&["10.0.0.1:2", "10.0.0.1:1"], Ok("10.0.0.1:1 10.0.0.1:2")),
        (&["0.0.0.0:1", "10.0.0.1:1"], Ok("10.0.0.1:1")),
        (&["[::]:1", "[ff02::1]:1", "[fd00::1]:1"], Ok("[fd00::1]:1")),
        (&["127.0.0.1:1"], Ok("127.0.0.1:1")),
        (&["0.0.0.0:1"], Err(Fault::Unusable)),
        (&["224.0.0.1:1", "255.255.255.255:1"], Err(Fault::Unusable)),
        (&["[::ffff:0.0.0.0]:1"], Err(Fault::Unusable)),
        (&["10.0.0.1:0"], Err(Fault::Unusable)),
        (&[], Err(Fault::Empty)),
    ] {
        assert_eq!(addresses(answer), expected.map(str::to_owned), "{answer:?}");
    }
}

#[test]
fn too_many_are_cut_off_at_the_same_place_whatever_their_order() {
    let all = (0..300_u32).map(|last| Found {
        address: (std::net::Ipv4Addr::from(0x0a00_0001 + last), 80).into(),
        weight: NonZeroU16::MIN,
    });
    let set = judge(all.clone()).unwrap();
    assert_eq!((set.found.len(), set.left_out), (ENDPOINTS_MAX, 300 - ENDPOINTS_MAX));
    assert_eq!(judge(all.rev()).unwrap(), set);
}

fn targets(all: &[(u16, &str)]) -> Vec<String> {
    let target = |(priority, name): &(u16, &str)| Target {
        priority: *priority,
        weight: 1,
        port: 80,
        name: (*name).to_owned(),
    };
    preferred(all.iter().map(target)).into_iter().map(|one| one.name).collect()
}

#[test]
fn targets_of_the_least_priority_are_asked() {
    assert_eq!(targets(&[(10, "b."), (20, "c."), (10, "a.")]), ["a.", "b."]);
    assert_eq!(targets(&[(0, "."), (5, "a.")]), ["a."]);
    assert!(targets(&[(0, ".")]).is_empty());
    assert!(targets(&[]).is_empty());
}

#[test]
fn weight_of_zero_is_the_least() {
    assert_eq!((weight(0).get(), weight(7).get()), (1, 7));
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const PACE: Pace = Pace { least: secs(1), longest: secs(60) };

#[test]
fn waits_keep_to_floor_and_ceiling() {
    for (good_for, expected) in [(0, 1), (1, 1), (30, 30), (60, 60), (86_400, 60)] {
        assert_eq!(PACE.after_answer(secs(good_for), 0.0), secs(expected), "{good_for}");
    }
    for (faults, expected) in [(1, 1), (2, 2), (3, 4), (4, 8), (5, 15), (u32::MAX, 15)] {
        assert_eq!(PACE.after_fault(faults, 0.0), secs(expected), "{faults}");
    }
    let odd = Pace { least: secs(30), longest: secs(5) };
    assert_eq!(odd.after_answer(secs(10), 0.0), secs(30));
    assert_eq!(odd.after_fault(9, 0.0), secs(30));
}

proptest! {
    #[test]
    fn waits_differ_by_a_tenth_at_most(good_for in 0_u64..100_000, draw in 0.0..1.0_f64) {
        let wait = PACE.after_answer(secs(good_for), draw);
        prop_assert!(wait >= PACE.least && wait <= PACE.longest.mul_f64(1.1), "{wait:?}");
    }

    #[test]
    fn order_of_an_answer_never_matters(mut hosts in prop::collection::vec(1_u32..50, 1..80)) {
        let all = |hosts: &[u32]| {
            judge(hosts.iter().map(|host| Found {
                address: (std::net::Ipv4Addr::from(0x0a00_0000 + host), 80).into(),
                weight: NonZeroU16::MIN,
            }))
        };
        let set = all(&hosts);
        hosts.reverse();
        prop_assert_eq!(set, all(&hosts));
    }
}
