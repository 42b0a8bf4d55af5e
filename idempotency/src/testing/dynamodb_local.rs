//! DynamoDB Local for one test process.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::{OnceLock, mpsc},
    thread,
    time::Duration,
};

/// Where `cargo xtask test` says that DynamoDB Local is: a folder with its jars, the launcher and
/// Java's arguments.
const FOLDER: &str = "HEADGATE_DYNAMODB_LOCAL";
/// What that variable says where the tests are to be left out.
const LEFT_OUT: &str = "none";
/// Where it is below the folder that cargo builds into: `tools/dynamodb-local-VERSION`.
const TOOLS: &str = "tools";
const NAME: &str = "dynamodb-local-";
/// A file that is there when all is.
const LAUNCHER: &str = "Loopback.class";
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
    /// The server, started by the first test that asks. None where the run leaves it out in so many
    /// words, which continuous integration may not.
    ///
    /// Without a word it is looked for where `cargo xtask` puts it, beside what cargo builds.
    ///
    /// # Panics
    ///
    /// When it is not there, does not start, or is left out in continuous integration.
    #[expect(clippy::print_stderr, reason = "the test runner shows it")]
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<DynamoDbLocal>> = OnceLock::new();
        let shared = SHARED.get_or_init(|| {
            let said = env::var_os(FOLDER);
            if said.as_deref().is_some_and(|said| said == LEFT_OUT) {
                assert!(env::var_os("CI").is_none(), "{FOLDER} is {LEFT_OUT}");
                return None;
            }
            let folder = said.map(PathBuf::from).or_else(fetched);
            Some(Self::start(&folder.unwrap_or_else(|| {
                panic!(
                    "DynamoDB Local is not here: `cargo xtask components start dynamodb` fetches \
                     it; {FOLDER}={LEFT_OUT} leaves its tests out"
                )
            })))
        });
        if shared.is_none() {
            eprintln!("left out: {FOLDER} is {LEFT_OUT}");
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

/// The folder that `cargo xtask` has fetched, in the newest version.
fn fetched() -> Option<PathBuf> {
    let program = env::current_exe().ok()?;
    let tools = program.ancestors().map(|folder| folder.join(TOOLS)).find(|it| it.is_dir())?;
    let entries = fs::read_dir(tools).ok()?.filter_map(Result::ok).map(|entry| entry.path());
    let is_whole = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with(NAME)) && path.join(LAUNCHER).exists()
    };
    entries.filter(is_whole).max()
}

/// Reads to the end, so that the server never waits for a reader; the first lines are handed on.
fn drain(output: ChildStdout, lines: &mpsc::SyncSender<String>) {
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        // Nobody listens any more once the server is ready.
        drop(lines.try_send(line));
    }
}
