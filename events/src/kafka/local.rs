//! Apache Kafka for one test process.

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
};

use headgate_idempotency::testing::{LocalServer, Recipe};

/// Where it is, and how it is called.
const RECIPE: Recipe = Recipe {
    name: "Apache Kafka",
    component: "kafka",
    variable: "HEADGATE_KAFKA_LOCAL",
    folder: "kafka-local-",
    whole: "Loopback.class",
    call: &["java", "@arguments"],
};

/// One node of Apache Kafka on loopback: one for all tests of a process, as its start takes
/// seconds. Each test takes topics and groups of its own.
///
/// It reads its standard input and ends at its end, so it never outlives the process, however that
/// ends.
#[derive(Debug)]
pub struct KafkaLocal(LocalServer);

impl KafkaLocal {
    /// The node, started by the first test that asks. None where the run leaves it out in so many
    /// words, which continuous integration may not.
    ///
    /// # Panics
    ///
    /// When it is not there, does not start, or is left out in continuous integration.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<KafkaLocal>> = OnceLock::new();
        SHARED.get_or_init(|| RECIPE.start(&[]).map(Self)).as_ref()
    }

    /// Whether the run leaves Kafka's tests out, for a test that starts a node of its own.
    ///
    /// # Panics
    ///
    /// As [`shared`](Self::shared).
    pub fn is_left_out() -> bool {
        RECIPE.found().is_none()
    }

    /// Where it listens, as `127.0.0.1:PORT`.
    pub fn brokers(&self) -> &str {
        self.0.address()
    }
}

/// A node of one's own, whose data outlives it: to be killed and started again.
#[derive(Debug)]
pub struct OwnKafka {
    data: PathBuf,
    address: String,
    server: Option<LocalServer>,
}

impl OwnKafka {
    /// Starts a node that keeps its data in an empty folder. None: it is left out.
    ///
    /// # Panics
    ///
    /// As [`KafkaLocal::shared`].
    pub fn start(data: &Path) -> Option<Self> {
        let server = RECIPE.start(&[&folder(data)])?;
        let address = server.address().to_owned();
        Some(Self { data: data.to_owned(), address, server: Some(server) })
    }

    /// Where it listens, also after a restart.
    pub fn brokers(&self) -> &str {
        &self.address
    }

    /// Ends it as a crash would.
    pub fn kill(&mut self) {
        if let Some(server) = self.server.take() {
            server.kill();
        }
    }

    /// Starts it again where it was, and waits until it serves.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub fn restart(&mut self) {
        self.kill();
        let port = self.address.rsplit(':').next().unwrap_or_default();
        self.server = RECIPE.start(&[&folder(&self.data), &format!("port={port}")]);
    }
}

fn folder(data: &Path) -> String {
    format!("data={}", data.display())
}
