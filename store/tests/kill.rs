//! A process that is killed while it writes: what it acknowledged is there, and nothing is there
//! by half. The ledger of acknowledgements is kept by another process, this one.

#![expect(clippy::unwrap_used, reason = "helpers of a test are tests too")]

use std::{
    collections::BTreeSet,
    env,
    io::{self, BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    thread,
};

use headgate_store::{Batch, Condition, Content, Key, Operation, Settings, Store};
use headgate_types::UnixTime;

const FOLDER: &str = "HEADGATE_STORE_KILL_FOLDER";
const LIFE: &str = "HEADGATE_STORE_KILL_LIFE";
const KILLS: usize = 10;
const PRODUCERS: u32 = 16;
const PARTITIONS: u32 = 4;
const SPACE: &str = "effects";
const TOPIC: &str = "events";

/// What the killed process does; nothing when the tests are run as a whole.
#[test]
fn child() {
    let Some(folder) = env::var_os(FOLDER) else { return };
    let life = env::var(LIFE).unwrap();
    let store = Store::open(Path::new(&folder), &Settings::default()).unwrap();
    thread::scope(|scope| {
        for producer in 0..PRODUCERS {
            let (store, life) = (&store, &life);
            scope.spawn(move || produce(store, life, producer));
        }
    });
}

/// Until it is killed.
fn produce(store: &Store, life: &str, producer: u32) {
    for number in 0_u64.. {
        let id = format!("{life}-{producer}-{number}");
        let batch = Batch::new()
            .append(TOPIC, producer % PARTITIONS, UnixTime::from_secs(number), id.clone())
            .put(Key::new(SPACE, id.clone()), Content::default(), Condition::Absent)
            .with(Operation::CommitOffset {
                group: format!("{life}-{producer}"),
                topic: TOPIC.to_owned(),
                partition: 0,
                offset: number + 1,
            });
        store.submit(batch).unwrap().wait().unwrap();
        // One write, shorter than a pipe's atomic one: lines of producers do not mix.
        if io::stdout().lock().write_all(format!("ack {id}\n").as_bytes()).is_err() {
            return;
        }
    }
}

#[test]
fn what_a_killed_process_acknowledged_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = BTreeSet::new();
    let mut chance = fastrand::Rng::with_seed(1);
    for life in 0..KILLS {
        live_and_die(folder.path(), life, chance.usize(1..800), &mut ledger);
        let store = Store::open(folder.path(), &Settings::default()).unwrap();
        let (items, entries) = (items(&store), entries(&store));
        assert!(ledger.is_subset(&items), "life {life} lost what it acknowledged");
        assert_eq!(items, entries, "life {life} left half of a batch");
        check_offsets(&store, &items);
    }
}

/// Runs a child until it acknowledged so much, kills it, and writes down all that it told.
fn live_and_die(folder: &Path, life: usize, acks: usize, ledger: &mut BTreeSet<String>) {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .env(LIFE, life.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut acked = lines.filter_map(|line| Some(line.split_once("ack ")?.1.to_owned()));
    let before = ledger.len();
    ledger.extend(acked.by_ref().take(acks));
    child.kill().unwrap();
    ledger.extend(acked);
    child.wait().unwrap();
    assert!(ledger.len() >= before + acks, "the child died by itself");
}

fn items(store: &Store) -> BTreeSet<String> {
    let mut items = BTreeSet::new();
    loop {
        let after = items.last().map(String::as_bytes).map(<[u8]>::to_vec);
        let step = store.scan(SPACE, after.as_deref(), 1_000).unwrap();
        if step.is_empty() {
            return items;
        }
        items.extend(step.iter().map(|(key, _)| String::from_utf8(key.to_vec()).unwrap()));
    }
}

fn entries(store: &Store) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for partition in 0..PARTITIONS {
        let mut from = 0;
        loop {
            let step = store.read(TOPIC, partition, from, 1_000).unwrap();
            if step.is_empty() {
                break;
            }
            for entry in step {
                assert_eq!(entry.offset, from, "offsets have no gap");
                from += 1;
                let id = String::from_utf8(entry.payload.to_vec()).unwrap();
                assert!(ids.insert(id), "an event is there twice");
            }
        }
    }
    ids
}

/// A producer's offset is the number of its events.
fn check_offsets(store: &Store, items: &BTreeSet<String>) {
    let producers: BTreeSet<_> =
        items.iter().filter_map(|id| id.rsplit_once('-')).map(|(producer, _)| producer).collect();
    for producer in producers {
        let events = items.iter().filter(|id| id.rsplit_once('-').unwrap().0 == producer).count();
        let offset = store.offset(producer, TOPIC, 0).unwrap();
        assert_eq!(offset, Some(events as u64), "producer {producer}");
    }
}
