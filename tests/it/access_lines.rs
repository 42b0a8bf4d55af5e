//! One line an exchange says what was asked, what became of it, and when.

use headgate_tests::{
    Bff, Site, eventually, get,
    identity::{ACCOUNTS, Key, jwks, sha256},
    post,
};
use tokio::time::Instant;

#[tokio::test]
async fn line_tells_the_exchange() {
    let (bff, key) = (Bff::ok().await, Key::ed25519("1"));
    let edge = Site::with_route(&bff, "", "auth = \"accounts\"\npriority = \"critical\"")
        .file("jwks.json", jwks(&[&key]))
        .platform(ACCOUNTS)
        .platform("[[device]]\nname = \"web\"\nwhen = [\"*\"]")
        .start()
        .await;

    let mut call = post("/tv/home/1", "hello").bearer(&key.token());
    call = call.header("host", "api.example");
    let reply = edge.send(call).await;

    let line = edge.access_line(reply.trace_id()).await;
    for (field, value) in [
        ("method", "POST"),
        ("host", "api.example"),
        ("path", "/tv/home/1"),
        ("protocol", "HTTP/1.1"),
        ("listener", "plain"),
        ("client", "127.0.0.1"),
        ("outcome", "ok"),
        ("team", "tv"),
        ("route", "all"),
        ("upstream", "home"),
        ("device", "web"),
        ("priority", "critical"),
        ("identity", "accounts"),
        ("subject_sha256", sha256("user-1").split_at(16).0),
    ] {
        assert_eq!(line[field], value, "{field} in {line}");
    }
    for (field, value) in
        [("status", 200), ("request_bytes", 5), ("response_bytes", 2), ("attempts_count", 1)]
    {
        assert_eq!(line[field], value, "{field} in {line}");
    }
    assert!(line["duration_us"].as_u64().unwrap() > 0, "{line}");
    assert!(line["time"].as_str().unwrap().ends_with('Z'), "{line}");
    assert!(line["config"].as_str().is_some_and(|digest| !digest.is_empty()), "{line}");
    assert_eq!(line["attempts"][0]["endpoint"], bff.endpoint());
    assert_eq!(line["attempts"][0]["result"], "ok");
    let timing = line["timing_us"].as_object().unwrap();
    assert!(timing.len() >= 5, "a journal of the steps: {line}");
}

#[tokio::test]
async fn every_exchange_has_exactly_one_line() {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff).start().await;

    let mut traces = Vec::new();
    let mut client = edge.h2().await;
    for _ in 0..50 {
        traces.push(client.send(get("/tv/x")).await.trace_id().to_owned());
        traces.push(client.send(get("/")).await.trace_id().to_owned());
    }

    for trace in &traces {
        edge.access_line(trace).await;
    }
    assert_eq!(edge.access_lines().len(), traces.len());
}

#[tokio::test]
async fn nothing_is_written_where_no_line_is_wanted() {
    let bff = Bff::ok().await;
    let mut edge = Site::to(&bff).edge("access_log = \"off\"").start().await;

    assert_eq!(edge.send(get("/tv/x")).await.status, 200);

    edge.terminate();
    let ended = edge.ended().await;
    assert!(!ended.stdout.contains("\"path\""), "{}", ended.stdout);
}

#[tokio::test]
async fn query_is_not_written_down() {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff).start().await;

    let reply = edge.send(get("/tv/x?password=hunter2").header("cookie", "session=s3cret")).await;

    let line = edge.access_line(reply.trace_id()).await;
    assert_eq!(line["path"], "/tv/x");
    assert!(!edge.told().contains("hunter2"));
    assert!(!edge.told().contains("s3cret"));
}

#[tokio::test]
async fn nothing_that_a_client_sends_breaks_the_line() {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff).start().await;

    let mut raw = edge.raw().await;
    raw.send("GET /tv/\"{}\\%0a%22 HTTP/1.1\r\nhost: e\r\nx-app: \"\\\x7f\r\n\r\n").await;
    raw.answer().await;
    let mut raw = edge.raw().await;
    raw.send(format!("GET /tv/{} HTTP/1.1\r\nhost: e\r\n\r\n", "é".repeat(3000))).await;
    raw.answer().await;
    let reply = edge.send(get("/tv/last")).await;

    // Every line until then is parsed on the way.
    edge.access_line(reply.trace_id()).await;
}

#[tokio::test]
async fn full_pipe_holds_no_request_up() {
    use std::process::{Command, Stdio};

    let bff = Bff::ok().await;
    let site = Site::to(&bff);
    let folder = site.write();
    // Its standard output is never read on behind the addresses.
    let mut child = Command::new(headgate_tests::edge::binary())
        .args(["run", "--config", "headgate.toml"])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut address = None;
    let mut line = String::new();
    while std::io::BufRead::read_line(&mut stdout, &mut line).unwrap() > 0 {
        if let Some(found) = line.trim().strip_prefix("edge http://") {
            address = Some(found.parse().unwrap());
        }
        if line.contains("headgate ready") {
            break;
        }
        line.clear();
    }

    let mut client = headgate_tests::Client::h2(address.unwrap()).await;
    let path = format!("/tv/{}", "x".repeat(900));
    let served = async {
        for _ in 0..300 {
            assert_eq!(client.send(get(&path)).await.status, 200);
        }
    };
    let finished = tokio::time::timeout(headgate_tests::PATIENCE, served).await;
    child.kill().unwrap();
    child.wait().unwrap();

    assert!(finished.is_ok(), "requests wait for the log");
}

#[tokio::test]
async fn flood_of_refusals_has_few_lines_and_exact_counts() {
    let bff = Bff::ok().await;
    let lines = "[edge.overload]\ncut = { standard = \"100%\" }";
    let edge = Site::to(&bff).platform(lines).start().await;
    let mut client = edge.h2().await;
    let refused = 1_000;
    let started = Instant::now();
    for _ in 0..refused {
        assert_eq!(client.send(get("/tv/x")).await.status, 503);
    }
    let seconds = started.elapsed().as_secs() + 2;

    edge.metrics_show("each to be counted", |metrics| {
        let labels = [("layer", "instance"), ("ruled", "refused")];
        let lines =
            |result| metrics.sum("headgate_telemetry_access_lines_total", &[("result", result)]);
        metrics.sum("headgate_gateway_ruled_requests_total", &labels) == refused
            && metrics.sum("headgate_gateway_ended_requests_total", &[("outcome", "shed_overload")])
                == refused
            && lines("written") > 0
    })
    .await;
    let told = eventually("who has no line to be counted in one", || {
        let lines = edge.access_lines();
        let left_out = lines.iter().filter_map(|line| line["left_out"]["HG0030"].as_u64());
        let left_out: u64 = left_out.sum();
        let own = lines.iter().filter(|line| line["code"] == "HG0030").count() as u64;
        (own + left_out == refused).then_some(own)
    })
    .await;
    assert!(told <= 100 * seconds, "{told} lines in {seconds} s at most");
}
