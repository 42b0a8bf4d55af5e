//! One partition of what is pushed: its recent end in memory, and the connections of its owners.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
};

use super::{Mailbox, Pushed};

/// What is kept of one partition in memory: enough for everybody who comes back after a restart of
/// another node, and so much in all partitions that nobody notices.
const RECENT_MAX: usize = 4_096;
/// Bytes of data of that.
const RECENT_BYTES_MAX: usize = 4 << 20;

/// One partition.
#[derive(Debug)]
pub(super) struct Lane {
    /// The offset that comes next.
    next: u64,
    /// All that was pushed from `recent_from` on.
    recent: VecDeque<Arc<Pushed>>,
    recent_from: u64,
    recent_bytes: usize,
    /// The ids of those, because a relay may write one twice.
    ids: HashSet<Arc<str>>,
    mailboxes: HashMap<Arc<str>, Vec<Arc<Mailbox>>>,
}

/// What came of an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Given {
    /// Connections that were given it.
    pub(super) sent: u64,
    /// Connections that had too much waiting.
    pub(super) cut: u64,
}

impl Lane {
    /// Begins with the entry that comes next.
    pub(super) fn new(next: u64) -> Self {
        Self {
            next,
            recent: VecDeque::new(),
            recent_from: next,
            recent_bytes: 0,
            ids: HashSet::new(),
            mailboxes: HashMap::new(),
        }
    }

    /// The offset that comes next.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// From where on everything is in memory.
    pub(super) fn recent_from(&self) -> u64 {
        self.recent_from
    }

    /// Takes an entry in, and gives it to its owner. One that was taken in before changes nothing.
    pub(super) fn take(&mut self, offset: u64, pushed: Option<Pushed>) -> Given {
        if offset < self.next {
            return Given::default();
        }
        self.next = offset + 1;
        let Some(pushed) = pushed.filter(|it| !self.ids.contains(&it.id)) else {
            return Given::default();
        };
        let pushed = Arc::new(pushed);
        self.keep(&pushed);
        self.give(&pushed)
    }

    fn keep(&mut self, pushed: &Arc<Pushed>) {
        self.recent_bytes += pushed.data.len();
        self.ids.insert(Arc::clone(&pushed.id));
        self.recent.push_back(Arc::clone(pushed));
        while self.recent.len() > RECENT_MAX || self.recent_bytes > RECENT_BYTES_MAX {
            let Some(oldest) = self.recent.pop_front() else { break };
            self.recent_bytes -= oldest.data.len();
            self.ids.remove(&oldest.id);
            self.recent_from = oldest.position + 1;
        }
    }

    fn give(&mut self, pushed: &Arc<Pushed>) -> Given {
        let mut given = Given::default();
        let Some(mailboxes) = self.mailboxes.get_mut(&pushed.owner) else { return given };
        mailboxes.retain(|mailbox| {
            let is_taken = mailbox.post(Arc::clone(pushed));
            *(if is_taken { &mut given.sent } else { &mut given.cut }) += 1;
            is_taken
        });
        if mailboxes.is_empty() {
            self.mailboxes.remove(&pushed.owner);
        }
        given
    }

    /// Gives a mailbox everything of its owner's that comes from here on, and returns what came
    /// before that from a place on. None: not all of that is in memory, and nothing has changed.
    pub(super) fn join(
        &mut self,
        owner: &Arc<str>,
        from: u64,
        mailbox: &Arc<Mailbox>,
    ) -> Option<VecDeque<Arc<Pushed>>> {
        if from < self.recent_from {
            return None;
        }
        self.mailboxes.entry(Arc::clone(owner)).or_default().push(Arc::clone(mailbox));
        let begin = self.recent.partition_point(|it| it.position < from);
        let ours = self.recent.iter().skip(begin).filter(|it| it.owner == *owner);
        Some(ours.cloned().collect())
    }

    /// Gives a mailbox nothing any more.
    pub(super) fn leave(&mut self, owner: &Arc<str>, mailbox: &Arc<Mailbox>) {
        let Some(mailboxes) = self.mailboxes.get_mut(owner) else { return };
        mailboxes.retain(|other| !Arc::ptr_eq(other, mailbox));
        if mailboxes.is_empty() {
            self.mailboxes.remove(owner);
        }
    }
}
