use super::*;

fn at(millis: u64) -> UnixTime {
    UnixTime::from_duration(Duration::from_millis(millis))
}

fn counts(left_out: Option<&LeftOut>) -> Vec<(&'static str, u64)> {
    let codes = left_out.map(|left_out| left_out.codes).unwrap_or_default();
    codes.into_iter().filter(|(_, count)| *count > 0).collect()
}

/// Fills the first second with lines.
fn full() -> Refusals {
    let refusals = Refusals::default();
    for _ in 0..REFUSAL_LINES_PER_SECOND {
        assert!(refusals.count(at(1_000), "HG0031").has_line);
    }
    refusals
}

#[test]
fn so_many_a_second_have_lines() {
    let refusals = full();
    assert!(!refusals.count(at(1_999), "HG0031").has_line);
    assert!(refusals.count(at(2_000), "HG0031").has_line);
}

#[test]
fn who_is_left_out_is_told_by_code_with_the_next_second() {
    let refusals = full();
    for code in ["HG0031", "HG0032", "HG0031"] {
        assert_eq!(refusals.count(at(1_500), code), Told { has_line: false, before: None });
    }
    let told = refusals.count(at(2_000), "HG0030");
    assert_eq!(counts(told.before.as_ref()), [("HG0031", 2), ("HG0032", 1)]);
    assert_eq!(told.before.map(|left_out| left_out.time), Some(at(1_500)));
    assert_eq!(refusals.last(), None);
}

#[test]
fn who_is_left_out_is_told_after_a_second_without_others() {
    let refusals = full();
    refusals.count(at(1_500), "HG0031");
    assert_eq!(refusals.overdue(Duration::from_millis(999)), None);
    assert_eq!(counts(refusals.overdue(Duration::from_millis(1)).as_ref()), [("HG0031", 1)]);
    assert_eq!(refusals.overdue(Duration::from_secs(9)), None);
}

#[test]
fn late_end_belongs_to_the_latest_second() {
    let refusals = full();
    assert!(refusals.count(at(2_000), "HG0031").has_line);
    assert!(refusals.count(at(1_000), "HG0031").has_line, "a place of the second in force");
}

#[test]
fn every_refusal_has_a_line_or_is_counted() {
    let refusals = Refusals::default();
    let (mut lines, mut left_out) = (0, 0);
    for number in 0..1_000 {
        let told = refusals.count(at(1_000 + number * 3), "HG0032");
        lines += u64::from(told.has_line);
        left_out += counts(told.before.as_ref()).iter().map(|(_, count)| count).sum::<u64>();
    }
    left_out += counts(refusals.last().as_ref()).iter().map(|(_, count)| count).sum::<u64>();
    assert_eq!((lines, lines + left_out), (300, 1_000));
}
