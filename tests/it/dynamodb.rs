//! Idempotency records in a table of DynamoDB: several edges know each other's keys.

use std::process;

use headgate_idempotency::testing::DynamoDbLocal;
use headgate_tests::{Edge, Shop, Site, order, route, upstream};

/// An edge whose records are in a table.
async fn edge(shop: &Shop, table: &str, dynamodb: &str) -> Edge {
    let store = format!(
        "[idempotency]\nstore = \"dynamodb\"\ndynamodb = {{ table = {table:?}, {dynamodb} }}"
    );
    let keyed = route("all", "* /{*rest}", "home", "idempotency = { max_answer = \"320KiB\" }");
    let home = upstream("home", &[&shop.bff.endpoint()], "");
    Site::new().platform(&store).team("tv", &[home, keyed]).start().await
}

#[tokio::test]
async fn edges_with_one_table_have_one_answer() {
    let Some(local) = DynamoDbLocal::shared() else { return };
    let local = format!("endpoint = {:?}, region = \"local\"", local.endpoint());
    let table = format!("it-{}", process::id());
    let shop = Shop::open().await;
    let (one, two) = (edge(&shop, &table, &local).await, edge(&shop, &table, &local).await);

    let first = one.send(order("k", "{}")).await;
    assert_eq!((first.status, first.header("idempotency-replayed")), (201, ""));
    for edge in [&one, &two] {
        let again = edge.send(order("k", "{}")).await;
        assert_eq!(again.header("idempotency-replayed"), "true");
        assert_eq!((again.status, &again.body), (201, &first.body));
        assert_eq!(
            edge.send(order("k", "{\"other\":true}")).await.outcome(),
            "idempotency_conflict"
        );
    }
    assert_eq!(shop.orders(), 1);
    one.metrics_show("its requests", |metrics| {
        let sum = |name: &str| metrics.sum(&format!("headgate_idempotency_dynamodb_{name}"), &[]);
        let requests = sum("requests_total");
        requests >= 4 && sum("request_duration_seconds_count") >= requests
    })
    .await;

    let elsewhere = edge(&shop, &format!("{table}-other"), &local).await;
    assert_eq!(elsewhere.send(order("k", "{}")).await.text(), "{\"order\":2}");
}

#[tokio::test]
async fn twin_on_another_edge_is_told_to_come_back() {
    let Some(local) = DynamoDbLocal::shared() else { return };
    let local = format!("endpoint = {:?}, region = \"local\"", local.endpoint());
    let table = format!("it-{}-twins", process::id());
    let shop = Shop::slow().await;
    let (one, two) = (edge(&shop, &table, &local).await, edge(&shop, &table, &local).await);
    let mut client = one.h1().await;
    let first = tokio::spawn(async move { client.send(order("k", "{}")).await });
    shop.took(1).await;

    assert_eq!(two.send(order("k", "{}")).await.outcome(), "idempotency_busy");
    let mut client = two.h1().await;
    let waiting = order("k", "{}").header("prefer", "wait=10");
    let twin = tokio::spawn(async move { client.send(waiting).await });
    shop.answer();
    let (first, twin) = (first.await.unwrap(), twin.await.unwrap());
    assert_eq!((first.status, twin.status, &twin.body), (201, 201, &first.body));
    assert_eq!(twin.header("idempotency-replayed"), "true");
    assert_eq!(shop.orders(), 1);
}

#[tokio::test]
async fn table_out_of_reach_costs_the_keys_and_nothing_else() {
    let nowhere = headgate_tests::bff::refusing();
    let shop = Shop::open().await;
    let local = format!("endpoint = \"http://{nowhere}\", region = \"local\"");
    let edge = edge(&shop, "keys", &local).await;

    let refused = edge.send(order("k", "{}")).await;
    assert_eq!((refused.status, &*refused.outcome()), (503, "store_unavailable"));
    assert_eq!(refused.problem()["code"], "HG0025");
    assert_eq!(edge.send(headgate_tests::get("/tv/orders")).await.status, 201);
    assert_eq!(shop.orders(), 1);
}
