//! A log that stands before another one.

use std::fmt;

use crate::{
    log::{Answer, Bounds, Entry, Follower, Log, Member, Message, Place},
    topic::Topic,
};

/// What a log in front of another one does otherwise. Everything else is the other one's.
pub trait Before: fmt::Debug + Send + Sync + 'static {
    /// The other one.
    fn behind(&self) -> &dyn Log;

    /// See [`Log::append`].
    fn appending(&self, messages: Vec<Message>) -> Answer<'_, Vec<Place>> {
        self.behind().append(messages)
    }

    /// See [`Log::join`].
    fn joining<'a>(&'a self, group: &'a str, topic: &'a str) -> Answer<'a, Box<dyn Member>> {
        self.behind().join(group, topic)
    }
}

/// A log in front of another one, that is a log itself.
#[derive(Debug)]
pub struct Through<T>(pub T);

impl<T: Before> Log for Through<T> {
    fn ensure<'a>(&'a self, topics: &'a [Topic]) -> Answer<'a, ()> {
        self.0.behind().ensure(topics)
    }

    fn append(&self, messages: Vec<Message>) -> Answer<'_, Vec<Place>> {
        self.0.appending(messages)
    }

    fn read<'a>(
        &'a self,
        topic: &'a str,
        partition: u32,
        from: u64,
        rows: usize,
    ) -> Answer<'a, Vec<Entry>> {
        self.0.behind().read(topic, partition, from, rows)
    }

    fn bounds<'a>(&'a self, topic: &'a str) -> Answer<'a, Option<Vec<Bounds>>> {
        self.0.behind().bounds(topic)
    }

    fn topics(&self) -> Answer<'_, Vec<String>> {
        self.0.behind().topics()
    }

    fn offsets<'a>(&'a self, group: &'a str, topic: &'a str) -> Answer<'a, Vec<Option<u64>>> {
        self.0.behind().offsets(group, topic)
    }

    fn groups<'a>(&'a self, topic: &'a str) -> Answer<'a, Vec<String>> {
        self.0.behind().groups(topic)
    }

    fn reset<'a>(
        &'a self,
        group: &'a str,
        topic: &'a str,
        partition: u32,
        offset: u64,
    ) -> Answer<'a, ()> {
        self.0.behind().reset(group, topic, partition, offset)
    }

    fn delete<'a>(&'a self, topic: &'a str) -> Answer<'a, ()> {
        self.0.behind().delete(topic)
    }

    fn join<'a>(&'a self, group: &'a str, topic: &'a str) -> Answer<'a, Box<dyn Member>> {
        self.0.joining(group, topic)
    }

    fn follow<'a>(&'a self, topic: &'a str, from: &'a [u64]) -> Answer<'a, Box<dyn Follower>> {
        self.0.behind().follow(topic, from)
    }
}
