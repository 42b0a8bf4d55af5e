//! DynamoDB Local for one test process.

use std::sync::OnceLock;

use super::local::{LocalServer, Recipe};

/// DynamoDB Local, in memory and on loopback: one server for all tests of a process.
///
/// It reads its standard input and ends at its end, so it never outlives the process, however that
/// ends. Each test takes a table of its own.
#[derive(Debug)]
pub struct DynamoDbLocal(LocalServer);

/// Where it is, and how it is called.
const RECIPE: Recipe = Recipe {
    name: "DynamoDB Local",
    component: "dynamodb",
    variable: "HEADGATE_DYNAMODB_LOCAL",
    folder: "dynamodb-local-",
    whole: "Loopback.class",
    call: &["java", "@arguments"],
};

impl DynamoDbLocal {
    /// The server, started by the first test that asks. None where the run leaves it out in so many
    /// words, which continuous integration may not.
    ///
    /// Without a word it is looked for where `cargo xtask` puts it, beside what cargo builds.
    ///
    /// # Panics
    ///
    /// When it is not there, does not start, or is left out in continuous integration.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<DynamoDbLocal>> = OnceLock::new();
        SHARED.get_or_init(|| RECIPE.start(&[]).map(Self)).as_ref()
    }

    /// Where it listens, as `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> &str {
        self.0.address()
    }
}
