use syn::parse_str;

use super::*;

const ALL: &str = r#"scope = "billing.charge@1", on = "orders/order.placed.v1",
    key = |e| &e.data.order_id, mode = keyed, on_lost = hold, ttl = "24h", lease = "30s",
    timeout = "10s", window = "2d", retry = exp("200ms", 2.0, "5m", 8), order = per_key"#;

/// All that is said about the arguments, one line each.
fn faults(arguments: &str) -> String {
    let Err(error) = parse_str::<Arguments>(arguments) else { panic!("read: {arguments}") };
    error.into_iter().map(|error| error.to_string()).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_argument_is_read() {
    let read = parse_str::<Arguments>(ALL).unwrap();
    assert_eq!(
        (read.scope.as_str(), read.topic.as_str(), read.kind.as_str()),
        ("billing.charge@1", "orders", "order.placed.v1")
    );
    assert!(read.key.is_some());
    assert_eq!(read.mode, Mode::Keyed);
    assert_eq!(read.on_lost, Some(OnLost::Hold));
    assert_eq!(read.ttl, Some(Millis(86_400_000)));
    assert_eq!(read.lease, Some(Millis(30_000)));
    assert_eq!(read.timeout, Some(Millis(10_000)));
    assert_eq!(read.window, Some(Millis(172_800_000)));
    let retry =
        Backoff { first: Millis(200), factor: 2.0, longest: Millis(300_000), attempts_max: 8 };
    assert_eq!(read.retry, Some(retry));
    assert_eq!(read.order, Some(Order::PerKey));
}

#[test]
fn scope_and_on_are_enough() {
    let read = parse_str::<Arguments>(r#"scope = "s", on = "t/k","#).unwrap();
    assert_eq!(read.mode, Mode::Transactional);
    assert!(read.key.is_none() && read.ttl.is_none() && read.order.is_none());
}

#[test]
fn an_unknown_argument_names_what_is_allowed() {
    assert_eq!(
        faults(r#"scop = "s""#),
        "unknown argument `scop`; allowed are `scope`, `on`, `key`, `mode`, `on_lost`, `ttl`, \
         `lease`, `timeout`, `window`, `retry`, `order`"
    );
}

#[test]
fn all_that_is_wrong_together_is_said_at_once() {
    assert_eq!(
        faults("mode = leased"),
        "mode leased needs `on_lost`: `retry` may repeat an effect, `hold` waits for a person\n\
         `scope` is missing, such as `scope = \"billing.charge@1\"`\n\
         `on` is missing, such as `on = \"orders/order.placed.v1\"`"
    );
}

#[test]
fn what_a_mode_has_no_use_for_is_refused() {
    let cases = [
        (
            r#"scope = "s", on = "t/k", lease = "1s", on_lost = retry"#,
            "`on_lost` has no meaning in mode transactional: nothing is claimed before its one \
             commit\n\
             `lease` has no meaning in mode transactional: nothing is claimed before its one commit",
        ),
        (
            r#"scope = "s", on = "t/k", mode = leased, on_lost = hold, window = "1d""#,
            "`window` has no meaning in mode leased: no key is given to another service",
        ),
    ];
    for (arguments, expected) in cases {
        assert_eq!(faults(arguments), expected);
    }
}

#[test]
fn a_value_that_is_not_allowed_is_answered_with_what_is() {
    let cases = [
        ("mode = exactly", "expected one of `transactional`, `keyed`, `leased`"),
        ("mode = \"keyed\"", "expected one of `transactional`, `keyed`, `leased`"),
        ("on_lost = drop", "expected one of `retry`, `hold`"),
        ("order = strict", "expected one of `unordered`, `per_key`"),
        ("scope = \"\"", "without `#` and `~`"),
        ("scope = \"a b\"", "without `#` and `~`"),
        ("scope = \"a~1\"", "without `#` and `~`"),
        ("on = \"orders\"", "expected a topic and a type"),
        ("on = \"orders/a/b\"", "expected a topic and a type"),
        ("on = \"/b\"", "expected a topic and a type"),
        ("key = \"order_id\"", "expected"),
        ("key = |a, b| a", "expected the event's key"),
        ("key = move |e| e", "expected the event's key"),
        ("ttl = \"0s\"", "expected a duration"),
        ("ttl = \"5\"", "expected a duration"),
        ("ttl = \"1w\"", "expected a duration"),
        ("lease = 30", "expected string literal"),
        ("retry = 3", "expected exp("),
        ("retry = lin(\"1s\")", "expected exp("),
        ("retry = exp(\"1s\", 0.5, \"1m\", 3)", "expected a factor from 1 to 100"),
        ("retry = exp(\"1s\", 2, \"1m\", 0)", "expected exp("),
        ("retry = exp(\"1s\", 2, \"1m\", 3, 4)", "expected exp("),
        ("scope = \"a\", scope = \"b\"", "`scope` stands here twice"),
    ];
    for (argument, expected) in cases {
        let told = faults(argument);
        assert!(told.contains(expected), "{argument}: {told}");
    }
}
