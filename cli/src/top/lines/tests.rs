use super::*;

fn line(text: &str) -> Line {
    serde_json::from_str(text).unwrap()
}

#[test]
fn devices_are_counted_by_how_exchanges_ended() {
    let mut tally = Tally::default();
    for (device, outcome, micros) in [
        ("tv", "ok", 1_000),
        ("tv", "ok", 3_000),
        ("tv", "origin_5xx", 9_000),
        ("ios", "no_route", 500),
    ] {
        let text = format!(
            r#"{{"device":"{device}","outcome":"{outcome}","duration_us":{micros},"attempts":[]}}"#
        );
        tally.note(By::Device, line(&text));
    }
    tally.note(By::Device, line(r#"{"outcome":"ok","duration_us":1}"#));
    let rows = tally.rows(2.0);
    let rates = |row: &Row| (row.ended, row.passed, row.rejected, row.failed);
    let told: Vec<_> = rows.iter().map(|row| (row.name.as_str(), rates(row))).collect();
    let expected =
        [("tv", (1.5, 1.0, 0.0, 0.5)), ("-", (0.5, 0.5, 0.0, 0.0)), ("ios", (0.5, 0.0, 0.5, 0.0))];
    assert_eq!(told, expected);
    assert_eq!((rows[0].p50_ms, rows[0].p99_ms), (Some(3.0), Some(9.0)));
}

#[test]
fn endpoints_are_counted_by_attempts() {
    let mut tally = Tally::default();
    let exchange = r#"{"outcome":"ok","duration_us":9,"attempts":[
        {"endpoint":"a:1","result":"connect"},{"endpoint":"b:1","result":"exhausted"},
        {"endpoint":"a:1","result":"ok","head_us":2000}]}"#;
    tally.note(By::Endpoint, line(exchange));
    let rows = tally.rows(1.0);
    assert_eq!((rows[0].name.as_str(), rows[0].passed, rows[0].failed), ("a:1", 1.0, 1.0));
    assert_eq!((rows[0].p50_ms, rows[1].p50_ms), (Some(2.0), None));
    assert_eq!((rows[1].name.as_str(), rows[1].shed), ("b:1", 1.0));
}

#[test]
fn rates_stand_for_lines_that_were_dropped() {
    let mut tally = Tally::default();
    tally.note(By::Device, line(r#"{"device":"tv","outcome":"ok","duration_us":1}"#));
    tally.note(By::Device, line(r#"{"dropped":3}"#));
    let rows = tally.rows(1.0);
    assert_eq!((rows.len(), rows[0].ended), (1, 4.0));
}
