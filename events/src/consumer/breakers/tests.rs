use super::*;

fn at(millis: u64) -> Moment {
    Moment::ZERO + Duration::from_millis(millis)
}

fn breakers() -> Breakers {
    Breakers::new(Duration::from_secs(30))
}

#[test]
fn one_word_that_a_dependency_is_down_stops_all_work() {
    let mut breakers = breakers();
    let passes = breakers.admit(at(0), 0).expect("nothing is down");
    assert!(breakers.down(passes, "psp", at(0)), "it is news");

    assert_eq!(breakers.is_down(at(1)), Some("psp"));
    assert!(breakers.admit(at(1), 0).is_none());
}

#[test]
fn late_words_are_no_news() {
    let mut breakers = breakers();
    breakers.down(Passes::default(), "psp", at(0));
    assert!(!breakers.down(Passes::default(), "psp", at(1)));
}

#[test]
fn work_is_tried_within_a_second_and_goes_on_once_it_succeeds() {
    let mut breakers = breakers();
    breakers.down(Passes::default(), "psp", at(0));
    let mut now = 0;
    // Down for a minute: each probe fails.
    while now < 60_000 {
        now += 10;
        if let Some(passes) = breakers.admit(at(now), 0) {
            breakers.down(passes, "psp", at(now));
        }
    }
    let back_at = now;
    while breakers.is_down(at(now)).is_some() {
        now += 10;
        if let Some(passes) = breakers.admit(at(now), 0) {
            breakers.up(passes, at(now));
        }
    }
    assert!(now - back_at <= 2_000, "found up after {} ms", now - back_at);
}

#[test]
fn dependencies_above_the_bound_share_a_name() {
    let mut breakers = breakers();
    for number in 0..NAMES_MAX * 2 {
        breakers.down(Passes::default(), &format!("d{number}"), at(0));
    }
    assert_eq!(breakers.breakers.len(), NAMES_MAX + 1);
}
