//! The same on the embedded store, with its files.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use headgate_idempotency::{
    Decorated, Delivery, Emit, Event, Fault, OsRandom, Records, Settings, Settlement, Tx, handler,
    testing::ManualClock,
};
use headgate_store::Store;
use headgate_types::Clock as _;
use serde::Serialize;

use crate::bench::{Order, order};

#[derive(Serialize)]
struct Noted(u64);

impl Emit for Noted {
    const TO: &'static str = "notes/noted.v1";
}

#[handler(scope = "add@1", on = "t/k", key = |e| e.data.id)]
async fn add(e: Event<Order>, cx: &mut Tx, is_down: &AtomicBool) -> Result<u64, Fault> {
    let mut total = cx.state::<u64>("total").await?;
    *total.or_default() += e.data.amount;
    let sum = *total.or_default();
    cx.put(total)?;
    cx.emit("noted", Noted(sum))?;
    if is_down.load(Ordering::Relaxed) { Err(Fault::retry("not now")) } else { Ok(sum) }
}

/// Opens the folder as a process that starts does, delivers, and closes it.
async fn process(
    folder: &Path,
    clock: &Arc<ManualClock>,
    is_down: bool,
    delivery: &Delivery,
) -> Settlement {
    let store = Store::open(folder, &headgate_store::Settings::default()).unwrap();
    let clock = Arc::clone(clock) as Arc<dyn headgate_types::Clock>;
    let records = Records::new(Arc::new(store), clock, Arc::new(OsRandom), Settings::default());
    let add = Decorated::new(add(AtomicBool::new(is_down)), records).unwrap();
    add.deliver(delivery).await.unwrap()
}

#[tokio::test]
async fn an_outcome_outlives_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new());
    let delivery = order("o-1", 5);
    let settlement = process(folder.path(), &clock, true, &delivery).await;
    let Settlement::Deferred { until, .. } = settlement else { panic!("{settlement:?}") };

    clock.advance(Duration::from_mins(1));
    assert!(until <= clock.unix_time());
    let due = {
        let store = Store::open(folder.path(), &headgate_store::Settings::default()).unwrap();
        store.due("add@1", clock.unix_time(), 10).unwrap()
    };
    let [due] = due.try_into().unwrap();
    let delayed = Delivery::from_delayed("add@1", &due).unwrap();
    let settlement = process(folder.path(), &clock, false, &delayed).await;
    assert_eq!(settlement, Settlement::Done { result: "5".into() });
    let settlement = process(folder.path(), &clock, false, &delivery).await;
    assert_eq!(settlement, Settlement::Replayed { result: "5".into(), rejected: false });

    let store = Store::open(folder.path(), &headgate_store::Settings::default()).unwrap();
    assert_eq!(store.due("add@1", clock.unix_time(), 10).unwrap().len(), 0);
    let notes = (0..8).flat_map(|partition| store.read("notes", partition, 0, 10).unwrap());
    assert_eq!(notes.count(), 1);
}
