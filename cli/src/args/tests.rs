use clap::CommandFactory as _;

use super::*;

fn parse(line: &str) -> Result<Args, clap::Error> {
    Args::try_parse_from(line.split_whitespace())
}

#[test]
fn the_command_line_is_consistent() {
    Args::command().debug_assert();
}

#[test]
fn every_verb_takes_json() {
    for verb in
        ["demo", "run", "check", "explain GET /", "routes", "status", "schema", "idempotency list"]
    {
        assert!(parse(&format!("headgate {verb} --json")).unwrap().json, "{verb}");
    }
    assert!(parse("headgate completions bash --json").unwrap().json);
}

#[test]
fn headers_are_read_as_curl_reads_them() {
    let args =
        parse("headgate explain GET http://a/ -H x-app:tv/7 --header Authorization:x").unwrap();
    let Verb::Explain(explain) = args.verb else { panic!("another verb") };
    let headers: Vec<_> = explain
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    assert_eq!(headers, [("x-app", "tv/7"), ("authorization", "x")]);
}

#[test]
fn what_is_no_request_is_invalid_input() {
    for line in [
        "headgate explain get /",
        "headgate explain GET",
        "headgate explain GET http://[/",
        "headgate explain GET / -H nocolon",
        "headgate schema --team --markdown",
        "headgate status --admin http://a --config b",
        "headgate completions",
        "headgate idempotency",
        "headgate idempotency resolve key",
        "headgate idempotency resolve key --as perhaps",
        "headgate idempotency resolve key --as done --status 500",
        "headgate idempotency list --limit 0",
        "headgate nonsense",
    ] {
        let error = parse(line).unwrap_err();
        assert!(error.use_stderr(), "{line}");
    }
}
