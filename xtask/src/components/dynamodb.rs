//! DynamoDB Local: Amazon's own stand-in, from Maven Central.

use super::{
    jars::{self, Jars},
    server::Server,
};

/// A small heap and the first compiler alone: the server lives for seconds and holds little.
pub(super) const JARS: Jars = Jars {
    project: "dynamodb",
    folder: "dynamodb-local-3.3.1",
    arguments: "-Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1\n\
                -Djava.awt.headless=true\n-cp .:*\nLoopback\n",
    what: "the tests on DynamoDB (left out by `cargo xtask test --quick`)",
};

/// How it is started by hand.
pub(super) const SERVER: Server =
    Server { name: "dynamodb", command: || JARS.java(), address: jars::address };
