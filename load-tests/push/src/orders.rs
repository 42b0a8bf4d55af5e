//! What all scenarios have: an edge that takes orders, and a function that handles them.

use headgate_tests::{Bff, Edge, Site, client::Call, identity::sha256, post};
use serde_json::json;

/// Connections that the edge takes of one address.
const CONNECTIONS_MAX: usize = 16_000;

/// The files of an edge whose orders are handled by a function; `more` are further tables of the
/// platform's file.
pub(crate) fn site(function: &Bff, topic: &str, more: &str) -> Site {
    let key = |name: &str| {
        let digest = sha256(&format!("{name}-key"));
        format!("{{ sha256 = \"{digest}\", subject = \"{name}\" }}")
    };
    let keys = format!("{}, {}", key("alice"), key("bob"));
    let platform =
        format!("[data]\ndir = \"data\"\n[identity.accounts]\napi_keys = [{keys}]\n{more}");
    let route = format!(
        "[route.order]\nmatch = \"POST /tv/orders\"\nauth = \"accounts\"\n\
         publish = {{ topic = {topic:?}, type = \"order.placed.v1\", key = \"body.order_id\" }}\n"
    );
    let handler = format!(
        "[handler.charge]\non = \"{topic}/order.placed.v1\"\ncall = \"http://{}/charge\"\n",
        function.endpoint()
    );
    let home = headgate_tests::upstream("home", &[&function.endpoint()], "");
    let get = headgate_tests::route("home", "GET /tv/home", "home", "");
    Site::new()
        .edge(&format!("max_connections_per_client = {CONNECTIONS_MAX}"))
        .platform(&platform)
        .team("tv", &[route, handler, home, get])
}

/// A function that answers each call with JSON of so many bytes.
pub(crate) async fn function(bytes: usize) -> Bff {
    let answer = format!("\"{}\"", "x".repeat(bytes));
    Bff::raw(move |mut connection| {
        let answer = answer.clone();
        async move {
            while connection.request().await.is_some() {
                connection.answer(200, &[("content-type", "application/json")], &answer).await;
            }
        }
    })
    .await
}

/// An order of whoever has the key.
pub(crate) fn order(key: &str, id: &str) -> Call {
    post("/tv/orders", json!({ "order_id": id }).to_string()).header("x-api-key", key)
}

/// What the edge counts under a name, whatever the labels.
pub(crate) async fn counted(edge: &Edge, name: &str) -> u64 {
    edge.metrics().await.sum(name, &[])
}
