//! The log itself: its clients, and what is asked of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use parking_lot::Mutex;
use rdkafka::{admin::AdminClient, consumer::BaseConsumer, producer::FutureProducer};

use super::{
    Settings, append,
    client::{self, Quiet},
    follow, groups, member, names, read, topics,
};
use crate::{
    error::LogError,
    log::{Answer, Bounds, Entry, Follower, Log, Member, Message, Place},
    topic::{Topic, Topics},
};

/// A log on a Kafka cluster. Clones share its clients.
#[derive(Clone)]
pub struct KafkaLog {
    pub(super) inner: Arc<Inner>,
}

/// What clones share.
pub(super) struct Inner {
    pub(super) settings: Settings,
    pub(super) topics: Topics,
    /// Replaced when librdkafka gives it up for good.
    pub(super) producer: Mutex<FutureProducer<Quiet>>,
    pub(super) admin: AdminClient<Quiet>,
    /// Reads without a group; one reader at a time.
    pub(super) reader: Mutex<BaseConsumer<Quiet>>,
    /// Topics that were seen to be there.
    pub(super) known: Mutex<BTreeSet<Arc<str>>>,
    /// The numbers of this process's members, by group: each is a static member of its own.
    pub(super) members: Mutex<BTreeMap<Arc<str>, BTreeSet<u32>>>,
}

/// Without the clients, which know passwords.
impl fmt::Debug for KafkaLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaLog").field("settings", &self.inner.settings).finish_non_exhaustive()
    }
}

impl KafkaLog {
    /// Makes the clients. Nothing is sent yet, and a cluster that can't be reached is looked for
    /// as long as the log is there. `topics` says how topics are made that are named.
    ///
    /// # Errors
    ///
    /// [`LogError::Invalid`]: the settings contradict themselves, or ask for what this build does
    /// not have.
    pub fn new(settings: Settings, topics: Topics) -> Result<Self, LogError> {
        settings.validate()?;
        if !cfg!(feature = "kafka-tls") && settings.needs_tls() {
            let why = "this build has no TLS to Kafka: build with the feature kafka-tls";
            return Err(LogError::Invalid(why.to_owned()));
        }
        let producer = Mutex::new(client::producer(&settings)?);
        let reader = Mutex::new(client::reader(&settings)?);
        let admin = client::admin(&settings)?;
        let (known, members) = (Mutex::default(), Mutex::default());
        let inner = Inner { settings, topics, producer, admin, reader, known, members };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Does what blocks on a thread for it.
    pub(super) fn blocking<'a, T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, LogError> + Send + 'static,
    ) -> Answer<'a, T> {
        let inner = Arc::clone(&self.inner);
        Box::pin(async move {
            let done = tokio::task::spawn_blocking(move || work(&inner)).await;
            done.unwrap_or_else(|error| Err(LogError::Unavailable(error.to_string())))
        })
    }
}

impl Log for KafkaLog {
    fn ensure<'a>(&'a self, topics: &'a [Topic]) -> Answer<'a, ()> {
        Box::pin(async move {
            for topic in topics {
                topics::ensure(self, topic).await?;
            }
            Ok(())
        })
    }

    fn append(&self, messages: Vec<Message>) -> Answer<'_, Vec<Place>> {
        Box::pin(async move {
            let names: BTreeSet<_> = messages.iter().map(|message| &message.topic).collect();
            for name in names {
                topics::known(self, name).await?;
            }
            append::append(&self.inner, &messages).await
        })
    }

    fn read<'a>(
        &'a self,
        topic: &'a str,
        partition: u32,
        from: u64,
        rows: usize,
    ) -> Answer<'a, Vec<Entry>> {
        let topic = topic.to_owned();
        self.blocking(move |inner| {
            read::entries(inner, &names::kafka(&topic)?, partition, (from, rows))
        })
    }

    fn bounds<'a>(&'a self, topic: &'a str) -> Answer<'a, Option<Vec<Bounds>>> {
        let topic = topic.to_owned();
        self.blocking(move |inner| topics::bounds(inner, &names::kafka(&topic)?))
    }

    fn topics(&self) -> Answer<'_, Vec<String>> {
        self.blocking(topics::names)
    }

    fn offsets<'a>(&'a self, group: &'a str, topic: &'a str) -> Answer<'a, Vec<Option<u64>>> {
        let (group, topic) = (group.to_owned(), topic.to_owned());
        self.blocking(move |inner| groups::offsets(inner, &group, &names::kafka(&topic)?))
    }

    fn groups<'a>(&'a self, topic: &'a str) -> Answer<'a, Vec<String>> {
        let topic = topic.to_owned();
        self.blocking(move |inner| groups::of(inner, &names::kafka(&topic)?))
    }

    fn reset<'a>(
        &'a self,
        group: &'a str,
        topic: &'a str,
        partition: u32,
        offset: u64,
    ) -> Answer<'a, ()> {
        let (group, topic) = (group.to_owned(), topic.to_owned());
        self.blocking(move |inner| {
            groups::reset(inner, &group, (&names::kafka(&topic)?, partition), offset)
        })
    }

    fn delete<'a>(&'a self, topic: &'a str) -> Answer<'a, ()> {
        Box::pin(topics::delete(self, topic))
    }

    fn join<'a>(&'a self, group: &'a str, topic: &'a str) -> Answer<'a, Box<dyn Member>> {
        Box::pin(async move {
            topics::known(self, topic).await?;
            let topic = names::kafka(topic)?;
            let member = member::KafkaMember::join(Arc::clone(&self.inner), group, &topic)?;
            Ok(Box::new(member) as Box<dyn Member>)
        })
    }

    fn follow<'a>(&'a self, topic: &'a str, from: &'a [u64]) -> Answer<'a, Box<dyn Follower>> {
        Box::pin(async move {
            topics::known(self, topic).await?;
            let (topic, from) = (topic.to_owned(), from.to_vec());
            let following = self.blocking(move |inner| {
                follow::KafkaFollower::start(inner, &names::kafka(&topic)?, &from)
            });
            Ok(Box::new(following.await?) as Box<dyn Follower>)
        })
    }
}
