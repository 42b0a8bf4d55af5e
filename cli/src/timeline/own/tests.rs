use std::path::Path;

use headgate_store::Settings;

use super::*;
use crate::clock::SystemClock;

fn entry(what: &str) -> HistoryEntry {
    HistoryEntry { what: what.to_owned(), ..HistoryEntry::default() }
}

fn kept(folder: &Path) -> Own {
    Own::of(Some(&Store::open(folder, &Settings::default()).unwrap()))
}

fn whats(side: Side) -> Vec<String> {
    side.pieces.into_iter().flat_map(|piece| piece.entries).map(|entry| entry.what).collect()
}

/// What is told of the last hour.
fn told(timeline: &Own, now: UnixTime) -> Vec<String> {
    whats(timeline.read(an_hour_before(now), 0))
}

fn an_hour_before(now: UnixTime) -> UnixTime {
    UnixTime::from_duration(now.as_duration().saturating_sub(Duration::from_hours(1)))
}

#[tokio::test]
async fn entries_outlast_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let now = UnixTime::from_secs(10_000);
    let timeline = kept(folder.path());
    timeline.write(vec![entry("a"), entry("b")], now).await;
    timeline.write(vec![entry("c")], now).await;
    drop(timeline);
    assert_eq!(told(&kept(folder.path()), now), ["a", "b", "c"]);
}

#[tokio::test]
async fn only_what_is_young_enough_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let timeline = kept(folder.path());
    timeline.write(vec![entry("old")], UnixTime::from_secs(10_000)).await;
    timeline.write(vec![entry("new")], UnixTime::from_secs(20_000)).await;
    assert_eq!(told(&timeline, UnixTime::from_secs(20_001)), ["new"]);
    timeline.trim(&SystemClock).await;
    assert_eq!(told(&timeline, UnixTime::from_secs(20_001)), Vec::<String>::new());
}

#[tokio::test]
async fn pages_go_on_where_one_ended() {
    let folder = tempfile::tempdir().unwrap();
    let timeline = kept(folder.path());
    let now = UnixTime::from_secs(10_000);
    for number in 0..=PAGE_BLOCKS_MAX {
        timeline.write(vec![entry(&number.to_string())], now).await;
    }
    let since = an_hour_before(now);
    let first = timeline.read(since, 0);
    assert_eq!((first.pieces.len(), first.is_more), (PAGE_BLOCKS_MAX, true));
    let second = timeline.read(since, first.pieces.last().unwrap().next);
    assert!(!second.is_more);
    assert_eq!(whats(second), [PAGE_BLOCKS_MAX.to_string()]);
}

#[test]
fn its_own_name_outlasts_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let first = kept(folder.path()).origin();
    assert_eq!(kept(folder.path()).origin(), first);
    assert_ne!(Own::of(None).origin(), first);
}

#[tokio::test]
async fn without_a_store_the_last_ones_are_kept_in_memory() {
    let timeline = Own::of(None);
    let now = UnixTime::from_secs(10_000);
    for number in 0..ENTRIES_MAX + 5 {
        timeline.write(vec![entry(&number.to_string())], now).await;
    }
    let told = told(&timeline, now);
    assert_eq!((told.len(), told[0].as_str()), (ENTRIES_MAX, "5"));
    let rest = whats(timeline.read(an_hour_before(now), ENTRIES_MAX as u64));
    assert_eq!(rest, ["1000", "1001", "1002", "1003", "1004"]);
}
