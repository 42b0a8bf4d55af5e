//! Topics that go into tables of a database, as the platform's file says.

use std::fs;

use headgate_events::sink::PostgresLocal;
use headgate_tests::{Edge, Site, eventually, post, within};
use serde_json::{Value, json};

use crate::events::{order_route, platform};

/// A sink of orders into a table of the same name; `more` are further lines of the table.
fn sink(name: &str, more: &str) -> String {
    format!(
        "[sink.{name}]\nurl = \"file:secrets/url\"\n[sink.{name}.table.{name}]\n\
         topic = \"orders\"\nkey = [\"order_id\"]\n\
         columns.order_id = {{ type = \"text\", from = \"partitionkey\" }}\n\
         columns.total = {{ type = \"numeric\", from = \"data.total\" }}\n{more}\n"
    )
}

fn site(postgres: &PostgresLocal, tables: &str) -> Site {
    Site::new()
        .platform(&platform())
        .platform(tables)
        .file("secrets/url", format!("{}\n", postgres.url()))
        .team("tv", &[order_route("", "")])
}

async fn order(edge: &Edge, data: Value) {
    let call = post("/tv/orders", data.to_string()).header("x-api-key", "alice-key");
    let reply = edge.send(call).await;
    assert_eq!(reply.status, 202, "{}", reply.text());
}

/// Waits until a statement's answer is as it should be.
async fn shows(postgres: &PostgresLocal, sql: &str, wanted: &str) {
    let mut last = String::new();
    let shown = async {
        loop {
            let Some(found) = postgres.try_psql(sql) else { continue };
            found.trim().clone_into(&mut last);
            if last == wanted {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    within(&format!("{sql} to show {wanted}"), shown).await;
}

#[tokio::test]
async fn events_are_rows_of_the_columns_that_are_named() {
    let Some(postgres) = PostgresLocal::shared() else { return };
    let more = "types = [\"order.placed.v1\"]\n\
                columns.kind = { type = \"text\", from = \"type\" }";
    let edge = site(postgres, &sink("rows", more)).start().await;

    order(&edge, json!({ "order_id": "o-1", "total": 7.25 })).await;
    order(&edge, json!({ "order_id": "o-2" })).await;

    let all = "select order_id, total, kind from rows order by order_id";
    shows(postgres, all, "o-1|7.25|order.placed.v1\no-2||order.placed.v1").await;
}

#[tokio::test]
async fn address_comes_from_the_environment() {
    let Some(postgres) = PostgresLocal::shared() else { return };
    let tables = sink("fromenv", "").replace("file:secrets/url", "env:REPORTS_URL");
    let site = site(postgres, &tables).environment("REPORTS_URL", postgres.url());
    let edge = site.start().await;

    order(&edge, json!({ "order_id": "o-1", "total": 1 })).await;

    shows(postgres, "select order_id from fromenv", "o-1").await;
}

#[tokio::test]
async fn secret_that_is_not_there_costs_the_sink_alone_and_is_never_shown() {
    let Some(postgres) = PostgresLocal::shared() else { return };
    let tables = sink("nosecret", "").replace("file:secrets/url", "file:secrets/later");
    let edge = site(postgres, &tables).start().await;
    order(&edge, json!({ "order_id": "o-1", "total": 1 })).await;
    eventually("the sink's fault", || edge.told().contains("HG1044").then_some(())).await;

    edge.folder().write("secrets/later", postgres.url());

    shows(postgres, "select order_id from nosecret", "o-1").await;
    assert!(!edge.told().contains(postgres.url()), "{}", edge.told());
}

#[tokio::test]
async fn only_types_that_are_named_are_written() {
    let Some(postgres) = PostgresLocal::shared() else { return };
    let others = sink("others", "types = [\"order.refunded.v1\"]");
    let both = format!("{}{others}", sink("alltypes", ""));
    let edge = site(postgres, &both).start().await;

    order(&edge, json!({ "order_id": "o-1", "total": 1 })).await;

    shows(postgres, "select order_id from alltypes", "o-1").await;
    let passed = "select sum(next) from headgate_offsets where sink = 'others.others'";
    shows(postgres, passed, "1").await;
    shows(postgres, "select count(*) from others", "0").await;
}

#[tokio::test]
async fn later_event_wins_by_the_number_that_is_named() {
    let Some(postgres) = PostgresLocal::shared() else { return };
    let tables =
        format!("{}{}", sink("bynumber", "sequence = \"data.version\""), sink("byplace", ""));
    let edge = site(postgres, &tables).start().await;

    order(&edge, json!({ "order_id": "o-1", "total": 2, "version": 2 })).await;
    order(&edge, json!({ "order_id": "o-1", "total": 1, "version": 1 })).await;

    shows(postgres, "select total from byplace", "1").await;
    let passed = "select sum(next) from headgate_offsets where sink = 'bynumber.bynumber'";
    shows(postgres, passed, "2").await;
    shows(postgres, "select total from bynumber", "2").await;
}

#[tokio::test]
async fn row_is_what_the_key_says_in_the_table_that_is_named() {
    let Some(postgres) = PostgresLocal::shared() else { return };
    let by_event = sink("byevent", "into = \"public.each_event\"")
        .replace("key = [\"order_id\"]", "key = [\"id\"]")
        .replace("columns.total", "columns.id = { type = \"text\", from = \"id\" }\ncolumns.total");
    let edge = site(postgres, &format!("{}{by_event}", sink("byorder", ""))).start().await;

    for total in [1, 2] {
        order(&edge, json!({ "order_id": "o-1", "total": total })).await;
    }

    shows(postgres, "select total from each_event order by total", "1\n2").await;
    shows(postgres, "select total from byorder", "2").await;
}

#[tokio::test]
async fn events_are_written_together_as_the_batch_says() {
    let Some(postgres) = PostgresLocal::shared() else { return };
    let with = |name: &str, batch: &str| {
        sink(name, "").replace("url = ", &format!("batch = {{ {batch} }}\nurl = "))
    };
    let tables = format!(
        "[topic.orders]\npartitions = 1\n{}{}",
        with("single", "rows = 1"),
        with("together", "rows = 3, wait = \"1h\"")
    );
    let edge = site(postgres, &tables).start().await;

    for number in 0..3 {
        order(&edge, json!({ "order_id": format!("o-{number}"), "total": 1 })).await;
    }

    // Rows of one transaction bear its number.
    let transactions =
        |table: &str| format!("select count(*), count(distinct xmin::text) from {table}");
    shows(postgres, &transactions("single"), "3|3").await;
    shows(postgres, &transactions("together"), "3|1").await;
}

#[tokio::test]
async fn table_is_made_or_must_be_there() {
    let Some(postgres) = PostgresLocal::shared() else { return };
    let check = sink("checked", "").replace("url = ", "schema = \"check\"\nurl = ");
    let edge = site(postgres, &check).start().await;
    order(&edge, json!({ "order_id": "o-1", "total": 1 })).await;
    eventually("the missing table", || edge.told().contains("HG0071").then_some(())).await;

    // What is changed in the file holds at once.
    let config = edge.config().await;
    let file = fs::read_to_string(edge.folder().path().join("headgate.toml")).unwrap();
    edge.folder().write("headgate.toml", file.replace("schema = \"check\"\n", ""));
    edge.config_changes(&config).await;

    shows(postgres, "select order_id from checked", "o-1").await;
}

#[tokio::test]
async fn sink_that_contradicts_itself_is_a_fault_of_the_configuration() {
    let tables = sink("odd", "").replace("key = [\"order_id\"]", "key = [\"nothing\"]");
    let ended = Site::new()
        .platform(&platform())
        .platform(&tables)
        .team("tv", &[order_route("", "")])
        .run()
        .await;
    assert_eq!(ended.code(), 2);
    for word in ["HG1043", "nothing", "sink.odd"] {
        assert!(ended.stderr.contains(word), "{word:?} is not in {}", ended.stderr);
    }
}
