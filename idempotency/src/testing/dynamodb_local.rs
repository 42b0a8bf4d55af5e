//! DynamoDB Local for one test process.

use std::{
    env,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    sync::{OnceLock, mpsc},
    thread,
    time::Duration,
};

/// Where `cargo xtask test` says that DynamoDB Local is: a folder with its jars, the launcher and
/// Java's arguments.
const FOLDER: &str = "HEADGATE_DYNAMODB_LOCAL";
/// How long it may take to serve; a second is usual, on a machine at rest.
const READY_WITHIN: Duration = Duration::from_mins(1);
/// What it prints in front of its address.
const READY: &str = "READY ";
/// Lines that it may print before that at most.
const LINES_MAX: usize = 100;

/// DynamoDB Local, in memory and on loopback: one server for all tests of a process.
///
/// It reads its standard input and ends at its end, so it never outlives the process, however that
/// ends. Each test takes a table of its own.
#[derive(Debug)]
pub struct DynamoDbLocal {
    endpoint: String,
    // Holds the pipe whose end the server waits for.
    _server: Child,
}

impl DynamoDbLocal {
    /// The server, started by the first test that asks. None where the run leaves it out, which
    /// continuous integration may not.
    ///
    /// # Panics
    ///
    /// When it does not start, or is left out in continuous integration.
    #[expect(clippy::print_stderr, reason = "the test runner shows it")]
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<DynamoDbLocal>> = OnceLock::new();
        let shared = SHARED.get_or_init(|| {
            let folder = env::var_os(FOLDER);
            assert!(folder.is_some() || env::var_os("CI").is_none(), "{FOLDER} is not set");
            folder.map(|folder| Self::start(Path::new(&folder)))
        });
        if shared.is_none() {
            eprintln!("left out: {FOLDER} names no DynamoDB Local; `cargo xtask test` fetches one");
        }
        shared.as_ref()
    }

    /// Where it listens, as `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    fn start(folder: &Path) -> Self {
        let mut java = Command::new("java");
        java.current_dir(folder).args(["@arguments", "attached"]);
        java.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut server = java.spawn().expect("Java is there, as it was when the jars were fetched");
        let output = server.stdout.take().expect("the output is a pipe");
        let (send, lines) = mpsc::sync_channel(LINES_MAX);
        thread::spawn(move || drain(output, &send));
        let mut seen = Vec::new();
        while let Ok(line) = lines.recv_timeout(READY_WITHIN) {
            if let Some(endpoint) = line.strip_prefix(READY) {
                return Self { endpoint: endpoint.to_owned(), _server: server };
            }
            seen.push(line);
        }
        let ended = server.kill().and_then(|()| server.wait());
        panic!("DynamoDB Local does not start ({ended:?}):\n{}", seen.join("\n"));
    }
}

/// Reads to the end, so that the server never waits for a reader; the first lines are handed on.
fn drain(output: ChildStdout, lines: &mpsc::SyncSender<String>) {
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        // Nobody listens any more once the server is ready.
        drop(lines.try_send(line));
    }
}
