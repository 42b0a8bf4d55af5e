//! Real servers on loopback, for one test process each.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, ChildStdout, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

/// What a variable says where the tests are to be left out.
const LEFT_OUT: &str = "none";
/// Where servers are below the folder that cargo builds into.
const TOOLS: &str = "tools";
/// How long a server may take to serve; a second or two is usual, on a machine at rest.
const READY_WITHIN: Duration = Duration::from_mins(1);
/// What it prints in front of its address.
const READY: &str = "READY ";
/// Lines that it may print before that at most.
const LINES_MAX: usize = 200;

/// A real server as `cargo xtask` has fetched it: a folder with a program in it that says where it
/// listens once it serves, and ends when its standard input does.
#[derive(Clone, Copy, Debug)]
pub struct Recipe {
    /// Its name, for people.
    pub name: &'static str,
    /// Its name for `cargo xtask components start`.
    pub component: &'static str,
    /// The variable by which `cargo xtask test` tells the folder, or `none` to leave its tests out.
    pub variable: &'static str,
    /// How the folder's name begins; a version follows.
    pub folder: &'static str,
    /// A file that is there when all is.
    pub whole: &'static str,
    /// What is called in the folder.
    pub call: &'static [&'static str],
}

/// A server that runs. Its process ends with this value, and with the test process, however that
/// ends.
#[derive(Debug)]
pub struct LocalServer {
    address: String,
    // Holds the pipe whose end the server waits for.
    process: Child,
}

impl Recipe {
    /// The server's folder. None where the run leaves it out in so many words, which continuous
    /// integration may not.
    ///
    /// Without a word it is looked for where `cargo xtask` puts it, beside what cargo builds.
    ///
    /// # Panics
    ///
    /// When it is not there, or is left out in continuous integration.
    #[expect(clippy::print_stderr, reason = "the test runner shows it")]
    pub fn found(&self) -> Option<PathBuf> {
        let Self { name, component, variable, .. } = self;
        let said = env::var_os(variable);
        if said.as_deref().is_some_and(|said| said == LEFT_OUT) {
            assert!(env::var_os("CI").is_none(), "{variable} is {LEFT_OUT}");
            eprintln!("left out: {variable} is {LEFT_OUT}");
            return None;
        }
        let folder = said.map(PathBuf::from).or_else(|| self.fetched());
        Some(folder.unwrap_or_else(|| {
            panic!(
                "{name} is not here: `cargo xtask components start {component}` fetches it; \
                 {variable}={LEFT_OUT} leaves its tests out"
            )
        }))
    }

    /// Starts the server, with arguments of its own, and waits until it serves. None: it is left
    /// out.
    ///
    /// # Panics
    ///
    /// When it is not there, does not start, or is left out in continuous integration.
    pub fn start(&self, arguments: &[&str]) -> Option<LocalServer> {
        let folder = self.found()?;
        let (program, first) = self.call.split_first().expect("a call names a program");
        let mut command = Command::new(program);
        command.current_dir(folder).args(first).arg("attached").args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("its program is there, as when it was fetched");
        let output = process.stdout.take().expect("the output is a pipe");
        let (send, lines) = mpsc::sync_channel(LINES_MAX);
        thread::spawn(move || drain(output, &send));
        let mut seen = Vec::new();
        while let Ok(line) = lines.recv_timeout(READY_WITHIN) {
            if let Some(address) = line.strip_prefix(READY) {
                return Some(LocalServer { address: address.to_owned(), process });
            }
            seen.push(line);
        }
        let ended = process.kill().and_then(|()| process.wait());
        panic!("{} does not start ({ended:?}):\n{}", self.name, seen.join("\n"));
    }

    /// The folder that `cargo xtask` has fetched, in the newest version.
    fn fetched(&self) -> Option<PathBuf> {
        let program = env::current_exe().ok()?;
        let tools = program.ancestors().map(|folder| folder.join(TOOLS)).find(|it| it.is_dir())?;
        let entries = fs::read_dir(tools).ok()?.filter_map(Result::ok).map(|entry| entry.path());
        let is_whole = |path: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with(self.folder)) && path.join(self.whole).exists()
        };
        entries.filter(is_whole).max()
    }
}

impl LocalServer {
    /// Where it listens, as it said itself.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Ends it at once, as a crash of the machine would: nothing is written any more.
    ///
    /// # Panics
    ///
    /// When the process can't be ended.
    pub fn kill(mut self) {
        self.process.kill().and_then(|()| self.process.wait()).expect("the process is ours");
    }
}

impl Drop for LocalServer {
    fn drop(&mut self) {
        // The end of its input ends it in good order; one that was killed is only reaped.
        drop(self.process.stdin.take());
        drop(self.process.wait());
    }
}

/// Reads to the end, so that the server never waits for a reader; the first lines are handed on.
fn drain(output: ChildStdout, lines: &mpsc::SyncSender<String>) {
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        // Nobody listens any more once the server is ready.
        drop(lines.try_send(line));
    }
}
