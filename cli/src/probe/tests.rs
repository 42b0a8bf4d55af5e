use super::*;

#[test]
fn runs_are_told_with_how_to_follow_them() {
    let well = ProbeRun {
        name: "order".to_owned(),
        result: "ok".to_owned(),
        trace_id: Some("0af7".to_owned()),
        duration_us: 12_500,
        ..ProbeRun::default()
    };
    let ill = ProbeRun {
        name: "home".to_owned(),
        result: "status".to_owned(),
        fault: Some("it was answered 503".to_owned()),
        duration_us: 1_000,
        ..ProbeRun::default()
    };
    assert!(is_well(&well) && !is_well(&ill));
    let told = text(&[well, ill]);
    let lines: Vec<_> = told.lines().collect();
    assert!(lines[0].starts_with("order  ok in 12.500 ms "), "{told}");
    assert!(lines[0].ends_with("  trace 0af7"), "{told}");
    assert!(lines[1].starts_with("home   status after 1.000 ms: it was answered 503"), "{told}");
}
