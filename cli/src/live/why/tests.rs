use headgate_gateway::settings;
use headgate_types::{ByteSize, UnixTime};

use super::*;

fn told(bytes: u64, exchanges: &[&str]) -> Told {
    let time = UnixTime::from_secs(1_795_000_000);
    let reach = |kind| {
        let since = (kind == Kept::Shed).then_some(time);
        (kind, Reach { count: if since.is_some() { 9_000 } else { 2 }, since })
    };
    Told {
        exchanges: exchanges.iter().map(|text| text.as_bytes().to_vec()).collect(),
        reach: Kept::ALL.map(reach),
        settings: settings::Recent {
            bytes_max: ByteSize::from_bytes(bytes),
            passed_per_second: 500,
        },
        now: time,
    }
}

#[test]
fn unknown_trace_is_told_with_how_far_back_exchanges_are_kept() {
    let NotKept { reach } = why(&told(32 << 20, &[])).unwrap_err();
    let expected = "once they have ended, exchanges are kept in memory for as long as 32MiB \
                    (why.memory) lasts: 9000 shed since 2026-11-18T11:06:40.000Z, \
                    2 rejected since the start, 2 failed since the start, \
                    2 passed since the start; of those that passed, 500 a second at most \
                    (why.passed_per_second)";
    assert_eq!(reach, expected);
    let NotKept { reach } = why(&told(0, &[])).unwrap_err();
    assert_eq!(reach, "none are, by why.memory = \"0B\"");
}

#[test]
fn last_exchange_is_told_first() {
    let line = |path: &str| {
        format!(
            r#"{{"time":"2026-11-18T11:06:40.000Z","trace_id":"1","span_id":"2","client":"::1",
            "client_port":7,"listener":"plain","protocol":"HTTP/1.1","method":"GET","path":"{path}",
            "outcome":"ok","request_bytes":0,"response_bytes":0,"duration_us":5,"timing_us":{{}},
            "attempts_count":0,"attempts":[],"config":"c0ffee"}}"#
        )
    };
    let told = told(1 << 20, &[&line("/first"), &line("/last")]);
    let why = why(&told).unwrap();
    assert_eq!(why.exchange.path, "/last");
    assert_eq!(why.earlier[0].path, "/first");
}
