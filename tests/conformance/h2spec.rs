//! h2spec: HTTP/2 as RFC 7540 and 7541 describe it, on the TLS listener and in plain.

use std::{
    collections::BTreeSet,
    env,
    path::Path,
    process::{Command, Stdio},
};

use headgate_tests::{Bff, Site, tls::Authority};

/// Cases that may fail, each a line `listener package/number reason`.
const ALLOWED: &str = include_str!("h2spec.allowed");

/// The program, or none where this run leaves it out.
fn program() -> Option<String> {
    let program = env::var("HEADGATE_H2SPEC").ok();
    if program.is_none() {
        assert!(env::var_os("CI").is_none(), "HEADGATE_H2SPEC is not set");
        skip();
    }
    program
}

#[expect(clippy::print_stderr, reason = "the test runner shows it")]
fn skip() {
    eprintln!("left out: HEADGATE_H2SPEC names no h2spec; `cargo xtask test` builds one");
}

fn allowed(listener: &str) -> BTreeSet<&'static str> {
    let lines = ALLOWED.lines().filter_map(|line| line.strip_prefix(listener)?.strip_prefix(' '));
    lines
        .map(|line| {
            let (case, reason) = line.split_once(' ').unwrap_or((line, ""));
            assert!(reason.len() > 10, "{case} may fail without a reason");
            case
        })
        .collect()
}

/// The cases of a report in `JUnit`'s format that failed, as `package/number`.
fn failed(report: &Path) -> (usize, BTreeSet<String>) {
    let text = std::fs::read_to_string(report).unwrap();
    let mut failed = BTreeSet::new();
    let (mut total, mut number, mut package) = (0, 0, String::new());
    for tag in text.split('<').skip(1) {
        if tag.starts_with("testcase") {
            let this = attribute(tag, "package");
            number = if this == package { number + 1 } else { 1 };
            package = this;
            total += 1;
        } else if tag.starts_with("failure") || tag.starts_with("error") {
            failed.insert(format!("{package}/{number}"));
        }
    }
    (total, failed)
}

fn attribute(tag: &str, name: &str) -> String {
    let (_, rest) =
        tag.split_once(&format!(" {name}=\"")).unwrap_or_else(|| panic!("{name} in {tag}"));
    rest.split('"').next().unwrap().to_owned()
}

async fn conforms(is_tls: bool) {
    let Some(program) = program() else { return };
    let (bff, authority) = (Bff::ok().await, Authority::default());
    let edge = Site::to(&bff).tls(&authority, &["localhost"]).start().await;
    let address = if is_tls { edge.tls() } else { edge.plain() };
    let report = edge.folder().path().join("h2spec.xml");
    let mut command = Command::new(program);
    command.args([
        "--host",
        "127.0.0.1",
        "--path",
        "/tv/x",
        "--timeout",
        "2",
        "--max-header-length",
        "4000",
    ]);
    command.args(["--port", &address.port().to_string(), "--junit-report"]).arg(&report);
    if is_tls {
        command.args(["--tls", "--insecure"]);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let ran = tokio::task::spawn_blocking(move || command.status().unwrap()).await.unwrap();

    let (total, failed) = failed(&report);
    assert!(total > 140, "only {total} cases ran: {ran}");
    let failed: BTreeSet<&str> = failed.iter().map(String::as_str).collect();
    let allowed = allowed(if is_tls { "tls" } else { "plain" });
    let unexpected: Vec<_> = failed.difference(&allowed).collect();
    assert!(unexpected.is_empty(), "failed without being allowed to: {unexpected:?}");
    let repaired: Vec<_> = allowed.difference(&failed).collect();
    assert!(repaired.is_empty(), "allowed to fail but passed: {repaired:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_listener_conforms() {
    conforms(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_listener_conforms() {
    conforms(false).await;
}
