use proptest::prelude::*;

use super::*;

const ROOT: &str = r#"{"specversion":"1.0","id":"o-1","source":"/hg/test/orders","type":"order.placed.v1","partitionkey":"customer-7","time":"2026-11-21T06:40:00.250Z","correlationid":"07070707070707070707070707070707","traceparent":"00-07070707070707070707070707070707-0909090909090909-01","hgstep":"0","hgprio":1,"datacontenttype":"application/json","data":{"b": 1, "a": [2]}}"#;

fn decode(text: &str) -> Result<Event, DecodeEventError> {
    Event::decode(&Bytes::copy_from_slice(text.as_bytes()))
}

#[test]
fn an_event_is_written_as_cloud_events_ask() {
    let event = decode(ROOT).unwrap();
    assert_eq!(event.encode().unwrap(), ROOT);
    assert_eq!(&event.data[..], br#"{"b": 1, "a": [2]}"#);
}

#[test]
fn what_is_not_there_is_not_written() {
    let mut event = decode(ROOT).unwrap();
    event.subject = Some("order 1".into());
    event.causation_id = Some("c".into());
    event.key = Some("k".into());
    event.expires_at = Some(UnixTime::from_secs(1));
    event.owner = Some("o".into());
    event.probe = Some("p".into());
    let written = event.encode().unwrap();
    let text = std::str::from_utf8(&written).unwrap();
    for attribute in ["subject", "causationid", "hgkey", "expirytime", "hgowner", "hgprobe"] {
        assert!(text.contains(attribute), "{attribute} in {text}");
        assert!(!ROOT.contains(attribute), "{attribute}");
    }
    assert_eq!(Event::decode(&written).unwrap(), event);
}

#[test]
fn attributes_of_a_later_version_are_left_out() {
    let later = ROOT.replacen('{', r#"{"hglater":{"x":1},"#, 1);
    assert_eq!(decode(&later).unwrap(), decode(ROOT).unwrap());
}

#[test]
fn what_is_no_event_is_refused() {
    let cases = [
        ("\"1.0\"", "\"2.0\"", "specversion"),
        ("application/json", "text/plain", "datacontenttype"),
        ("\"hgprio\":1", "\"hgprio\":4", "hgprio"),
        ("\"hgstep\":\"0\"", "\"hgstep\":\"1\"", "hgstep"),
        ("2026-11-21T", "2026-11-41T", "time"),
        ("\"correlationid\":\"07", "\"correlationid\":\"08", "traceparent"),
        ("\"partitionkey\":\"customer-7\"", "\"partitionkey\":\"\"", "partitionkey"),
        ("\"id\":\"o-1\",", "", "missing field `id`"),
        ("\"data\":{\"b\": 1, \"a\": [2]}", "\"data\":", "expected value"),
    ];
    for (from, to, expected) in cases {
        assert!(ROOT.contains(from), "{from}");
        let error = decode(&ROOT.replacen(from, to, 1)).unwrap_err();
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        let said = format!("{error}: {}", cause.unwrap_or_default());
        assert!(said.contains(expected), "{said}");
    }
}

proptest! {
    #[test]
    fn any_text_survives(id in ".{1,40}", key in ".{1,40}", data in ".{0,200}") {
        let mut event = decode(ROOT).unwrap();
        event.id = id.into();
        event.partition_key = key.into();
        event.data = serde_json::to_vec(&data).unwrap().into();
        prop_assume!(event.validate().is_ok());
        prop_assert_eq!(Event::decode(&event.encode().unwrap()).unwrap(), event);
    }

    #[test]
    fn a_changed_byte_makes_no_panic(at in 0..ROOT.len(), byte in any::<u8>()) {
        let mut bytes = ROOT.as_bytes().to_vec();
        bytes[at] = byte;
        if let Ok(event) = Event::decode(&bytes.into()) {
            prop_assert!(event.validate().is_ok());
        }
    }
}
