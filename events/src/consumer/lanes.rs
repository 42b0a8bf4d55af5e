//! Work that waits, in a lane for each key: keys side by side, and each key's work in its order.
//!
//! Lanes are begun by class, in the classes' [turns](headgate_router::overload::turns). A lane has
//! the class of the most important work that waits in it: what is before that has to be done first.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
};

use headgate_router::overload::turns::Turns;
use headgate_types::{Class, Moment};

/// A key's lane.
pub(super) type Key = Arc<str>;

/// Work by keys. Of each key at most one piece is at work.
#[derive(Debug)]
pub(super) struct Lanes<W> {
    keys: HashMap<Key, Lane<W>>,
    /// Keys whose next piece may begin, the longest ready first, by class. A key whose class has
    /// changed since is passed over.
    ready: [VecDeque<Key>; 4],
    turns: Turns,
    /// Keys whose next piece may begin at a moment, told apart by a number.
    asleep: BTreeMap<(Moment, u64), Key>,
    slept: u64,
    /// Pieces that wait, by class.
    waiting: [usize; 4],
}

#[derive(Debug)]
struct Lane<W> {
    waiting: VecDeque<(Class, W)>,
    /// How many of them are of each class.
    of: [usize; 4],
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    New,
    Ready(Class),
    Running,
    Asleep,
}

impl<W> Default for Lanes<W> {
    fn default() -> Self {
        Self {
            keys: HashMap::new(),
            ready: Default::default(),
            turns: Turns::default(),
            asleep: BTreeMap::new(),
            slept: 0,
            waiting: [0; 4],
        }
    }
}

impl<W> Lane<W> {
    /// The class of the most important work in it.
    fn class(&self) -> Option<Class> {
        Class::ALL.into_iter().find(|class| self.of.get(class.index()).is_some_and(|it| *it > 0))
    }

    /// The lane's next piece may begin. Some: it has to be put among those of this class.
    fn make_ready(&mut self) -> Option<Class> {
        let class = self.class()?;
        let state = State::Ready(class);
        (self.state != state).then(|| {
            self.state = state;
            class
        })
    }
}

impl<W> Lanes<W> {
    /// Adds work behind what its key has already.
    pub(super) fn push(&mut self, key: &Key, class: Class, work: W) {
        let lane = self.keys.entry(Arc::clone(key)).or_insert_with(|| Lane {
            waiting: VecDeque::new(),
            of: [0; 4],
            state: State::New,
        });
        lane.waiting.push_back((class, work));
        count(&mut lane.of, class, true);
        count(&mut self.waiting, class, true);
        if !matches!(lane.state, State::Running | State::Asleep)
            && let Some(class) = lane.make_ready()
        {
            put(&mut self.ready, key, class);
        }
    }

    /// Begins the work whose class has its turn, and of that what has been ready longest. Its key's
    /// next piece waits until it [ends](Self::end).
    pub(super) fn start(&mut self) -> Option<(Key, W)> {
        loop {
            let is_waiting =
                |class: Class| self.ready.get(class.index()).is_some_and(|ready| !ready.is_empty());
            let class = self.turns.next(is_waiting)?;
            let key = self.ready.get_mut(class.index()).and_then(VecDeque::pop_front)?;
            let Some(lane) = self.keys.get_mut(&key) else { continue };
            if lane.state != State::Ready(class) {
                continue;
            }
            let Some((of, work)) = lane.waiting.pop_front() else {
                self.keys.remove(&key);
                continue;
            };
            count(&mut lane.of, of, false);
            count(&mut self.waiting, of, false);
            lane.state = State::Running;
            self.turns.took(class);
            return Some((key, work));
        }
    }

    /// Whether any work is ready to begin.
    pub(super) fn is_ready(&self) -> bool {
        self.ready.iter().any(|ready| !ready.is_empty())
    }

    /// Pieces of a class that wait.
    pub(super) fn waiting(&self, class: Class) -> usize {
        self.waiting.get(class.index()).copied().unwrap_or_default()
    }

    /// A key's work is over, and its next piece may begin.
    pub(super) fn end(&mut self, key: &Key) {
        let Some(lane) = self.keys.get_mut(key) else { return };
        match lane.make_ready() {
            Some(class) => put(&mut self.ready, key, class),
            None => drop(self.keys.remove(key)),
        }
    }

    /// A key's work is to be begun again, before all others of the key. None: as soon as anybody's.
    pub(super) fn again(&mut self, key: &Key, (class, work): (Class, W), at: Option<Moment>) {
        let Some(lane) = self.keys.get_mut(key) else { return };
        lane.waiting.push_front((class, work));
        count(&mut lane.of, class, true);
        count(&mut self.waiting, class, true);
        let Some(at) = at else {
            if let Some(class) = lane.make_ready()
                && let Some(ready) = self.ready.get_mut(class.index())
            {
                ready.push_front(Arc::clone(key));
            }
            return;
        };
        lane.state = State::Asleep;
        self.slept += 1;
        self.asleep.insert((at, self.slept), Arc::clone(key));
    }

    /// Makes keys ready whose moment has come.
    pub(super) fn wake(&mut self, now: Moment) {
        while let Some(first) = self.asleep.first_entry() {
            if first.key().0 > now {
                return;
            }
            let key = first.remove();
            if let Some(lane) = self.keys.get_mut(&key)
                && lane.state == State::Asleep
                && let Some(class) = lane.make_ready()
            {
                put(&mut self.ready, &key, class);
            }
        }
    }

    /// When the next key wakes.
    pub(super) fn wakes_at(&self) -> Option<Moment> {
        self.asleep.first_key_value().map(|((at, _), _)| *at)
    }

    /// Drops work that waits.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&W) -> bool) {
        let (all, ready) = (&mut self.waiting, &mut self.ready);
        self.keys.retain(|key, lane| {
            let of = &mut lane.of;
            lane.waiting.retain(|(class, work)| {
                let stays = keep(work);
                if !stays {
                    count(of, *class, false);
                    count(all, *class, false);
                }
                stays
            });
            if matches!(lane.state, State::Ready(_))
                && let Some(class) = lane.make_ready()
            {
                put(ready, key, class);
            }
            lane.state == State::Running || !lane.waiting.is_empty()
        });
    }
}

fn put(ready: &mut [VecDeque<Key>; 4], key: &Key, class: Class) {
    if let Some(ready) = ready.get_mut(class.index()) {
        ready.push_back(Arc::clone(key));
    }
}

fn count(counts: &mut [usize; 4], class: Class, is_more: bool) {
    if let Some(count) = counts.get_mut(class.index()) {
        *count = if is_more { *count + 1 } else { count.saturating_sub(1) };
    }
}

#[cfg(test)]
mod tests;
