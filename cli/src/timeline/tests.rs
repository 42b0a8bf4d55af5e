use std::path::Path;

use headgate_store::Settings;

use super::*;
use crate::clock::SystemClock;

fn entry(what: &str) -> HistoryEntry {
    HistoryEntry { what: what.to_owned(), ..HistoryEntry::default() }
}

fn kept(folder: &Path) -> Timeline {
    Timeline::of(Some(&Store::open(folder, &Settings::default()).unwrap()))
}

fn told(timeline: &Timeline, since: Duration, now: UnixTime) -> Vec<String> {
    let page = timeline.page(FactsAsk { since, after: None }, now);
    page.entries.into_iter().map(|entry| entry.what).collect()
}

const HOUR: Duration = Duration::from_hours(1);

#[tokio::test]
async fn entries_outlast_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let now = UnixTime::from_secs(10_000);
    let timeline = kept(folder.path());
    timeline.write(vec![entry("a"), entry("b")], now).await;
    timeline.write(vec![entry("c")], now).await;
    drop(timeline);
    assert_eq!(told(&kept(folder.path()), HOUR, now), ["a", "b", "c"]);
}

#[tokio::test]
async fn only_what_is_young_enough_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let timeline = kept(folder.path());
    timeline.write(vec![entry("old")], UnixTime::from_secs(10_000)).await;
    timeline.write(vec![entry("new")], UnixTime::from_secs(20_000)).await;
    assert_eq!(told(&timeline, HOUR, UnixTime::from_secs(20_001)), ["new"]);
    timeline.trim(&SystemClock).await;
    assert_eq!(told(&timeline, HOUR, UnixTime::from_secs(20_001)), Vec::<String>::new());
}

#[tokio::test]
async fn pages_go_on_where_one_ended() {
    let folder = tempfile::tempdir().unwrap();
    let timeline = kept(folder.path());
    let now = UnixTime::from_secs(10_000);
    for number in 0..=PAGE_BLOCKS_MAX {
        timeline.write(vec![entry(&number.to_string())], now).await;
    }
    let first = timeline.page(FactsAsk { since: HOUR, after: None }, now);
    assert_eq!(first.entries.len(), PAGE_BLOCKS_MAX);
    let second = timeline.page(FactsAsk { since: HOUR, after: first.next }, now);
    assert_eq!(second.entries, [entry(&PAGE_BLOCKS_MAX.to_string())]);
    let last = timeline.page(FactsAsk { since: HOUR, after: second.next }, now);
    assert_eq!((last.entries.len(), last.next), (0, None));
}

#[tokio::test]
async fn without_a_store_the_last_ones_are_kept_in_memory() {
    let timeline = Timeline::of(None);
    let now = UnixTime::from_secs(10_000);
    for number in 0..ENTRIES_MAX + 5 {
        timeline.write(vec![entry(&number.to_string())], now).await;
    }
    let told = told(&timeline, HOUR, now);
    assert_eq!((told.len(), told[0].as_str()), (ENTRIES_MAX, "5"));
}
