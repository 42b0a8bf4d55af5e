use super::*;
use crate::exit::{Invalid, Unreachable};

/// The exit code of an error, and what machines read of it.
fn reported(error: impl Into<anyhow::Error>) -> (ExitCode, serde_json::Value) {
    let mut out = Vec::new();
    let code = report(&error.into(), &mut Output { out: &mut out, json: true }).unwrap();
    (code, serde_json::from_slice(&out).unwrap())
}

#[test]
fn an_edge_that_does_not_answer_ends_with_3() {
    let (code, json) = reported(Unreachable("gone".to_owned()));
    assert_eq!(code, ExitCode::from(3));
    assert_eq!(json, serde_json::json!({ "code": "HG1102", "message": "gone" }));
}

#[test]
fn whatever_else_goes_wrong_ends_with_2() {
    assert_eq!(reported(Invalid::message("port".to_owned())).0, ExitCode::from(2));
    assert_eq!(reported(anyhow::anyhow!("else")).0, ExitCode::from(2));
}

#[test]
fn faults_end_with_2_and_are_all_told() {
    let memory = headgate_config::Memory::default().with("headgate.toml", "a = 1\nb = 2\n");
    let faults = headgate_config::load_from(
        &memory,
        "headgate.toml".as_ref(),
        &std::collections::BTreeMap::new(),
    )
    .unwrap_err();
    let (code, json) = reported(faults);
    assert_eq!(code, ExitCode::from(2));
    assert_eq!(json["valid"], false);
    let keys: Vec<_> = json["faults"].as_array().unwrap().iter().map(|one| &one["key"]).collect();
    assert_eq!(keys, ["a", "b"]);
}

#[test]
fn columns_are_as_wide_as_their_widest_text() {
    let rows = [["a", "bb", "c"], ["üü", "b", ""]].map(|row| row.map(str::to_owned).to_vec());
    assert_eq!(columns(&rows), "a   bb  c\nüü  b\n");
}
