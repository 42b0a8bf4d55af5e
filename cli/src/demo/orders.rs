//! The functions that handle the demo's orders: two in Rust, and one in JavaScript where node is.

use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, mpsc::sync_channel},
    thread,
    time::Duration,
};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::post,
};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::demo::bff;

const FILE: &str = include_str!("../../../examples/demo/orders/orders.toml");
const SHIP: &str = include_str!("../../../examples/demo/orders/ship.mjs");
/// Where the file's functions are; each takes a free port instead.
const RUST: &str = "127.0.0.1:7004";
const NODE: &str = "127.0.0.1:7005";
/// How orders begin whose receipt fails at first.
const LATE: &str = "late-";
/// How often it does: as often as its handler tries.
const FAILURES: u32 = 2;
/// Orders whose failures are remembered; a demo has far fewer.
const ORDERS_MAX: usize = 1_000;
/// Time that node has to start.
const NODE_STARTS_WITHIN: Duration = Duration::from_secs(5);

/// The functions, until they are dropped.
pub(super) struct Functions {
    /// The team's file with their addresses.
    pub(super) file: String,
    /// Node, where it is there.
    node: Option<Child>,
}

impl Functions {
    /// Starts the functions on free ports. `folder` is for node's script.
    ///
    /// # Errors
    ///
    /// When no port is free or a thread can't be started.
    pub(super) fn start(folder: &Path) -> anyhow::Result<Self> {
        let rust = bff::serve("orders", routes())?;
        let node = Node::start(folder);
        let ship = node.as_ref().map_or(rust, |node| node.address);
        let file = FILE.replace(RUST, &rust.to_string()).replace(NODE, &ship.to_string());
        Ok(Self { file, node: node.map(|node| node.process) })
    }

    /// What the function that ships is written in.
    pub(super) fn ships_in(&self) -> &'static str {
        if self.node.is_some() { "JavaScript, run by node" } else { "Rust, since there is no node" }
    }
}

impl Drop for Functions {
    fn drop(&mut self) {
        let Some(node) = &mut self.node else { return };
        // It ends by itself when its input does; this only spares the wait.
        let ended = node.kill().and_then(|()| node.wait());
        if let Err(error) = ended {
            tracing::debug!(%error, "node not ended");
        }
    }
}

/// A function in JavaScript.
struct Node {
    process: Child,
    address: SocketAddr,
}

impl Node {
    /// Starts it. None: there is no node, or it does not start.
    fn start(folder: &Path) -> Option<Self> {
        let script = folder.join("ship.mjs");
        std::fs::write(&script, SHIP).ok()?;
        let mut process = Command::new("node")
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let said = process.stdout.take()?;
        let (tell, told) = sync_channel(1);
        thread::spawn(move || {
            let mut line = String::new();
            let port = BufReader::new(said).read_line(&mut line).ok();
            let port = port.and_then(|_| line.trim().parse::<u16>().ok());
            if tell.send(port).is_err() {
                tracing::debug!("node started too late");
            }
        });
        let Ok(Some(port)) = told.recv_timeout(NODE_STARTS_WITHIN) else {
            drop(process.kill().and_then(|()| process.wait()));
            return None;
        };
        Some(Self { process, address: SocketAddr::from(([127, 0, 0, 1], port)) })
    }
}

/// How often each order's receipt has failed.
type Failed = Arc<Mutex<HashMap<String, u32>>>;

fn routes() -> Router {
    Router::new()
        .route("/charge", post(charge))
        .route("/ship", post(ship))
        .route("/receipt", post(receipt))
        .with_state(Failed::default())
}

/// An answer that says more than a result.
fn outcome(outcome: &Value) -> Response {
    let kind = [(CONTENT_TYPE, "application/vnd.headgate.outcome+json")];
    (kind, outcome.to_string()).into_response()
}

fn order_id(order: &Value) -> String {
    order.get("order_id").and_then(Value::as_str).unwrap_or("-").to_owned()
}

async fn charge(Json(order): Json<Value>) -> Response {
    let charged = json!({ "order_id": order_id(&order), "amount": 12 });
    outcome(&json!({
        "result": { "charged": 12 },
        "emit": [{ "topic": "billing", "type": "order.charged.v1", "data": charged }],
    }))
}

async fn ship(headers: HeaderMap, Json(order): Json<Value>) -> Response {
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok()).unwrap_or("-");
    let parcel: String = key.chars().take(8).collect();
    let push = json!({ "state": "shipped", "order_id": order_id(&order), "parcel": parcel });
    outcome(&json!({ "result": { "parcel": parcel }, "push": push }))
}

async fn receipt(State(failed): State<Failed>, Json(order): Json<Value>) -> Response {
    let order_id = order_id(&order);
    if order_id.starts_with(LATE) {
        let mut failed = failed.lock();
        let is_known = failed.contains_key(&order_id);
        if is_known || failed.len() < ORDERS_MAX {
            let times = failed.entry(order_id.clone()).or_default();
            *times += 1;
            if *times <= FAILURES {
                return (StatusCode::SERVICE_UNAVAILABLE, "the printer is out of paper")
                    .into_response();
            }
        }
    }
    let push = json!({ "state": "receipt sent", "order_id": order_id });
    outcome(&json!({ "result": { "sent": true }, "push": push }))
}
