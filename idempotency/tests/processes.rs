//! A worker process that is killed and stopped at random places, with three events in ten delivered
//! twice: every effect is there once. Effects are counted by another process, with its own sync.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of a test are tests too")]
#![expect(clippy::indexing_slicing, clippy::panic, reason = "helpers of a test are tests too")]

#[path = "processes/ledger.rs"]
mod ledger;
#[path = "processes/worker.rs"]
mod worker;

use std::{
    collections::BTreeSet,
    env,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
};

use headgate_idempotency::{RecordKey, Scope};
use headgate_store::{Batch, Key, Settings, Store};
use headgate_types::UnixTime;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use ledger::{Carried, Ledger};
use worker::{CHILDREN, EVENTS, GROUP, LEASE, Mode, PARTITIONS, STATES, count};

const FOLDER: &str = "HEADGATE_WORKER_FOLDER";
const PORT: &str = "HEADGATE_LEDGER_PORT";
const KEYS: usize = 1_200;
/// Lives after which the worker must have come to an end.
const LIVES_MAX: usize = 200;

/// What the worker process does; nothing when the tests are run as a whole.
#[test]
fn worker_process() {
    let Some(folder) = env::var_os(FOLDER) else { return };
    worker::work(Path::new(&folder), env::var(PORT).unwrap().parse().unwrap());
}

/// What the ledger process does; nothing when the tests are run as a whole.
#[test]
fn ledger_process() {
    let Some(file) = env::var_os(ledger::FILE) else { return };
    ledger::serve(Path::new(&file));
}

#[test]
fn effects_are_once_although_the_worker_is_killed_and_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let book = folder.path().join("ledger");
    let data = folder.path().join("data");
    let mut chance = fastrand::Rng::with_seed(1);
    let names = publish(&data, &mut chance);
    let ledger = Ledger::start(&book);
    let mut acknowledged = BTreeSet::new();
    let mut lives = 0;
    while !live(&data, ledger.port, &mut chance, &mut acknowledged) {
        lives += 1;
        assert!(lives < LIVES_MAX, "the work does not come to an end");
    }
    assert!(lives >= 5, "only {lives} kills");
    let carried = ledger.end(&book);
    let store = Store::open(&data, &Settings::default()).unwrap();
    let account = Account { store, carried };
    for partition in 0..PARTITIONS {
        account.settle(partition, &names, &acknowledged);
    }
    println!("{lives} lives, {} acknowledged", acknowledged.len());
}

/// Fills the partitions with events, three in ten of them twice, and gives their names.
fn publish(data: &Path, chance: &mut fastrand::Rng) -> Vec<(u32, String)> {
    let mut names = Vec::new();
    let mut log = Vec::new();
    for number in 0..KEYS {
        let partition = chance.u32(0..PARTITIONS);
        let name = format!("event-{number}");
        log.push((partition, name.clone()));
        if chance.u32(0..10) < 3 {
            log.insert(chance.usize(0..log.len()), (partition, name.clone()));
        }
        names.push((partition, name));
    }
    let store = Store::open(data, &Settings::default()).unwrap();
    for part in log.chunks(100) {
        let batch = part.iter().fold(Batch::new(), |batch, (partition, name)| {
            batch.append(EVENTS, *partition, UnixTime::from_secs(1), name.clone())
        });
        store.submit(batch).unwrap().wait().unwrap();
    }
    names
}

/// A life of the worker, up to its death or to the end of its work, which is told by true.
fn live(
    data: &Path,
    port: u16,
    chance: &mut fastrand::Rng,
    acknowledged: &mut BTreeSet<String>,
) -> bool {
    let mut child = spawn(data, port);
    let pid = Pid::from_raw(child.id().try_into().unwrap());
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut is_done = false;
    let mut acks = lines.filter_map(|line| {
        is_done |= line.contains("all done");
        Some(line.split_once("ack ")?.1.to_owned())
    });
    acknowledged.extend(acks.by_ref().take(chance.usize(1..150)));
    if chance.bool() {
        kill(pid, Signal::SIGSTOP).unwrap();
        // This is the fault itself, and no wait for anything.
        thread::sleep(LEASE.mul_f64(chance.f64() * 2.0));
        kill(pid, Signal::SIGCONT).unwrap();
        acknowledged.extend(acks.by_ref().take(chance.usize(1..50)));
    }
    child.kill().unwrap();
    acknowledged.extend(acks);
    child.wait().unwrap();
    is_done
}

fn spawn(data: &Path, port: u16) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "worker_process", "--nocapture", "--test-threads=1"])
        .env(FOLDER, data)
        .env(PORT, port.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What the store and the ledger say in the end.
struct Account {
    store: Store,
    carried: Carried,
}

impl Account {
    /// Checks every event of a partition.
    fn settle(&self, partition: u32, names: &[(u32, String)], acknowledged: &BTreeSet<String>) {
        let end = self.store.log(EVENTS, partition).unwrap().unwrap().end;
        assert_eq!(self.store.offset(GROUP, EVENTS, partition).unwrap(), Some(end));
        let children = self.children(partition);
        let mode = Mode::of(partition);
        for (_, name) in names.iter().filter(|(of, _)| *of == partition) {
            let emitted = children.iter().filter(|child| *child == name).count();
            let is_held = self.is_held(name);
            assert_eq!(emitted, usize::from(!is_held), "{mode:?} {name}");
            assert!(!is_held || mode == Mode::LeasedHold, "{mode:?} {name}");
            assert!(emitted == 1 || !acknowledged.contains(name), "{name} was acknowledged");
            let mut fences = self.carried.get(name).cloned().unwrap_or_default();
            let carried = fences.len();
            let is_kept = match mode {
                Mode::Transactional => carried == 0,
                Mode::Keyed => carried == 1,
                Mode::LeasedRetry => carried >= 1,
                Mode::LeasedHold => carried <= 1 && (is_held || carried == 1),
            };
            assert!(is_kept, "{mode:?} {name} was carried out {carried} times, held: {is_held}");
            fences.dedup();
            assert_eq!(fences.len(), carried, "{name}: an attempt carried it out twice");
        }
        let key = Key::new(STATES, partition.to_be_bytes().to_vec());
        let counted = self.store.get(&key).unwrap().map_or(0, |item| count(&item.content.value));
        assert_eq!(counted, children.len() as u64, "{mode:?}");
    }

    fn children(&self, partition: u32) -> Vec<String> {
        let entries = self.store.read(CHILDREN, partition, 0, usize::MAX).unwrap();
        entries.iter().map(|entry| String::from_utf8(entry.payload.to_vec()).unwrap()).collect()
    }

    fn is_held(&self, name: &str) -> bool {
        let scope = Scope::new("processes").unwrap();
        let key = RecordKey::new(&scope, name.to_owned()).unwrap();
        let item = self.store.get(key.item()).unwrap().unwrap();
        item.content.attributes["st"] == "HOLD".into()
    }
}
