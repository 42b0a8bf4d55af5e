//! Apache Kafka: one node, broker and controller in one, from Maven Central.

use super::{
    jars::{self, Jars},
    server::Server,
};

/// A small heap and the first compiler alone, as above all the start has to be quick. The folder's
/// name ends with the launcher's own version.
pub(super) const JARS: Jars = Jars {
    project: "kafka",
    folder: "kafka-local-tls-4.4.0",
    arguments: "-Xms64m -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1\n\
                -Djava.awt.headless=true -Dorg.slf4j.simpleLogger.defaultLogLevel=warn\n\
                -cp .:*\nLoopback\n",
    what: "the tests on Kafka (left out by `cargo xtask test --quick`)",
};

/// How it is started by hand.
pub(super) const SERVER: Server =
    Server { name: "kafka", command: || JARS.java(), address: jars::address };
