//! The demo's tour of an order: the commands that it prints are run as they are.

use headgate_events::kafka::KafkaLocal;
use headgate_idempotency::testing::DynamoDbLocal;
use headgate_tests::{Folder, bff, edge};

use crate::readme::run;

/// Starts the demo, waits until it has printed its tour, and puts the tour's commands into
/// `tour.txt`.
const START: &str = "
headgate demo ${servers:-} > demo.out & demo=$!
trap 'kill $demo; wait $demo || true' EXIT
until grep -q 'Ctrl-C ends' demo.out; do kill -0 $demo; sleep 0.1; done
sed -n 's/^  //p' demo.out > tour.txt
eval \"$(grep '^token=' tour.txt)\"
";

/// Waits in the background for what is pushed, orders, brings back what was given up.
const ORDER: &str = "
eval \"$(grep _headgate/push tour.txt) -s > pushed.txt &\"
until grep -q ready pushed.txt; do sleep 0.1; done
eval \"$(grep 'o-1' tour.txt)\" | tee answer.txt
eval \"$(grep 'late-1' tour.txt)\"
until grep -q 'o-1.*receipt sent' pushed.txt; do sleep 0.1; done
until grep -q -e 'late-1.*shipped' -e 'shipped.*late-1' pushed.txt; do sleep 0.1; done
trace=$(grep -i '^headgate-trace-id' answer.txt | tr -d '\\r' | cut -d' ' -f2)
eval \"$(grep 'trace TRACE' tour.txt | sed \"s/TRACE/$trace/\")\"
eval \"$(grep 'events tail' tour.txt)\"
until ! eval \"$(grep 'dlq list' tour.txt)\" > letters.txt; do sleep 0.1; done
cat letters.txt
eval \"$(grep 'dlq redrive' tour.txt)\"
until grep -q 'late-1.*receipt sent' pushed.txt; do sleep 0.1; done
cat pushed.txt
grep -A1 'goes through three functions' demo.out
";

#[tokio::test]
async fn order_goes_through_three_functions_and_its_result_is_pushed() {
    let printed = run(format!("{START}{ORDER}"), &Folder::default()).await;

    for told in [
        "HTTP/1.1 202",
        "tv.charge: done",
        "tv.ship: done",
        "tv.receipt: done",
        "order.placed.v1",
        "late-1",
        "event: result",
        "event: message",
    ] {
        assert!(printed.contains(told), "{told} was never seen:\n{printed}");
    }
}

#[tokio::test]
async fn demo_does_without_node() {
    // Nothing of what is run here is node.
    let no_node = "
mkdir bin
for tool in bash sed grep tee tr cut cat sleep curl headgate; do ln -s \"$(command -v $tool)\" bin/; done
export PATH=$PWD/bin
";
    let printed = run(format!("{no_node}{START}{ORDER}"), &Folder::default()).await;
    assert!(printed.contains("since there is no node"), "{printed}");
}

/// Waits at edge b, orders at edge a, kills that one, and sends the same to edge b.
const KILL: &str = "
eval \"$(grep _headgate/push tour.txt) -s > pushed.txt &\"
until grep -q ready pushed.txt; do sleep 0.1; done
grep 'o-1' tour.txt > orders.txt
eval \"$(head -1 orders.txt)\" | tee first.txt
until [ $(grep -c '^event: ' pushed.txt) = 4 ]; do sleep 0.1; done
eval \"$(grep '^kill -9' tour.txt)\"
eval \"$(tail -1 orders.txt)\" | tee repeat.txt
location() { grep -i '^location' \"$1\" | tr -d '\\r' | cut -d' ' -f2; }
test \"$(location first.txt)\" = \"$(location repeat.txt)\"
trace=$(location first.txt)
trace=${trace##*/}
eval \"$(grep 'trace TRACE' tour.txt | sed \"s/TRACE/$trace/\")\"
eval \"$(grep 'events tail' tour.txt)\" | tee tail.txt
test $(grep -c order.placed.v1 tail.txt) = 1
eval \"$(grep ' history' tour.txt)\"
cat pushed.txt
test $(grep -c '^event: ' pushed.txt) = 4
";

#[tokio::test]
async fn order_outlives_the_edge_that_took_it() {
    let (Some(kafka), Some(table)) = (KafkaLocal::shared(), DynamoDbLocal::shared()) else {
        return;
    };
    let (kafka, table) = (kafka.brokers(), table.endpoint());
    let servers = format!("servers='--kafka {kafka} --dynamodb {table}'");

    let printed = run(format!("{servers}\n{START}{KILL}"), &Folder::default()).await;

    for told in [
        "HTTP/1.1 202",
        "idempotency-replayed: true",
        "tv.receipt: done",
        "the process began",
        "event: message",
    ] {
        assert!(printed.contains(told), "{told} was never seen:\n{printed}");
    }
}

#[tokio::test]
async fn demo_without_its_servers_says_how_they_are_started() {
    let nobody = bff::refusing();
    let url = format!("http://{nobody}");
    let demo = ["demo", "--kafka", nobody.as_str(), "--dynamodb", url.as_str()];
    let ended = edge::run(&demo, &Folder::default()).await;
    assert_eq!(ended.code(), 3, "{ended:?}");
    for told in ["HG1272", "--kafka", nobody.as_str(), "cargo xtask demo"] {
        assert!(ended.stderr.contains(told), "{told}: {}", ended.stderr);
    }
    let half = edge::run(&["demo", "--kafka", nobody.as_str()], &Folder::default()).await;
    assert_eq!(half.code(), 2, "{half:?}");
}
