use std::time::Duration;

use headgate_store::{Batch, Engine, Error, testing::Memory};
use headgate_types::{Moment, UnixTime};

use super::{
    claim::{anew, hold, renew, take},
    classify::{Look, Standing, Start, classify},
};
use crate::{
    claim::{Claim, OnLost},
    fingerprint::Fingerprint,
    key::{RecordKey, Scope},
    random::Owner,
    record::Record,
    settings::Settings,
    testing::SeededRandom,
    ticket::{Ticket, Won},
};

const LEASE: Duration = Duration::from_secs(30);
const SKEW: Duration = Duration::from_secs(2);
const START: UnixTime = UnixTime::from_secs(1_000_000);

struct World {
    engine: Memory,
    claim: Claim,
}

impl World {
    fn new(on_lost: OnLost) -> Self {
        let key = RecordKey::new(&Scope::new("s").unwrap(), "k").unwrap();
        let fingerprint = Fingerprint::of_bytes(b"payload");
        let settings = Settings { lease: LEASE, ..Settings::default() };
        let claim = Claim { on_lost, ..Claim::new(key, fingerprint, &settings) };
        Self { engine: Memory::new(), claim }
    }

    /// Whether the batch was written.
    fn write(&self, batch: Batch) -> bool {
        match self.engine.commit(&[batch]).unwrap().pop().unwrap() {
            Ok(_) => true,
            Err(Error::Refused(refused)) => {
                assert_eq!(refused.operation, 0);
                false
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn record(&self) -> Record {
        let item = self.engine.get(self.claim.key.item()).unwrap().unwrap();
        Record::read(&self.claim.key, &item).unwrap()
    }

    fn claimed(&self) -> Ticket {
        let (batch, won) = anew(&self.claim, owner(1), START);
        assert!(self.write(batch));
        self.ticket(won)
    }

    fn ticket(&self, won: Won) -> Ticket {
        Ticket::new(&self.claim, won, Moment::ZERO)
    }

    fn stand(&self, after: Duration, watched: Duration) -> Standing {
        let look = Look { now: START + after, skew: SKEW, watched };
        classify(&self.claim, self.record(), look)
    }
}

fn owner(seed: u64) -> Owner {
    Owner::draw(&SeededRandom::new(seed))
}

#[test]
fn a_takeover_fails_when_the_worker_has_beaten_since_it_was_seen() {
    let world = World::new(OnLost::Retry);
    let ticket = world.claimed();
    let seen = world.record();
    let now = START + LEASE * 2;
    assert!(world.write(renew(&ticket, None, now)), "it was only slow");
    let (batch, _) = take(&world.claim, owner(2), &seen, Start::Again, now);
    assert!(!world.write(batch));
    assert!(!world.write(hold(&world.claim.key, &seen)), "nor can it be held");
    let (batch, won) = take(&world.claim, owner(2), &world.record(), Start::Again, now);
    assert!(world.write(batch));
    assert!(!world.write(renew(&ticket, None, now)), "it is fenced");
    assert_eq!((won.fence, won.attempt), (ticket.fence() + 1, 2));
}

#[test]
fn what_was_begun_may_use_the_space_kept_free() {
    let world = World::new(OnLost::Hold);
    let ticket = world.claimed();
    assert!(renew(&ticket, None, START).uses_reserve());
    assert!(hold(&world.claim.key, &world.record()).uses_reserve());
    assert!(!anew(&world.claim, owner(1), START).0.uses_reserve(), "nothing new is begun");
}

#[test]
fn of_two_takeovers_one_is_written() {
    let world = World::new(OnLost::Retry);
    let _ticket = world.claimed();
    let seen = world.record();
    let takeover = |seed| take(&world.claim, owner(seed), &seen, Start::Again, START).0;
    assert!(world.write(takeover(2)));
    assert!(!world.write(takeover(3)));
}

#[test]
fn a_claim_writes_one_item_once() {
    let world = World::new(OnLost::Retry);
    let _ticket = world.claimed();
    assert!(!world.write(anew(&world.claim, owner(1), START).0), "not even the same one again");
    assert_eq!(world.record().fence, 1_000_000_000 << 12);
}

/// Seconds since the claim by our wall clock and since we watch it; seconds to wait, or none.
#[test]
fn a_lease_is_over_by_the_wall_clock_with_the_skew_or_by_watching() {
    let world = World::new(OnLost::Retry);
    let _ticket = world.claimed();
    let lease = LEASE.as_secs();
    for (after, watched, wait) in [
        (0, 0, Some(lease)),
        (20, 0, Some(12)),
        (20, 25, Some(5)),
        (0, 29, Some(1)),
        (32, 0, Some(0)),
        (33, 0, None),
        (0, 30, None),
    ] {
        let standing = world.stand(Duration::from_secs(after), Duration::from_secs(watched));
        let until = match standing {
            Standing::Busy { until } => Some(until),
            Standing::Free { start: Start::Again, .. } => None,
            other => panic!("{other:?}"),
        };
        let expected =
            wait.map(|wait| START + Duration::from_secs(after + wait) + Duration::from_millis(1));
        assert_eq!(until, expected, "{after} s, watched for {watched} s");
    }
}

#[test]
fn a_worker_that_may_have_acted_is_never_taken_over() {
    let world = World::new(OnLost::Hold);
    let _ticket = world.claimed();
    for after in [LEASE * 2, Duration::from_hours(24 * 365)] {
        assert!(matches!(world.stand(after, Duration::ZERO), Standing::Lost(_)), "{after:?}");
    }
    assert!(world.write(hold(&world.claim.key, &world.record())));
    let standing = world.stand(Duration::from_hours(24 * 365), Duration::ZERO);
    assert!(matches!(standing, Standing::Held(_)), "{standing:?}");
}
