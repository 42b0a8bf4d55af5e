use std::fmt::Write as _;

use super::*;

use headgate_store::Scalar;
use headgate_types::UnixTime;

/// The text of a condition, with names put back in and values behind it.
fn check(condition: &Condition, expected: &str) {
    let mut places = Placeholders::default();
    let text = clause(condition).text(&mut places);
    assert_eq!(shown(text, &places), expected, "{condition:?}");
}

fn shown(text: Option<String>, places: &Placeholders) -> String {
    let Some(mut text) = text else { return "-".to_owned() };
    for (at, name) in places.names.iter().enumerate().rev() {
        text = text.replace(&format!("#{at}"), name);
    }
    for (at, value) in places.values.iter().enumerate() {
        let value = value.as_n().map_or_else(|_| "bytes".to_owned(), Clone::clone);
        write!(text, " :{at}={value}").unwrap();
    }
    text
}

fn x(value: impl Into<Scalar>) -> Condition {
    Condition::equals("x", value)
}

#[test]
fn each_condition_has_its_expression() {
    check(&Condition::Always, "-");
    check(&Condition::Absent, "attribute_not_exists(pk)");
    check(&Condition::Present, "attribute_exists(pk)");
    check(&Condition::VersionIs(u64::MAX), "v = :0 :0=18446744073709551615");
    check(&x(7), "a_x = :0 :0=7");
    check(&x("text"), "a_x = :0 :0=bytes");
    check(&Condition::ExpiredBy(UnixTime::from_secs(9)), "exp < :0 :0=9000");
    check(
        &Condition::NoAttribute("x".to_owned()),
        "attribute_exists(pk) AND attribute_not_exists(a_x)",
    );
    let differs =
        Condition::Attribute { name: "x".to_owned(), compare: Compare::NotEqual, value: 7.into() };
    check(&differs, "attribute_exists(a_x) AND a_x <> :0 :0=7");
}

#[test]
fn parentheses_stand_where_they_are_needed() {
    let either = || Condition::Any(vec![x(1), x(2)]);
    check(&either(), "a_x = :0 OR a_x = :1 :0=1 :1=2");
    check(
        &Condition::All(vec![either(), Condition::Present]),
        "(a_x = :0 OR a_x = :1) AND attribute_exists(pk) :0=1 :1=2",
    );
    check(
        &Condition::Any(vec![Condition::Any(vec![either()]), x(3)]),
        "a_x = :0 OR a_x = :1 OR a_x = :2 :0=1 :1=2 :2=3",
    );
}

#[test]
fn what_decides_nothing_leaves_no_placeholder() {
    check(&Condition::All(vec![]), "-");
    check(&Condition::All(vec![Condition::Always, x(1)]), "a_x = :0 :0=1");
    check(&Condition::Any(vec![x(1), Condition::Always]), "-");
    check(&Condition::All(vec![x(1), Condition::Any(vec![])]), NEVER);
    check(&Condition::Any(vec![]), NEVER);
}

const NEVER: &str = "attribute_exists(pk) AND attribute_not_exists(pk)";

#[test]
fn the_longest_condition_fits_into_an_expression() {
    let differs =
        Condition::Attribute { name: "x".to_owned(), compare: Compare::NotEqual, value: 7.into() };
    let many = Condition::Any(vec![differs; headgate_store::CONDITION_TERMS_MAX - 1]);
    let clause = Clause::all([clause(&many), unwritten(u64::MAX)]);
    let text = clause.text(&mut Placeholders::default()).unwrap();
    assert!(text.len() < 4 << 10, "{} bytes", text.len());
}
