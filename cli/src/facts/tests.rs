use std::path::Path;

use headgate_telemetry::Metrics;
use serde_json::Value;

use headgate_store::Settings;

use super::*;
use crate::clock::SystemClock;

fn log(folder: &Path, keep_for: Duration) -> FactsLog {
    FactsLog { store: Store::open(folder, &Settings::default()).unwrap(), keep_for }
}

fn writer(log: &FactsLog) -> Writer {
    Writer {
        log: log.clone(),
        clock: Arc::new(SystemClock),
        metrics: Metrics::new().facts(),
        block: Vec::new(),
        facts: 0,
    }
}

fn page(log: &FactsLog, after: Option<u64>) -> Value {
    let since = Duration::from_mins(15);
    serde_json::from_str(&log.page(FactsAsk { since, after }, SystemClock.unix_time())).unwrap()
}

#[tokio::test]
async fn facts_come_back_page_by_page() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path(), Duration::from_mins(15));
    let mut writer = writer(&log);
    for block in 0..=PAGE_BLOCKS_MAX {
        writer.block = format!("{{\"n\":{block}}}\n{{\"n\":0}}\n").into_bytes();
        writer.flush().await;
    }
    let first = page(&log, None);
    assert_eq!(first["facts"].as_array().unwrap().len(), 2 * PAGE_BLOCKS_MAX);
    assert_eq!(first["kept_for"], "15m");
    let second = page(&log, first["next"].as_u64());
    assert_eq!(second["facts"], json!([{ "n": PAGE_BLOCKS_MAX }, { "n": 0 }]));
    let last = page(&log, second["next"].as_u64());
    assert_eq!((&last["facts"], &last["next"]), (&json!([]), &Value::Null));
}

#[tokio::test]
async fn facts_from_the_queue_are_written_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path(), Duration::from_mins(15));
    let (sender, facts) = tokio::sync::mpsc::channel(4);
    for fact in ["{\"n\":1}", "{\"n\":2}"] {
        sender.send(fact.as_bytes().to_vec()).await.unwrap();
    }
    drop(sender);
    let mut writer = writer(&log);
    writer.write(facts).await;
    writer.flush().await;
    assert_eq!(page(&log, None)["facts"], json!([{ "n": 1 }, { "n": 2 }]));
}

#[tokio::test]
async fn what_is_too_old_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path(), Duration::from_mins(15));
    let old = SystemClock.unix_time().as_duration().saturating_sub(Duration::from_hours(1));
    let old = UnixTime::from_duration(old);
    let batch = Batch::new().append(TOPIC, PARTITION, old, "{\"n\":1}\n");
    log.store.commit(batch).await.unwrap();
    assert_eq!(page(&log, None)["facts"], json!([]), "nobody is told what is older than asked for");
    let mut writer = writer(&log);
    writer.block = b"{\"n\":2}\n".to_vec();
    writer.flush().await;

    writer.trim().await;

    let kept = log.store.read(TOPIC, PARTITION, 0, 8).unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(page(&log, None)["facts"], json!([{ "n": 2 }]));
}

#[test]
fn edge_without_facts_says_so() {
    let page: Value = serde_json::from_str(&no_page()).unwrap();
    assert_eq!(page, json!({ "facts": [], "next": null, "kept_for": null }));
}
