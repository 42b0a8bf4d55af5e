//! Server-sent events arrive one by one.

use headgate_tests::{Bff, Site, get, tls::Authority, within};
use http_body_util::BodyExt;
use tokio::sync::mpsc;

/// Sends an event for each word that comes down the channel.
async fn bff() -> (Bff, mpsc::Sender<&'static str>) {
    let (tell, told) = mpsc::channel(4);
    let told = std::sync::Arc::new(tokio::sync::Mutex::new(told));
    let bff = Bff::raw(move |mut connection| {
        let told = std::sync::Arc::clone(&told);
        async move {
            connection.request().await;
            connection
                .write(
                    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
                     transfer-encoding: chunked\r\n\r\n",
                )
                .await;
            let mut told = told.lock().await;
            while let Some(word) = told.recv().await {
                let event = format!("data: {word}\n\n");
                connection.write(format!("{:x}\r\n{event}\r\n", event.len())).await;
            }
            connection.write("0\r\n\r\n").await;
        }
    })
    .await;
    (bff, tell)
}

#[tokio::test]
async fn each_event_arrives_before_the_next_is_sent() {
    let authority = Authority::default();
    for protocol in ["h1", "h2", "tls"] {
        let (bff, tell) = bff().await;
        let edge = Site::to(&bff).tls(&authority, &["localhost"]).start().await;
        let mut client = match protocol {
            "h1" => edge.h1().await,
            "h2" => edge.h2().await,
            _ => edge.tls_h2(&authority, "localhost").await,
        };

        let mut response =
            client.open(get("/tv/events").header("accept", "text/event-stream")).await;
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        for word in ["one", "two", "three"] {
            tell.send(word).await.unwrap();
            let frame = within("the event", response.frame()).await.unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), format!("data: {word}\n\n"), "{protocol}");
        }
        drop(tell);
        // HTTP/2 may say the end in a frame of its own.
        let rest = within("the end", response.into_body().collect()).await.unwrap();
        assert!(rest.to_bytes().is_empty(), "{protocol}");
    }
}

#[tokio::test]
async fn silent_stream_is_cut_off() {
    let (bff, tell) = bff().await;
    let edge = Site::to(&bff).edge("stream_idle = \"400ms\"").start().await;
    let mut client = edge.h1().await;
    let mut response = client.open(get("/tv/events")).await;
    tell.send("one").await.unwrap();
    within("the event", response.frame()).await.unwrap().unwrap();

    // Broken off, and not ended as if it were whole.
    assert!(within("the end", response.frame()).await.unwrap().is_err());
    let line = edge.access_line_of("/tv/events").await;
    assert_eq!(line["outcome"], "origin_timeout", "{line}");
}

#[tokio::test]
async fn stream_outlasts_the_routes_timeout() {
    let (bff, tell) = bff().await;
    let edge = Site::with_route(&bff, "", "timeout = \"300ms\"").start().await;
    let mut client = edge.h1().await;
    let mut response = client.open(get("/tv/events")).await;
    tell.send("one").await.unwrap();
    within("the event", response.frame()).await.unwrap().unwrap();

    let silence =
        tokio::time::timeout(std::time::Duration::from_millis(700), response.frame()).await;

    assert!(silence.is_err(), "cut off by the route's timeout: {silence:?}");
    tell.send("two").await.unwrap();
    within("the event", response.frame()).await.unwrap().unwrap();
}
