//! `PostgreSQL` for one test process.

use std::{process::Command, sync::OnceLock};

use headgate_idempotency::testing::{LocalServer, Recipe};

/// Where it is, and how it is called.
const RECIPE: Recipe = Recipe {
    name: "PostgreSQL",
    component: "postgres",
    variable: "HEADGATE_POSTGRES_LOCAL",
    folder: "postgres-local-",
    whole: "start",
    call: &["sh", "start"],
};

/// `PostgreSQL` on loopback: one server for all tests of a process. Each test takes tables of its
/// own.
///
/// It reads its standard input and ends at its end, so it never outlives the process, however that
/// ends.
#[derive(Debug)]
pub struct PostgresLocal(LocalServer);

impl PostgresLocal {
    /// The server, started by the first test that asks. None where the run leaves it out in so many
    /// words, which continuous integration may not.
    ///
    /// # Panics
    ///
    /// When it is not there, does not start, or is left out in continuous integration.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<PostgresLocal>> = OnceLock::new();
        SHARED.get_or_init(|| RECIPE.start(&[]).map(Self)).as_ref()
    }

    /// Where it listens, as `postgres://user@127.0.0.1:PORT/database`.
    pub fn url(&self) -> &str {
        self.0.address()
    }

    /// What its own `psql` prints for a statement: a line for each row, `|` between columns.
    ///
    /// # Panics
    ///
    /// When it does not end well.
    pub fn psql(&self, sql: &str) -> String {
        self.try_psql(sql).expect("psql takes the statement")
    }

    /// As [`psql`](Self::psql). None: it does not end well, as when there is no such table yet.
    ///
    /// # Panics
    ///
    /// When there is no `psql`, or it prints no text.
    pub fn try_psql(&self, sql: &str) -> Option<String> {
        let folder = RECIPE.found().expect("the server was started from there");
        let mut psql = Command::new(folder.join("bin/psql"));
        let output = psql.args(["-qAtX", self.url(), "-c", sql]).output().expect("psql is there");
        let printed = String::from_utf8(output.stdout).expect("psql prints text");
        output.status.success().then_some(printed)
    }
}
