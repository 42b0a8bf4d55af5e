//! A client of what the edge pushes.

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::Value;

use crate::{Client, Edge, get, within};

/// Where pushes are asked for.
pub const PUSH: &str = "/_headgate/push";

/// One thing that an event stream says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    /// The place to go on from.
    pub id: Option<u64>,
    /// What kind of thing it is.
    pub event: String,
    /// What is said: JSON.
    pub data: Value,
    /// Milliseconds after which to come back.
    pub retry: Option<u64>,
}

/// A client of the event stream.
#[derive(Debug)]
pub struct Stream {
    body: Incoming,
    text: String,
    /// The place to go on from.
    pub last: Option<u64>,
    _client: Client,
}

impl Stream {
    /// Connects with a key, and goes on from a place.
    ///
    /// # Panics
    ///
    /// When it is not greeted as it should be.
    pub async fn open(edge: &Edge, key: &str, last: Option<u64>) -> Self {
        Self::over(edge.h1().await, key, last).await
    }

    /// As [`open`](Self::open), on a connection that is there.
    ///
    /// # Panics
    ///
    /// As [`open`](Self::open).
    pub async fn over(mut client: Client, key: &str, last: Option<u64>) -> Self {
        let mut ask = get(PUSH).header("x-api-key", key);
        if let Some(last) = last {
            ask = ask.header("last-event-id", last.to_string());
        }
        let response = client.open(ask).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut stream =
            Self { body: response.into_body(), text: String::new(), last, _client: client };
        let ready = stream.next().await.expect("a greeting");
        assert_eq!(ready.event, "ready");
        assert!(last.is_none_or(|last| ready.id == Some(last)), "{ready:?} after {last:?}");
        stream
    }

    /// What is said next, comments aside. None: the stream has ended.
    ///
    /// # Panics
    ///
    /// When nothing is said in time, or it can't be read.
    pub async fn next(&mut self) -> Option<Said> {
        within("what is said", async {
            loop {
                while let Some((block, rest)) = self.text.split_once("\n\n") {
                    let (said, rest) = (read(block), rest.to_owned());
                    self.text = rest;
                    if let Some(said) = said {
                        self.last = said.id.or(self.last);
                        return Some(said);
                    }
                }
                let data = self.body.frame().await?.ok()?.into_data().unwrap();
                self.text.push_str(std::str::from_utf8(&data).unwrap());
            }
        })
        .await
    }

    /// What is pushed next.
    ///
    /// # Panics
    ///
    /// When nothing is, in time.
    pub async fn pushed(&mut self) -> Value {
        self.next().await.expect("something is pushed").data
    }
}

fn read(block: &str) -> Option<Said> {
    let mut said = Said::default();
    for line in block.lines() {
        let Some((name, value)) = line.split_once(": ") else { continue };
        match name {
            "id" => said.id = Some(value.parse().unwrap()),
            "event" => value.clone_into(&mut said.event),
            "data" => said.data = serde_json::from_str(value).unwrap(),
            "retry" => said.retry = Some(value.parse().unwrap()),
            other => panic!("{other}"),
        }
    }
    (!said.event.is_empty()).then_some(said)
}
