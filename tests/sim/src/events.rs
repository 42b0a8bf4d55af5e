//! Virtual time: events in the order in which they fall due.

use std::{cmp::Reverse, collections::BinaryHeap};

use headgate_types::Moment;

/// Events by due time; those due together come in the order in which they were added, so that one
/// seed has one history.
#[derive(Debug)]
pub struct Events<E> {
    heap: BinaryHeap<Reverse<Due<E>>>,
    added: u64,
}

#[derive(Debug)]
struct Due<E> {
    at: Moment,
    number: u64,
    event: E,
}

impl<E> Due<E> {
    fn key(&self) -> (Moment, u64) {
        (self.at, self.number)
    }
}

impl<E> PartialEq for Due<E> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<E> Eq for Due<E> {}

impl<E> PartialOrd for Due<E> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Due<E> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl<E> Default for Events<E> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), added: 0 }
    }
}

impl<E> Events<E> {
    /// Adds an event.
    pub fn add(&mut self, at: Moment, event: E) {
        self.added += 1;
        self.heap.push(Reverse(Due { at, number: self.added, event }));
    }

    /// Takes the next event, with its time.
    pub fn pop(&mut self) -> Option<(Moment, E)> {
        self.heap.pop().map(|Reverse(due)| (due.at, due.event))
    }
}
