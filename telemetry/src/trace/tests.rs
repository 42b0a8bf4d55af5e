use proptest::prelude::*;

use super::*;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn from(peer: Peer, lines: &[(&'static str, &str)]) -> Incoming {
    accept_with(peer, &headers(lines), &mut fastrand::Rng::with_seed(7))
}

fn good() -> String {
    format!("00-{TRACE}-{SPAN}-01")
}

#[test]
fn traceparent_is_read_by_its_four_fields() {
    let parent = parse_traceparent(good().as_bytes()).unwrap();
    assert_eq!(parent.trace_id.to_string(), TRACE);
    assert_eq!(parent.span_id.to_string(), SPAN);
    assert_eq!(parent.flags, 1);
}

#[test]
fn traceparents_that_are_taken() {
    for value in [
        format!("00-{TRACE}-{SPAN}-00"),
        format!("00-{TRACE}-{SPAN}-ff"),
        format!("01-{TRACE}-{SPAN}-01"),
        format!("cc-{TRACE}-{SPAN}-01-what-the-future-brings"),
        format!("fe-{TRACE}-{SPAN}-01-"),
    ] {
        assert!(parse_traceparent(value.as_bytes()).is_some(), "{value}");
    }
}

#[test]
fn traceparents_that_are_refused() {
    let zeros = "0".repeat(32);
    for value in [
        String::new(),
        "00".to_owned(),
        format!("ff-{TRACE}-{SPAN}-01"),
        format!("0-{TRACE}-{SPAN}-01"),
        format!("000-{TRACE}-{SPAN}-1"),
        format!("00-{TRACE}-{SPAN}-01-"),
        format!("00-{TRACE}-{SPAN}-01-more"),
        format!("00-{TRACE}-{SPAN}-0"),
        format!("00-{TRACE}-{SPAN}-001"),
        format!("00-{TRACE}-{SPAN}"),
        format!("cc-{TRACE}-{SPAN}-01.more"),
        format!("0g-{TRACE}-{SPAN}-01"),
        format!("00-{TRACE}-{SPAN}-0x"),
        format!("00-{zeros}-{SPAN}-01"),
        format!("00-{TRACE}-0000000000000000-01"),
        format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
        format!("00-{TRACE}-{}-01", SPAN.to_uppercase()),
        format!("00-{TRACE}-{SPAN}-0A"),
        format!("0A-{TRACE}-{SPAN}-01"),
        format!(" 00-{TRACE}-{SPAN}-01"),
        format!("00-{TRACE}-{SPAN}-01 "),
        format!("00_{TRACE}_{SPAN}_01"),
        format!("00-{SPAN}-{TRACE}-01"),
        format!("00-{TRACE}é-00f067aa0ba902-01"),
    ] {
        assert_eq!(parse_traceparent(value.as_bytes()), None, "{value}");
    }
}

#[test]
fn trusted_series_goes_on_with_a_span_of_its_own() {
    let incoming = from(Peer::Trusted, &[("traceparent", &good()), ("tracestate", "a=1,b=2")]);
    let parent = parse_traceparent(good().as_bytes()).unwrap();
    assert_eq!(incoming.context.trace_id, parent.trace_id);
    assert_eq!(incoming.context.parent_id, Some(parent.span_id));
    assert_ne!(incoming.context.span_id, parent.span_id);
    assert_eq!(incoming.context.flags, SAMPLED);
    assert_eq!(incoming.state.unwrap(), "a=1,b=2");
    assert_eq!(incoming.untrusted, None);
}

#[test]
fn untrusted_series_is_kept_as_an_attribute() {
    let incoming = from(Peer::Untrusted, &[("traceparent", &good()), ("tracestate", "a=1")]);
    let parent = parse_traceparent(good().as_bytes()).unwrap();
    assert_eq!(incoming.untrusted, Some(parent));
    assert_ne!(incoming.context.trace_id, parent.trace_id);
    assert_eq!(incoming.context.parent_id, None);
    assert_eq!(incoming.context.flags, SAMPLED | RANDOM_TRACE_ID);
    assert_eq!(incoming.state, None);
}

#[test]
fn two_traceparents_are_none() {
    for peer in [Peer::Trusted, Peer::Untrusted] {
        let twice = [("traceparent", good()), ("traceparent", good())];
        let twice = twice.each_ref().map(|(name, value)| (*name, value.as_str()));
        let incoming = from(peer, &twice);
        assert_eq!(incoming.context.parent_id, None);
        assert_eq!(incoming.untrusted, None);
    }
}

#[test]
fn tracestate_without_a_good_traceparent_is_dropped() {
    assert_eq!(from(Peer::Trusted, &[("tracestate", "a=1")]).state, None);
    let bad = [("traceparent", "00-x-y-01"), ("tracestate", "a=1")];
    assert_eq!(from(Peer::Trusted, &bad).state, None);
}

#[test]
fn tracestate_headers_are_one_list() {
    let good = good();
    let lines = [("traceparent", good.as_str()), ("tracestate", "a=1"), ("tracestate", "b=2,c=3")];
    assert_eq!(from(Peer::Trusted, &lines).state.unwrap(), "a=1,b=2,c=3");
}

#[test]
fn tracestate_is_passed_on_up_to_its_limits() {
    let good = good();
    let state = |value: &str| {
        from(Peer::Trusted, &[("traceparent", &good), ("tracestate", value)]).state.is_some()
    };
    let members = |count| vec!["a=1"; count].join(",");
    assert!(state(&members(TRACESTATE_MEMBERS_MAX)));
    assert!(!state(&members(TRACESTATE_MEMBERS_MAX + 1)));
    let bytes = |count: usize| format!("a={}", "x".repeat(count - 2));
    assert!(state(&bytes(TRACESTATE_BYTES_MAX)));
    assert!(!state(&bytes(TRACESTATE_BYTES_MAX + 1)));
    let half = bytes(TRACESTATE_BYTES_MAX / 2);
    let halves = [("traceparent", good.as_str()), ("tracestate", &half), ("tracestate", &half)];
    assert_eq!(from(Peer::Trusted, &halves).state, None, "the comma between counts");
}

#[test]
fn unknown_flags_are_not_handed_on() {
    let incoming = from(Peer::Trusted, &[("traceparent", &format!("00-{TRACE}-{SPAN}-ff"))]);
    assert!(incoming.context.to_traceparent().to_str().unwrap().ends_with("-03"));
}

#[test]
fn ids_differ_from_exchange_to_exchange_and_thread_to_thread() {
    let none = HeaderMap::new();
    let here = accept(Peer::Untrusted, &none).context;
    let next = accept(Peer::Untrusted, &none).context;
    let elsewhere =
        std::thread::spawn(|| accept(Peer::Untrusted, &HeaderMap::new()).context).join().unwrap();
    let ids = [here.trace_id, next.trace_id, elsewhere.trace_id];
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2], "{ids:?}");
    assert_ne!(here.span_id, next.span_id);
}

#[test]
fn trace_id_header_is_32_lowercase_digits() {
    assert_eq!(format_trace_id(TRACE.parse().unwrap()), TRACE);
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(trace in 1_u128.., span in 1_u64.., flags in 0_u8..=3) {
        let parent = TraceParent {
            trace_id: TraceId::from_bytes(trace.to_be_bytes()).unwrap(),
            span_id: SpanId::from_bytes(span.to_be_bytes()).unwrap(),
            flags,
        };
        let expected = format!("00-{trace:032x}-{span:016x}-{flags:02x}");
        prop_assert_eq!(parent.to_header(), expected.as_str());
        prop_assert_eq!(parse_traceparent(expected.as_bytes()), Some(parent));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        prop_assert_eq!(parse_traceparent(&bytes), None);
    }

    #[test]
    fn a_changed_byte_never_reads_as_the_same(at in 0_usize..55, byte in any::<u8>()) {
        let mut bytes = good().into_bytes();
        let before = parse_traceparent(&bytes);
        prop_assume!(bytes[at] != byte && at > 1);
        bytes[at] = byte;
        prop_assert_ne!(parse_traceparent(&bytes), before);
    }
}
