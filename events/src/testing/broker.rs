//! A log in memory whose groups have several members, and which takes partitions from one and gives
//! them to another, politely or not.

mod follow;
mod member;

use std::{
    collections::{BTreeMap, VecDeque},
    future::ready,
    sync::Arc,
};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;

use self::{follow::BrokerFollower, member::BrokerMember};

use crate::{
    Answer, Assigned, Body, Bounds, Entry, Follower, Log, LogError, Member, Message, Place, Polled,
    Topic,
};

/// A broker in memory. Clones are the same one. Offsets are kept by it and not by the store, and
/// entries survive as long as a clone of it does.
#[derive(Clone, Debug, Default)]
pub struct Broker {
    state: Arc<Mutex<State>>,
    changed: Arc<Notify>,
}

#[derive(Debug, Default)]
struct State {
    topics: BTreeMap<String, TopicState>,
    groups: BTreeMap<(String, String), Group>,
    members: u64,
}

#[derive(Debug)]
struct TopicState {
    partitions: Vec<Vec<Entry>>,
}

#[derive(Debug, Default)]
struct Group {
    offsets: BTreeMap<u32, u64>,
    members: BTreeMap<u64, MemberState>,
    /// Who has a partition. A partition that is being given back still belongs to its old member.
    owners: BTreeMap<u32, u64>,
}

#[derive(Debug, Default)]
struct MemberState {
    /// What it has not been told yet.
    news: VecDeque<Polled>,
    /// Partitions that it was asked to give back.
    revoked: Vec<u32>,
}

impl Broker {
    /// An empty broker.
    pub fn new() -> Self {
        Self::default()
    }

    /// Deals the partitions of all groups anew, each to another member than before where there is
    /// one. Rude: partitions are taken at once, and their old members only hear of it.
    pub fn rebalance(&self, is_rude: bool) {
        let mut state = self.state.lock();
        let State { topics, groups, .. } = &mut *state;
        for ((_, topic), group) in groups {
            let partitions = topics.get(topic).map_or(0, |topic| topic.partitions.len());
            group.deal(partitions, 1, is_rude);
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// Appends bytes that are no event.
    ///
    /// # Panics
    ///
    /// When there is no such partition.
    pub fn append_raw(&self, topic: &str, partition: u32, value: Bytes) {
        let time = headgate_types::UnixTime::from_secs(0);
        let mut state = self.state.lock();
        let Some(topic) = state.topics.get_mut(topic) else { panic!("there is no {topic}") };
        topic.push(partition, time, value).expect("the partition is there");
        drop(state);
        self.changed.notify_waiters();
    }
}

impl TopicState {
    fn push(
        &mut self,
        partition: u32,
        time: headgate_types::UnixTime,
        value: Bytes,
    ) -> Result<u64, LogError> {
        let entries = usize::try_from(partition).ok().and_then(|at| self.partitions.get_mut(at));
        let entries = entries.ok_or_else(|| LogError::Invalid("no such partition".to_owned()))?;
        let offset = u64::try_from(entries.len()).unwrap_or(u64::MAX);
        entries.push(Entry { partition, offset, time, key: None, headers: Vec::new(), value });
        Ok(offset)
    }
}

impl Group {
    /// Deals partitions to members in turn, beginning `shift` members further than the last time.
    fn deal(&mut self, partitions: usize, shift: usize, is_rude: bool) {
        let members: Vec<u64> = self.members.keys().copied().collect();
        let mut given: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        let mut taken: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        for partition in 0..u32::try_from(partitions).unwrap_or(u32::MAX) {
            let at = self.owners.get(&partition).and_then(|owner| {
                members.iter().position(|member| member == owner).map(|at| at + shift)
            });
            let at = at.unwrap_or(partition as usize) % members.len().max(1);
            let Some(next) = members.get(at).copied() else {
                self.owners.remove(&partition);
                continue;
            };
            let owner = self.owners.get(&partition).copied();
            let owner = owner.filter(|owner| self.members.contains_key(owner));
            match owner {
                Some(owner) if owner == next => {}
                Some(owner) => {
                    taken.entry(owner).or_default().push(partition);
                    if is_rude {
                        self.owners.insert(partition, next);
                        given.entry(next).or_default().push(partition);
                    }
                }
                None => {
                    self.owners.insert(partition, next);
                    given.entry(next).or_default().push(partition);
                }
            }
        }
        for (member, partitions) in taken {
            let Some(state) = self.members.get_mut(&member) else { continue };
            if is_rude {
                state.news.push_back(Polled::Lost(partitions));
            } else {
                let new: Vec<_> =
                    partitions.into_iter().filter(|it| !state.revoked.contains(it)).collect();
                state.revoked.extend(&new);
                if !new.is_empty() {
                    state.news.push_back(Polled::Revoked(new));
                }
            }
        }
        self.give(given);
    }

    fn give(&mut self, given: BTreeMap<u64, Vec<u32>>) {
        for (member, partitions) in given {
            let assigned = partitions.into_iter().map(|partition| Assigned {
                partition,
                from: self.offsets.get(&partition).copied().unwrap_or_default(),
            });
            let news = Polled::Assigned(assigned.collect());
            if let Some(state) = self.members.get_mut(&member) {
                state.news.push_back(news);
            }
        }
    }

    /// Gives partitions to members that nobody has.
    fn deal_free(&mut self, partitions: usize) {
        self.deal(partitions, 0, false);
    }
}

impl Log for Broker {
    fn ensure<'a>(&'a self, topics: &'a [Topic]) -> Answer<'a, ()> {
        let mut state = self.state.lock();
        for topic in topics {
            let wanted = topic.partitions;
            let found = state.topics.entry(topic.name.to_string()).or_insert_with(|| TopicState {
                partitions: (0..wanted).map(|_| Vec::new()).collect(),
            });
            let found = u32::try_from(found.partitions.len()).unwrap_or(u32::MAX);
            if found != wanted {
                let topic = topic.name.to_string();
                let differs = LogError::Differs { topic, what: "partitions", wanted, found };
                return Box::pin(ready(Err(differs)));
            }
        }
        Box::pin(ready(Ok(())))
    }

    fn append(&self, messages: Vec<Message>) -> Answer<'_, Vec<Place>> {
        let append = || {
            let mut state = self.state.lock();
            let mut places = Vec::new();
            for Message { topic, partition, time, body } in messages {
                let value = match body {
                    Body::Event(event) => {
                        event.encode().map_err(|error| LogError::Invalid(error.to_string()))?
                    }
                    Body::Other { value, .. } => value,
                };
                let topic = state.topics.get_mut(&*topic);
                let topic = topic.ok_or_else(|| LogError::Invalid("no such topic".to_owned()))?;
                places.push(Place { partition, offset: topic.push(partition, time, value)? });
            }
            Ok(places)
        };
        let places = append();
        self.changed.notify_waiters();
        Box::pin(ready(places))
    }

    fn read<'a>(
        &'a self,
        topic: &'a str,
        partition: u32,
        from: u64,
        rows: usize,
    ) -> Answer<'a, Vec<Entry>> {
        let state = self.state.lock();
        let entries = state.topics.get(topic).and_then(|it| it.partitions.get(partition as usize));
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let entries = entries.into_iter().flatten().skip(from).take(rows).cloned().collect();
        Box::pin(ready(Ok(entries)))
    }

    fn bounds<'a>(&'a self, topic: &'a str) -> Answer<'a, Option<Vec<Bounds>>> {
        let state = self.state.lock();
        let bounds = |it: &TopicState| {
            let next = |entries: &Vec<Entry>| u64::try_from(entries.len()).unwrap_or(u64::MAX);
            it.partitions.iter().map(|it| Bounds { first: 0, next: next(it) }).collect()
        };
        Box::pin(ready(Ok(state.topics.get(topic).map(bounds))))
    }

    fn topics(&self) -> Answer<'_, Vec<String>> {
        Box::pin(ready(Ok(self.state.lock().topics.keys().cloned().collect())))
    }

    fn offsets<'a>(&'a self, group: &'a str, topic: &'a str) -> Answer<'a, Vec<Option<u64>>> {
        let state = self.state.lock();
        let partitions = state.topics.get(topic).map_or(0, |topic| topic.partitions.len());
        let group = state.groups.get(&(group.to_owned(), topic.to_owned()));
        let offset = |partition| group?.offsets.get(&partition).copied();
        let offsets = (0..u32::try_from(partitions).unwrap_or(u32::MAX)).map(offset).collect();
        Box::pin(ready(Ok(offsets)))
    }

    fn groups<'a>(&'a self, topic: &'a str) -> Answer<'a, Vec<String>> {
        let state = self.state.lock();
        let groups = state.groups.iter();
        let ours = groups.filter(|((_, of), group)| of == topic && !group.offsets.is_empty());
        Box::pin(ready(Ok(ours.map(|((name, _), _)| name.clone()).collect())))
    }

    fn reset<'a>(
        &'a self,
        group: &'a str,
        topic: &'a str,
        partition: u32,
        offset: u64,
    ) -> Answer<'a, ()> {
        let mut state = self.state.lock();
        let group = state.groups.entry((group.to_owned(), topic.to_owned())).or_default();
        group.offsets.insert(partition, offset);
        Box::pin(ready(Ok(())))
    }

    fn delete<'a>(&'a self, topic: &'a str) -> Answer<'a, ()> {
        let mut state = self.state.lock();
        state.topics.remove(topic);
        state.groups.retain(|(_, of), _| of != topic);
        Box::pin(ready(Ok(())))
    }

    fn join<'a>(&'a self, group: &'a str, topic: &'a str) -> Answer<'a, Box<dyn Member>> {
        let name = (group.to_owned(), topic.to_owned());
        let mut state = self.state.lock();
        let partitions = state.topics.get(topic).map_or(0, |topic| topic.partitions.len());
        state.members += 1;
        let id = state.members;
        let group = state.groups.entry(name.clone()).or_default();
        group.members.insert(id, MemberState::default());
        group.deal_free(partitions);
        if group.members.len() > 1 {
            group.deal(partitions, 1, false);
        }
        drop(state);
        self.changed.notify_waiters();
        let member = BrokerMember { broker: self.clone(), name, id, read: BTreeMap::new() };
        Box::pin(ready(Ok(Box::new(member) as Box<dyn Member>)))
    }

    fn follow<'a>(&'a self, topic: &'a str, from: &'a [u64]) -> Answer<'a, Box<dyn Follower>> {
        let (broker, topic, next) = (self.clone(), topic.to_owned(), from.to_vec());
        let follower = BrokerFollower { broker, topic, next };
        Box::pin(ready(Ok(Box::new(follower) as Box<dyn Follower>)))
    }
}
