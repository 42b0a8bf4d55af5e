use super::*;

fn headers(value: HeaderValue) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(PROBE, value);
    headers
}

#[test]
fn own_probe_is_known_by_its_name() {
    let mark = Mark::draw().unwrap();
    let shown = mark.shown("order").unwrap();
    assert_eq!(mark.of(&headers(shown)).as_deref(), Some("order"));
}

#[test]
fn nobody_else_can_say_that_it_is_one() {
    let (mark, other) = (Mark::draw().unwrap(), Mark::draw().unwrap());
    let forged = other.shown("order").unwrap();
    assert_eq!(mark.of(&headers(forged)), None);
    for text in ["", "order", "order ", "order 00", " "] {
        assert_eq!(mark.of(&headers(HeaderValue::from_static(text))), None, "{text:?}");
    }
    assert_eq!(mark.of(&HeaderMap::new()), None);
}

#[test]
fn secret_is_not_shown_to_logs() {
    let mark = Mark::draw().unwrap();
    let shown = mark.shown("order").unwrap();
    assert_eq!(format!("{mark:?} {shown:?}"), "Mark { .. } Sensitive");
}
