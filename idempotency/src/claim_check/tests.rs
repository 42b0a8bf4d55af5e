use std::sync::Arc;

use super::*;
use crate::{
    random::OsRandom,
    settings::Settings,
    testing::{ManualClock, MemoryStore},
};

const WEEK: Duration = Duration::from_hours(7 * 24);

struct World {
    store: MemoryStore,
    clock: Arc<ManualClock>,
    records: Records,
}

impl World {
    fn new() -> Self {
        let (store, clock) = (MemoryStore::new(), Arc::new(ManualClock::new()));
        let records = Records::new(
            Arc::new(store.clone()),
            clock.clone(),
            Arc::new(OsRandom),
            Settings::default(),
        );
        Self { store, clock, records }
    }

    fn bounded(&self, bytes: u64) -> ClaimCheck {
        ClaimCheck::new(
            &self.records,
            Bounds { total_bytes_max: ByteSize::from_bytes(bytes), keep_max: WEEK },
        )
    }

    fn pieces(&self) -> usize {
        self.store.engine().scan(PIECES, None, usize::MAX).unwrap().len()
    }
}

fn data(bytes: usize, seed: u8) -> Bytes {
    (0..bytes).map(|at| u8::try_from(at % 251).unwrap() ^ seed).collect::<Vec<_>>().into()
}

#[tokio::test]
async fn data_is_found_by_its_digest() {
    let world = World::new();
    let check = world.bounded(8 << 20);
    for bytes in [1, PIECE_BYTES, PIECE_BYTES + 1, APART_BYTES_MAX] {
        let data = data(bytes, 1);
        let reference = check.check_in(&data, WEEK).await.unwrap();
        assert_eq!(reference, DataRef::of(&data));
        assert_eq!(world.records.fetch(&reference).await.unwrap(), data, "{bytes}");
    }
    let more = check.check_in(&data(APART_BYTES_MAX + 1, 1), WEEK).await;
    assert!(matches!(more, Err(CheckInError::TooLarge { .. })), "{more:?}");
}

#[tokio::test]
async fn equal_data_is_kept_and_counted_once() {
    let world = World::new();
    let check = world.bounded(1_000);
    for _ in 0..5 {
        check.check_in(&data(600, 1), WEEK).await.unwrap();
    }
    assert_eq!(world.pieces(), 1);
    assert!(matches!(check.check_in(&data(600, 2), WEEK).await, Err(CheckInError::NoRoom { .. })));
    assert_eq!(world.pieces(), 1, "what has no room leaves nothing");
}

#[tokio::test]
async fn data_is_kept_as_long_as_it_was_wanted_last() {
    let world = World::new();
    let check = world.bounded(1_000);
    let reference = check.check_in(&data(10, 1), WEEK).await.unwrap();
    world.clock.advance(WEEK);
    world.records.fetch(&reference).await.expect("a week is not over");
    check.check_in(&data(10, 1), WEEK).await.unwrap();
    check.check_in(&data(10, 1), DAY).await.unwrap();
    world.clock.advance(WEEK);
    world.records.fetch(&reference).await.expect("it was wanted again");
    world.clock.advance(DAY * 2);
    assert!(matches!(world.records.fetch(&reference).await, Err(FetchError::Gone(_))));
}

#[tokio::test]
async fn room_comes_back_with_the_days() {
    let world = World::new();
    let check = world.bounded(1_000);
    check.check_in(&data(900, 1), DAY).await.unwrap();
    // Another process sees what the first one has added.
    let other = world.bounded(1_000);
    assert!(matches!(other.check_in(&data(900, 2), DAY).await, Err(CheckInError::NoRoom { .. })));
    world.clock.advance(DAY * 3);
    other.check_in(&data(900, 2), DAY).await.unwrap();
}

#[tokio::test]
async fn what_is_not_that_data_is_not_handed_out() {
    let world = World::new();
    let reference = world.bounded(1_000).check_in(&data(100, 1), DAY).await.unwrap();
    let key = piece(&reference, 0);
    let mut content = world.records.store().get(&key).await.unwrap().unwrap().content;
    content.value = data(100, 2);
    let batch = Batch::new().put(key, content, Condition::Always);
    world.records.store().commit(batch).await.unwrap();
    assert!(matches!(world.records.fetch(&reference).await, Err(FetchError::Damaged(_))));
    let never = DataRef::of(b"never");
    assert!(matches!(world.records.fetch(&never).await, Err(FetchError::Gone(_))));
}
