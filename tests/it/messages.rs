//! HTTP between two framed sides: what passes, what ends at the edge, and in which framing.

use headgate_tests::{
    Bff, Site,
    client::{call, streamed},
    get, post,
};
use tokio::sync::Notify;

#[tokio::test]
async fn expectation_is_met_by_the_edge() {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff).start().await;

    let mut raw = edge.raw().await;
    raw.send("POST /tv/x HTTP/1.1\r\nhost: e\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n")
        .await;
    assert_eq!(raw.answer().await.status, 100);
    raw.send("hello").await;
    let answer = raw.answer().await;

    assert_eq!((answer.status, answer.text()), (200, "ok"));
    let seen = bff.first().await;
    assert_eq!((seen.body.as_slice(), seen.header("expect")), (&b"hello"[..], None));
    // The connection serves on.
    raw.send("GET /tv/x HTTP/1.1\r\nhost: e\r\n\r\n").await;
    assert_eq!(raw.answer().await.status, 200);
}

#[tokio::test]
async fn refused_expectation_never_asks_for_the_body() {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff).edge("max_body = \"1KiB\"").start().await;

    let mut raw = edge.raw().await;
    raw.send(
        "POST /tv/x HTTP/1.1\r\nhost: e\r\nexpect: 100-continue\r\ncontent-length: 5000\r\n\r\n",
    )
    .await;

    assert_eq!(raw.answer().await.status, 413);
    raw.rest().await;
}

#[tokio::test]
async fn interim_answers_of_the_upstream_are_absorbed() {
    let bff = Bff::raw(|mut connection| async move {
        while connection.request().await.is_some() {
            connection.write("HTTP/1.1 100 Continue\r\n\r\n").await;
            connection.write("HTTP/1.1 102 Processing\r\n\r\n").await;
            connection
                .write("HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n")
                .await;
            connection.answer(200, &[], "ok").await;
        }
    })
    .await;
    let edge = Site::to(&bff).start().await;

    for request in [
        "GET /tv/x HTTP/1.1\r\nhost: e\r\n\r\n",
        "POST /tv/x HTTP/1.1\r\nhost: e\r\ncontent-length: 2\r\n\r\nhi",
    ] {
        let mut raw = edge.raw().await;
        raw.send(request).await;
        let answer = raw.answer().await;
        assert_eq!((answer.status, answer.text()), (200, "ok"));
        assert_eq!(answer.header("link"), "");
    }
    assert_eq!(edge.h2().await.send(get("/tv/x")).await.text(), "ok");
}

#[tokio::test]
async fn answer_before_the_end_of_the_body_arrives_at_once() {
    for framing in ["content-length: 100000", "transfer-encoding: chunked"] {
        let bff = Bff::raw(|mut connection| async move {
            connection.head().await;
            connection.answer(403, &[], "no need").await;
            connection.until_closed().await;
        })
        .await;
        let edge = Site::to(&bff).start().await;

        let mut raw = edge.raw().await;
        let piece = if framing.starts_with("content") { "hello" } else { "5\r\nhello\r\n" };
        raw.send(format!("POST /tv/x HTTP/1.1\r\nhost: e\r\n{framing}\r\n\r\n{piece}")).await;
        let answer = raw.answer().await;

        assert_eq!((answer.status, answer.text()), (403, "no need"), "{framing}");
        // What the client would send next is not a request: the connection must end.
        raw.send(piece).await;
        assert_eq!(raw.rest_text().await, "", "{framing}");
        bff.sees_closed(1).await;
    }
}

#[tokio::test]
async fn early_answer_reaches_an_h2_client_whose_connection_serves_on() {
    let bff = Bff::raw(|mut connection| async move {
        while let Some(seen) = connection.head().await {
            connection.answer(200, &[], "early").await;
            if seen.method == "POST" {
                return;
            }
        }
    })
    .await;
    let edge = Site::to(&bff).start().await;
    let mut client = edge.h2().await;
    let (mut sender, body) = streamed();

    let mut posting = client.another();
    let opened =
        tokio::spawn(async move { posting.try_open(call("POST", "/tv/x").body(body)).await });
    sender.send_data("hello".into()).await.unwrap();
    let response = opened.await.unwrap().unwrap();

    assert_eq!(response.status(), 200);
    assert_eq!(client.send(get("/tv/y")).await.text(), "early");
}

#[tokio::test]
async fn head_has_the_length_and_no_body() {
    let bff = Bff::raw(|mut connection| async move {
        while let Some(seen) = connection.request().await {
            let body = if seen.method == "HEAD" { "" } else { "hello" };
            connection.write(format!("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n{body}")).await;
        }
    })
    .await;
    let edge = Site::to(&bff).edge("threads = 1").start().await;

    let mut raw = edge.raw().await;
    raw.send("HEAD /tv/x HTTP/1.1\r\nhost: e\r\n\r\nGET /tv/x HTTP/1.1\r\nhost: e\r\n\r\n").await;
    let head = raw.answer_to_head().await;
    assert_eq!((head.status, head.header("content-length")), (200, "5"));
    assert_eq!(raw.answer().await.text(), "hello");
    assert_eq!(bff.saw(2).await[0].method, "HEAD");
    assert_eq!(bff.connections(), 1, "a HEAD's connection is kept");
    let reply = edge.h2().await.send(call("HEAD", "/tv/x")).await;
    assert_eq!((reply.status, reply.body.len(), reply.header("content-length")), (200, 0, "5"));
}

#[tokio::test]
async fn refusal_of_a_head_has_no_body() {
    let edge = Site::new().start().await;

    let mut raw = edge.raw().await;
    raw.send("HEAD /nowhere HTTP/1.1\r\nhost: e\r\nconnection: close\r\n\r\n").await;
    let answer = raw.answer_to_head().await;

    assert_eq!(answer.status, 404);
    answer.trace_id();
    assert_eq!(raw.rest_text().await, "");
}

#[tokio::test]
async fn statuses_without_a_body_have_none() {
    for status in [204, 304] {
        let bff = Bff::raw(move |mut connection| async move {
            while connection.request().await.is_some() {
                connection.write(format!("HTTP/1.1 {status} Answer\r\netag: \"1\"\r\n\r\n")).await;
            }
        })
        .await;
        let edge = Site::to(&bff).start().await;

        let mut raw = edge.raw().await;
        for _ in 0..2 {
            raw.send("GET /tv/x HTTP/1.1\r\nhost: e\r\n\r\n").await;
            let answer = raw.answer().await;
            assert_eq!((answer.status, answer.header("etag")), (status, "\"1\""));
            assert_eq!(answer.header("transfer-encoding"), "", "{}", answer.head);
        }
        let reply = edge.h2().await.send(get("/tv/x")).await;
        assert_eq!((reply.status, reply.body.len()), (status, 0));
    }
}

#[tokio::test]
async fn http_1_0_client_is_sent_no_chunks_and_closed() {
    let bff = Bff::raw(|mut connection| async move {
        while connection.request().await.is_some() {
            connection
                .write(
                    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
                )
                .await;
        }
    })
    .await;
    let edge = Site::to(&bff).start().await;

    let mut raw = edge.raw().await;
    raw.send("GET /tv/x HTTP/1.0\r\nhost: e\r\n\r\n").await;
    let said = raw.rest_text().await;

    let (head, body) = said.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.0 200") || head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(!head.to_ascii_lowercase().contains("transfer-encoding"), "{head}");
    assert_eq!(body, "hello");
    assert_eq!(bff.first().await.header("connection").unwrap_or_default(), "");
}

#[tokio::test]
async fn http_1_0_client_needs_no_host_and_may_keep_its_connection() {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff).start().await;

    let mut raw = edge.raw().await;
    raw.send("GET /tv/x HTTP/1.0\r\n\r\n").await;
    assert!(raw.rest_text().await.ends_with("\r\n\r\nok"));

    let mut raw = edge.raw().await;
    for _ in 0..2 {
        raw.send("GET /tv/x HTTP/1.0\r\nconnection: keep-alive\r\n\r\n").await;
        let answer = raw.answer().await;
        assert_eq!((answer.status, answer.text()), (200, "ok"));
        assert_eq!(answer.header("connection").to_ascii_lowercase(), "keep-alive");
    }
    // The upstream is spoken to in HTTP/1.1, which needs a host.
    assert!(bff.requests().iter().all(|seen| seen.header("host").is_some()));
}

#[tokio::test]
async fn pipelined_pair_is_answered_in_order() {
    let bff = Bff::raw(|mut connection| async move {
        while let Some(seen) = connection.request().await {
            let target = seen.target.clone();
            connection.answer(200, &[], &target).await;
        }
    })
    .await;
    let edge = Site::to(&bff).start().await;

    let mut raw = edge.raw().await;
    raw.send(
        "GET /tv/1 HTTP/1.1\r\nhost: e\r\n\r\n\
         POST /tv/2 HTTP/1.1\r\nhost: e\r\ncontent-length: 2\r\n\r\nhi\
         GET /tv/3 HTTP/1.1\r\nhost: e\r\n\r\n",
    )
    .await;

    for target in ["/tv/1", "/tv/2", "/tv/3"] {
        assert_eq!(raw.answer().await.text(), target);
    }
}

#[tokio::test]
async fn connection_close_is_obeyed() {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff).start().await;

    let mut raw = edge.raw().await;
    raw.send("GET /tv/x HTTP/1.1\r\nhost: e\r\nconnection: close\r\n\r\n").await;

    assert_eq!(raw.answer().await.status, 200);
    assert_eq!(raw.rest_text().await, "");
}

#[tokio::test]
async fn answer_that_ends_with_its_connection_is_whole() {
    let bff =
        Bff::answering("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\nuntil the end").await;
    let edge = Site::to(&bff).start().await;

    let mut client = edge.h1().await;
    for _ in 0..2 {
        assert_eq!(client.send(get("/tv/x")).await.text(), "until the end");
    }
    assert_eq!(edge.h2().await.send(get("/tv/x")).await.text(), "until the end");
}

#[tokio::test]
async fn hop_by_hop_headers_end_at_the_edge_both_ways() {
    let bff = Bff::raw(|mut connection| async move {
        while connection.request().await.is_some() {
            let hop = [
                ("connection", "keep-alive, x-hop"),
                ("keep-alive", "timeout=5"),
                ("x-hop", "1"),
                ("proxy-connection", "keep-alive"),
                ("upgrade", "h2c"),
                ("x-end", "1"),
            ];
            connection.answer(200, &hop, "ok").await;
        }
    })
    .await;
    let edge = Site::to(&bff).start().await;

    let mut raw = edge.raw().await;
    raw.send(
        "GET /tv/x HTTP/1.1\r\nhost: e\r\nconnection: keep-alive, X-Hop\r\nkeep-alive: timeout=5\r\n\
         x-hop: 1\r\nproxy-connection: keep-alive\r\nproxy-authorization: Basic dTpw\r\n\
         te: gzip\r\nx-end: 1\r\n\r\n",
    )
    .await;
    let answer = raw.answer().await;

    let seen = bff.first().await;
    for name in [
        "connection",
        "keep-alive",
        "x-hop",
        "proxy-connection",
        "proxy-authorization",
        "te",
        "upgrade",
    ] {
        assert_eq!(seen.header(name), None, "{name} went to the upstream");
    }
    for name in ["keep-alive", "x-hop", "proxy-connection", "upgrade"] {
        assert_eq!(answer.header(name), "", "{name} went to the client");
    }
    assert_eq!((seen.header("x-end"), answer.header("x-end")), (Some("1"), "1"));
}

#[tokio::test]
async fn repeated_headers_stay_apart_and_in_order() {
    let bff = Bff::raw(|mut connection| async move {
        while connection.request().await.is_some() {
            let cookies = [("set-cookie", "a=1; Path=/"), ("set-cookie", "b=2; Path=/")];
            connection.answer(200, &cookies, "ok").await;
        }
    })
    .await;
    let edge = Site::to(&bff).start().await;

    let reply = edge.send(get("/tv/x").header("x-list", "1").header("x-list", "2")).await;

    assert_eq!(bff.first().await.headers("x-list"), ["1", "2"]);
    let cookies: Vec<_> = reply.headers.get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["a=1; Path=/", "b=2; Path=/"]);
}

#[tokio::test]
async fn cookie_crumbs_of_h2_become_one_header() {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff).start().await;

    let call = get("/tv/x").header("cookie", "a=1").header("cookie", "b=2");
    edge.h2().await.send(call).await;

    assert_eq!(bff.first().await.headers("cookie"), ["a=1; b=2"]);
}

#[tokio::test]
async fn h2_authority_becomes_the_host() {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff).start().await;

    edge.h2().await.host("api.example:8443").send(get("/tv/x")).await;

    assert_eq!(bff.first().await.headers("host"), ["api.example:8443"]);
}

#[tokio::test]
async fn absolute_target_becomes_a_path_and_a_host() {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff).start().await;

    let mut raw = edge.raw().await;
    raw.send("GET http://api.example/tv/x?q=1 HTTP/1.1\r\nhost: api.example\r\n\r\n").await;
    assert_eq!(raw.answer().await.status, 200);

    let seen = bff.first().await;
    assert_eq!(seen.target, "/tv/x?q=1");
    assert_eq!(seen.headers("host"), ["api.example"]);
}

#[tokio::test]
async fn large_bodies_pass_both_ways_on_every_protocol() {
    let echo = |request: http::Request<hyper::body::Incoming>| async move {
        let reply = http_body_util::BodyExt::collect(request.into_body()).await.unwrap();
        headgate_tests::bff::respond(200, reply.to_bytes())
    };
    let body: Vec<u8> = (0..300_000_u32).map(|at| u8::try_from(at % 251).unwrap()).collect();
    for protocol in ["h1", "h2c"] {
        let bff = Bff::http(echo).await;
        let edge = Site::with_route(&bff, &format!("protocol = \"{protocol}\""), "").start().await;
        for mut client in [edge.h1().await, edge.h2().await] {
            let reply = client.send(post("/tv/x", body.clone())).await;
            assert_eq!(reply.status, 200);
            assert_eq!(reply.body, body);
            let (mut sender, streamed) = streamed();
            let pieces: Vec<_> = body.chunks(7_000).map(<[u8]>::to_vec).collect();
            tokio::spawn(async move {
                for piece in pieces {
                    sender.send_data(piece.into()).await.unwrap();
                }
            });
            let reply = client.send(call("POST", "/tv/x").body(streamed)).await;
            assert_eq!(reply.body, body);
        }
    }
}

#[tokio::test]
async fn length_is_kept_where_there_is_one() {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff).start().await;

    let reply = edge.send(post("/tv/x", "hello")).await;
    edge.h2().await.send(post("/tv/x", "hello")).await;

    assert_eq!(reply.header("content-length"), "2");
    for seen in bff.saw(2).await {
        assert_eq!(seen.header("content-length"), Some("5"), "{}", seen.head);
        assert_eq!(seen.header("transfer-encoding"), None);
    }
}

#[tokio::test]
async fn head_of_an_answer_does_not_wait_for_its_body() {
    let go = std::sync::Arc::new(Notify::new());
    let told = std::sync::Arc::clone(&go);
    let bff = Bff::raw(move |mut connection| {
        let told = std::sync::Arc::clone(&told);
        async move {
            connection.request().await;
            connection.write("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n").await;
            told.notified().await;
            connection.write("hello").await;
        }
    })
    .await;
    let edge = Site::to(&bff).start().await;

    let mut raw = edge.raw().await;
    raw.send("GET /tv/x HTTP/1.1\r\nhost: e\r\n\r\n").await;
    raw.head().await;
    go.notify_one();

    assert_eq!(raw.bytes(5).await, b"hello");
}

#[tokio::test]
async fn first_piece_of_a_body_does_not_wait_for_the_next() {
    let bff = Bff::raw(|mut connection| async move {
        connection.head().await;
        let piece = connection.chunk().await.flatten().unwrap();
        connection.answer(200, &[], std::str::from_utf8(&piece).unwrap()).await;
        while connection.chunk().await.flatten().is_some() {}
    })
    .await;
    let edge = Site::to(&bff).start().await;

    let mut raw = edge.raw().await;
    raw.send("POST /tv/x HTTP/1.1\r\nhost: e\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n")
        .await;

    assert_eq!(raw.answer().await.text(), "hello");
}
