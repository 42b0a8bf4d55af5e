//! The consumer's one task: reads, begins work within its limits, and commits what is settled.

mod intake;
mod pace;
mod refill;
mod share;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use headgate_store::Due;
use headgate_types::{Moment, UnixTime};
use tokio::{
    sync::mpsc,
    task::{AbortHandle, Id, JoinError, JoinSet},
    time::{Instant, sleep_until},
};

use self::{pace::Pace, refill::Reread};
use super::{
    Order, PartitionStatus, Settings, Status,
    ahead::Ahead,
    breakers::{Breakers, Passes},
    carry::Shared,
    lanes::Lanes,
    prefix::Prefix,
    work::{End, Report, Taken, Work},
};
use crate::{Bounds, Member, notice::Class};

/// Before a member that gave no answer is asked again.
const RETRY: Duration = Duration::from_millis(500);
/// Before work is tried again that a breaker did not let begin.
const HELD_BACK: Duration = Duration::from_millis(20);

/// Everything that the task keeps in mind.
#[derive(Debug)]
pub(super) struct Run {
    shared: Arc<Shared>,
    settings: Settings,
    lanes: Lanes<Arc<Work>>,
    prefixes: BTreeMap<u32, Prefix>,
    /// What was read and not kept.
    ahead: Ahead,
    /// What is read again, one partition's at a time.
    rereads: JoinSet<Reread>,
    /// The class that was read again last.
    reread_last: usize,
    /// Partitions that are read no further for the moment.
    full: HashSet<u32>,
    /// Entries of delay queues that are at work or wait for it.
    taken: HashSet<Taken>,
    /// Those that ended since a look began, which may still have seen them.
    ended: HashSet<Taken>,
    tasks: JoinSet<Report>,
    running: HashMap<Id, Running>,
    looks: JoinSet<Look>,
    pace: Pace,
    breakers: Breakers,
    revoked: Option<Revoked>,
    is_paused: bool,
    /// When something is done without a cause from outside.
    alarms: Alarms,
}

/// A piece of work that has begun.
#[derive(Debug)]
struct Running {
    work: Arc<Work>,
    passes: Passes,
    since: Moment,
    in_flight: u32,
    abort: AbortHandle,
}

/// What was seen outside of the group's partitions.
#[derive(Debug)]
struct Look {
    is_ticket: bool,
    found: Vec<Due>,
    /// Where the topic ends, if that was asked.
    bounds: Option<Vec<Bounds>>,
}

/// Partitions that somebody waits for.
#[derive(Debug)]
struct Revoked {
    partitions: Vec<u32>,
    until: Instant,
}

#[derive(Debug)]
struct Alarms {
    commit: Instant,
    /// When delay queues are looked at.
    look: Instant,
    /// When work is tried that a breaker held back.
    held_back: Option<Instant>,
    /// When a member is asked again that gave no answer.
    member: Option<Instant>,
    /// When something is read again that was not to be read.
    reread: Option<Instant>,
    /// When the end of the topic is asked for.
    bounds: Instant,
}

impl Run {
    pub(super) fn new(shared: Arc<Shared>, settings: Settings) -> Self {
        let now = Instant::now();
        let commit = now + settings.commit_every;
        let shares_syncs = shared.parts.records.store().shares_syncs();
        let pace = Pace::new(&settings.concurrency, shares_syncs);
        let breakers = Breakers::new(shared.handler.0.terms().timeout);
        Self {
            shared,
            settings,
            lanes: Lanes::default(),
            prefixes: BTreeMap::new(),
            ahead: Ahead::default(),
            rereads: JoinSet::new(),
            reread_last: 0,
            full: HashSet::new(),
            taken: HashSet::new(),
            ended: HashSet::new(),
            tasks: JoinSet::new(),
            running: HashMap::new(),
            looks: JoinSet::new(),
            pace,
            breakers,
            revoked: None,
            is_paused: false,
            alarms: Alarms {
                commit,
                look: now,
                held_back: None,
                member: None,
                reread: None,
                bounds: now,
            },
        }
    }

    pub(super) async fn until_stopped(
        mut self,
        mut member: Box<dyn Member>,
        mut orders: mpsc::Receiver<Order>,
    ) {
        loop {
            self.begin();
            self.refill();
            let alarm = self.next_alarm();
            let may_read = self.alarms.member.is_none();
            tokio::select! {
                biased;
                order = orders.recv() => match order {
                    Some(Order::Pause(is_paused)) => self.is_paused = is_paused,
                    Some(Order::Status(answer)) => {
                        // Whoever asked may have left.
                        drop(answer.send(self.status()));
                    }
                    Some(Order::Stop) | None => break,
                },
                Some(ended) = self.tasks.join_next_with_id() => {
                    self.ended(ended);
                    self.resume(&mut *member);
                }
                Some(found) = self.looks.join_next() => self.found(found),
                Some(reread) = self.rereads.join_next() => {
                    self.reread(reread);
                    self.resume(&mut *member);
                }
                polled = member.next(), if may_read => self.polled(polled, &mut *member).await,
                () = sleep_until(alarm) => self.alarm(&mut *member).await,
            }
            self.give_back(&mut *member).await;
        }
        self.stop(&mut *member).await;
    }

    /// Begins as much work as the limit and the breakers allow.
    fn begin(&mut self) {
        self.alarms.held_back = None;
        if self.is_paused {
            return;
        }
        let now = self.shared.parts.clock.now();
        self.lanes.wake(now);
        while self.lanes.is_ready() {
            if self.tasks.len() >= self.pace.limit() {
                return self.pace.was_limited();
            }
            let Some(passes) = self.breakers.admit(now, self.shared.parts.random.bits()) else {
                self.alarms.held_back = Some(Instant::now() + HELD_BACK);
                return;
            };
            let Some((_, work)) = self.lanes.start() else {
                return self.breakers.give_back(passes);
            };
            self.spawn(work, passes, now);
        }
    }

    fn spawn(&mut self, work: Arc<Work>, passes: Passes, since: Moment) {
        let is_head = |offset: &u64| {
            self.prefixes.get(&work.partition).is_some_and(|prefix| prefix.is_head(*offset))
        };
        let Shared { parts, scope, topic, .. } = &*self.shared;
        // Everything below the first open offset is settled, so this one moves the group's offset
        // with its own outcome.
        let offset = work
            .offset()
            .filter(is_head)
            .and_then(|offset| parts.log.commit_with(scope, topic, work.partition, offset + 1));
        let (shared, carried) = (Arc::clone(&self.shared), Arc::clone(&work));
        let abort = self.tasks.spawn(async move { shared.carry(&carried, offset).await });
        let in_flight = u32::try_from(self.tasks.len()).unwrap_or(u32::MAX);
        self.running.insert(abort.id(), Running { work, passes, since, in_flight, abort });
    }

    fn ended(&mut self, ended: Result<(Id, Report), JoinError>) {
        let (id, report) = match ended {
            Ok((id, report)) => (id, Some(report)),
            Err(error) => {
                if error.is_panic() {
                    tracing::error!(%error, scope = %self.shared.scope, "delivery panicked");
                }
                (error.id(), None)
            }
        };
        let Some(Running { work, passes, since, in_flight, abort: _ }) = self.running.remove(&id)
        else {
            return;
        };
        let report = report.unwrap_or_else(|| self.shared.soon());
        let now = self.shared.parts.clock.now();
        self.pace.ended((since, now), in_flight, &report);
        self.due(report.due);
        match report.end {
            End::Settled | End::Gone => {
                self.breakers.up(passes, now);
                self.settled(&work);
            }
            End::Again(at) => {
                self.breakers.give_back(passes);
                let at = at.map(|at| now + at.since(self.shared.parts.clock.unix_time()));
                self.again(&work, at);
            }
            End::Down { name, error } => {
                if self.breakers.down(passes, &name, now) {
                    tracing::warn!(scope = %self.shared.scope, %name, %error, "events wait");
                    self.shared.notify(Class::Dependency, None, format!("{name}: {error}"));
                }
                self.again(&work, None);
            }
        }
    }

    fn settled(&mut self, work: &Work) {
        if let (Some(offset), Some(prefix)) =
            (work.offset(), self.prefixes.get_mut(&work.partition))
        {
            prefix.settle(offset);
        }
        self.forget(work);
        self.lanes.end(&work.key);
    }

    fn again(&mut self, work: &Arc<Work>, at: Option<Moment>) {
        if self.is_ours(work.partition) {
            self.lanes.again(&work.key, (work.class(), Arc::clone(work)), at);
        } else {
            // Its partition is somebody else's by now.
            self.forget(work);
            self.lanes.end(&work.key);
        }
    }

    /// Whether work of a partition may begin.
    fn is_ours(&self, partition: u32) -> bool {
        let is_revoked = |it: &Revoked| it.partitions.contains(&partition);
        self.prefixes.contains_key(&partition) && !self.revoked.as_ref().is_some_and(is_revoked)
    }

    fn forget(&mut self, work: &Work) {
        if let Some(taken) = work.taken() {
            self.taken.remove(&taken);
            if !self.looks.is_empty() {
                self.ended.insert(taken);
            }
        }
    }

    fn next_alarm(&self) -> Instant {
        let clock_now = self.shared.parts.clock.now();
        // Nobody gets up while it is paused.
        let wakes = self.lanes.wakes_at().filter(|_| !self.is_paused);
        let wakes = wakes.map(|at| Instant::now() + at.since(clock_now));
        let Alarms { commit, look, held_back, member, reread, bounds: _ } = self.alarms;
        let look = self.looks.is_empty().then_some(look);
        let revoked = self.revoked.as_ref().map(|revoked| revoked.until);
        [wakes, look, held_back, member, reread, revoked]
            .into_iter()
            .flatten()
            .fold(commit, Instant::min)
    }

    async fn alarm(&mut self, member: &mut dyn Member) {
        let now = Instant::now();
        if self.alarms.member.is_some_and(|at| at <= now) {
            self.alarms.member = None;
        }
        if self.alarms.reread.is_some_and(|at| at <= now) {
            self.alarms.reread = None;
        }
        if self.alarms.commit <= now {
            self.alarms.commit = now + self.settings.commit_every;
            self.commit(member).await;
            self.tell();
        }
        if self.alarms.look <= now && self.looks.is_empty() {
            self.look();
        }
    }

    /// Commits what is settled since the last time.
    async fn commit(&mut self, member: &mut dyn Member) {
        let settled =
            |(partition, prefix): (&u32, &mut Prefix)| Some((*partition, prefix.commit()?));
        let offsets: Vec<_> = self.prefixes.iter_mut().filter_map(settled).collect();
        if offsets.is_empty() {
            return;
        }
        if let Err(error) = member.commit(&offsets).await {
            // What is not committed comes again, and is known as settled then.
            tracing::warn!(%error, scope = %self.shared.scope, "offsets not committed");
        }
    }

    fn status(&self) -> Status {
        let terms = self.shared.handler.0.terms();
        let now = self.shared.parts.clock.now();
        let partitions = self.prefixes.iter().map(|(partition, prefix)| PartitionStatus {
            partition: *partition,
            settled: prefix.next(),
            open: prefix.open(),
            lag: 0,
        });
        Status {
            scope: self.shared.scope.clone(),
            topic: self.shared.topic.clone(),
            kind: terms.kind.to_string(),
            is_paused: self.is_paused,
            down: self.breakers.is_down(now).map(ToOwned::to_owned),
            limit: u32::try_from(self.pace.limit()).unwrap_or(u32::MAX),
            in_flight: u32::try_from(self.tasks.len()).unwrap_or(u32::MAX),
            partitions: partitions.collect(),
            blocked_keys: Vec::new(),
        }
    }

    /// Tells the gauges.
    fn tell(&self) {
        let Some(metrics) = &self.shared.metrics else { return };
        let now = self.shared.parts.clock.now();
        metrics.in_flight(u32::try_from(self.tasks.len()).unwrap_or(u32::MAX));
        metrics.waiting(|class| self.lanes.waiting(class) + self.ahead.waiting(class));
        metrics.paused(self.is_paused || self.breakers.is_down(now).is_some());
    }

    /// Notes when something that was put off is due.
    fn due(&mut self, due: Option<UnixTime>) {
        let Some(due) = due else { return };
        let at = Instant::now() + due.since(self.shared.parts.clock.unix_time());
        self.alarms.look = self.alarms.look.min(at);
        self.pace.note(at);
    }
}
