//! Apache Kafka for one test process.

use std::{net::SocketAddr, path::Path, sync::OnceLock};

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

/// The second listener's port is so much higher than the first one's.
const FURTHER: u16 = 2;

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
    arguments: Vec<String>,
    address: String,
    server: Option<LocalServer>,
}

/// A second listener of a node.
#[derive(Clone, Copy, Debug)]
pub enum Further<'a> {
    /// In plain, for clients that find it at a port of loopback where somebody else listens and
    /// passes their connections on.
    Behind(u16),
    /// With TLS and passwords, for clients with a certificate of `ca.pem` in this folder and the
    /// name `edge`, whose password is in the file `password`. The node's own certificate and key
    /// are in `broker.pem`.
    Secure(&'a Path),
}

impl OwnKafka {
    /// Starts a node that keeps its data in an empty folder. None: it is left out.
    ///
    /// # Panics
    ///
    /// As [`KafkaLocal::shared`].
    pub fn start(data: &Path) -> Option<Self> {
        Self::with(data, vec![])
    }

    /// The same with a second listener.
    ///
    /// # Panics
    ///
    /// As [`KafkaLocal::shared`].
    pub fn start_with(data: &Path, further: Further<'_>) -> Option<Self> {
        let further = match further {
            Further::Behind(port) => format!("behind={port}"),
            Further::Secure(folder) => format!("secure={}", folder.display()),
        };
        Self::with(data, vec![further])
    }

    fn with(data: &Path, mut arguments: Vec<String>) -> Option<Self> {
        arguments.push(format!("data={}", data.display()));
        let server = start(&arguments)?;
        let address = server.address().to_owned();
        let (_, port) = address.rsplit_once(':').expect("it says where it listens");
        arguments.push(format!("port={port}"));
        Some(Self { arguments, address, server: Some(server) })
    }

    /// Where it listens, also after a restart.
    pub fn brokers(&self) -> &str {
        &self.address
    }

    /// Where its second listener is, also after a restart.
    ///
    /// # Panics
    ///
    /// When the node has not said where it listens.
    pub fn further(&self) -> SocketAddr {
        let mut address: SocketAddr = self.address.parse().expect("it says where it listens");
        address.set_port(address.port() + FURTHER);
        address
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
        self.server = start(&self.arguments);
    }
}

fn start(arguments: &[String]) -> Option<LocalServer> {
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    RECIPE.start(&arguments)
}
