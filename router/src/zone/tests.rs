use proptest::prelude::*;

use super::*;

const DRAWS: u64 = 1_000;

/// Endpoints by the letters of their zones, `-` for none that is known; the edge is in `a`.
fn zones(letters: &str) -> Option<Zones> {
    let names: Vec<String> = letters.chars().map(String::from).collect();
    let of = |name: &'static str| (Some(name).filter(|name| *name != "-"), NonZeroU16::MIN);
    let names: Vec<&'static str> = names.into_iter().map(|name| &*name.leak()).collect();
    Zones::new("a", names.into_iter().map(of))
}

/// The share of calls in percent that goes to each endpoint's zone; capitals may not be asked.
fn shares(letters: &str) -> String {
    let zones = zones(&letters.to_lowercase()).unwrap();
    let is_down: Vec<_> = letters.chars().map(char::is_uppercase).collect();
    let mut counts = std::collections::BTreeMap::<char, u64>::new();
    for turn in 0..DRAWS {
        let zone = zones.draw(|at| !is_down[at], turn * (u64::MAX / DRAWS));
        let at = (0..letters.len()).find(|at| zones.is_in(*at, zone)).unwrap();
        *counts.entry(letters.to_lowercase().chars().nth(at).unwrap()).or_default() += 1;
    }
    let share = |(zone, count): (char, u64)| {
        #[expect(clippy::cast_possible_truncation, reason = "a share of a thousand")]
        let percent = (count as f64 * 100.0 / DRAWS as f64).round() as i64;
        format!("{zone}{percent}")
    };
    counts.into_iter().map(share).collect::<Vec<_>>().join(" ")
}

#[test]
fn own_zone_is_asked_while_it_has_its_share_and_the_rest_spills_over_in_proportion() {
    for (endpoints, expected) in [
        ("ab", "a100"),
        ("aabb", "a100"),
        ("aaab", "a100"),
        ("abbb", "a50 b50"),
        ("Aabb", "a67 b33"),
        ("aaBB", "a100"),
        ("AAbb", "b100"),
        ("abbbcc", "a50 b50"),
        ("abbbbcccc", "a33 b33 c33"),
        ("AaAbbbccc", "a43 b29 c29"),
        ("a---", "-50 a50"),
        ("AABB", "a100"),
    ] {
        assert_eq!(shares(endpoints), expected, "{endpoints}");
    }
}

#[test]
fn nothing_is_preferred_where_there_is_no_choice() {
    assert_eq!(zones("aaa"), None);
    assert_eq!(zones("bbc"), None);
    assert_eq!(zones("---"), None);
    assert_eq!(zones(""), None);
    assert!(zones("ab").is_some());
}

#[test]
fn zones_beyond_the_limit_count_as_one() {
    let many = "abcdefghijklmnopqrstuvwxyz";
    let zones = zones(many).unwrap();
    let zone = zones.draw(|at| at == 25, 0);
    assert!(zones.is_in(25, zone) && zones.is_in(20, zone) && !zones.is_in(1, zone));
}

proptest! {
    /// With an edge in each zone, no zone gets more than its capacity's share of all calls.
    #[test]
    fn no_zone_is_overloaded(counts in prop::array::uniform3(0_usize..6), down in any::<u32>()) {
        let letters = ["a", "b", "c"];
        let all: Vec<&str> = letters.iter().zip(counts).flat_map(|(zone, count)| vec![*zone; count]).collect();
        let may = |at: usize| down >> at & 1 == 0;
        prop_assume!(counts.iter().all(|count| *count > 0));
        let able = |zone: &str| all.iter().enumerate().filter(|(at, of)| **of == zone && may(*at)).count();
        let whole: usize = letters.iter().map(|zone| able(zone)).sum();
        prop_assume!(whole > 0);
        let mut calls = [0.0; 3];
        for own in letters {
            let zones = Zones::new(own, all.iter().map(|zone| (Some(*zone), NonZeroU16::MIN))).unwrap();
            for turn in 0..DRAWS {
                let zone = zones.draw(may, turn * (u64::MAX / DRAWS));
                for (at, name) in letters.iter().enumerate() {
                    let first = all.iter().position(|of| of == name).unwrap();
                    calls[at] += f64::from(u8::from(zones.is_in(first, zone)));
                }
            }
        }
        for (at, zone) in letters.iter().enumerate() {
            let fair = able(zone) as f64 / whole as f64;
            let got = calls[at] / (3 * DRAWS) as f64;
            prop_assert!(got <= fair + 0.01, "{zone} can {fair} and gets {got}");
        }
    }
}
