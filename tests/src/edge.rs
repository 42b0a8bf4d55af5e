//! The real binary as a process.

use std::{
    env,
    fmt::Write as _,
    fs,
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
};

use nix::{
    sys::signal::{self, Signal},
    unistd::Pid,
};
use serde_json::Value;

use crate::{
    Client, Folder, Raw, Reply, Site, client::Call, eventually, get, metrics::Metrics,
    tls::Authority,
};

/// A running edge. Killed when dropped; it must not have panicked by then, nor have written a
/// token anywhere.
#[derive(Debug)]
pub struct Edge {
    process: Process,
    plain: Vec<SocketAddr>,
    tls: Vec<SocketAddr>,
    admin: Option<SocketAddr>,
    folder: Arc<Folder>,
}

/// A process that has ended.
#[derive(Debug)]
pub struct Ended {
    /// What it ended with.
    pub status: ExitStatus,
    /// All that it said.
    pub stdout: String,
    /// All that it said on the other stream.
    pub stderr: String,
}

/// The binary under test: `HEADGATE_BIN`, or what cargo built beside this test.
///
/// # Panics
///
/// When it is not there.
pub fn binary() -> PathBuf {
    let path = env::var_os("HEADGATE_BIN").map_or_else(
        || {
            let test = env::current_exe().unwrap();
            test.parent().and_then(Path::parent).unwrap().join("headgate")
        },
        PathBuf::from,
    );
    assert!(path.exists(), "{} is not there: build it, or set HEADGATE_BIN", path.display());
    path
}

/// Runs a verb in a folder to its end.
///
/// # Panics
///
/// When it does not end.
pub async fn run(arguments: &[&str], folder: &Folder) -> Ended {
    let mut command = Command::new(binary());
    command.args(arguments).current_dir(folder.path());
    Process::start(command).ended().await
}

/// Runs lines of a shell in a folder to their end, with the binary on the path.
///
/// # Panics
///
/// When they do not end.
pub async fn run_shell(script: &str, folder: &Folder) -> Ended {
    let bin = binary();
    let mut paths = vec![bin.parent().unwrap().to_owned()];
    paths.extend(env::split_paths(&env::var_os("PATH").unwrap()));
    let mut command = Command::new("bash");
    command.args(["-euo", "pipefail", "-c", script]).current_dir(folder.path());
    command.env("PATH", env::join_paths(paths).unwrap());
    Process::start(command).ended().await
}

pub(crate) async fn start(site: Site) -> Edge {
    let mut command = Command::new(binary());
    command.args(["run", "--config", "headgate.toml"]).current_dir(site.folder.path());
    command.envs(site.environment);
    start_command(command, site.folder).await
}

/// Starts a command that becomes an edge, and waits until it is ready.
///
/// # Panics
///
/// When it does not become ready.
pub async fn start_command(command: Command, folder: impl Into<Arc<Folder>>) -> Edge {
    let folder = folder.into();
    let mut process = Process::start(command);
    eventually("headgate ready", || {
        if let Some(status) = process.child.try_wait().unwrap() {
            panic!("ended with {status} instead of serving:\n{}", process.told());
        }
        process.stdout.text().contains("headgate ready").then_some(())
    })
    .await;
    let told = process.stdout.text();
    let addresses = |kind: &str| {
        let lines = told.lines().filter_map(|line| line.trim().strip_prefix(kind));
        lines.map(|address| address.parse().unwrap()).collect::<Vec<SocketAddr>>()
    };
    Edge {
        plain: addresses("edge http://"),
        tls: addresses("edge https://"),
        admin: addresses("admin http://").first().copied(),
        process,
        folder,
    }
}

impl Edge {
    /// The first plain listener.
    pub fn plain(&self) -> SocketAddr {
        self.plain[0]
    }

    /// Every plain listener.
    pub fn plain_all(&self) -> &[SocketAddr] {
        &self.plain
    }

    /// The first TLS listener.
    pub fn tls(&self) -> SocketAddr {
        self.tls[0]
    }

    /// The admin listener.
    pub fn admin(&self) -> SocketAddr {
        self.admin.unwrap()
    }

    /// The folder of its files.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// A connection that speaks HTTP/1.1.
    pub async fn h1(&self) -> Client {
        Client::h1(self.plain()).await
    }

    /// A connection that speaks HTTP/2 with prior knowledge.
    pub async fn h2(&self) -> Client {
        Client::h2(self.plain()).await
    }

    /// A connection that speaks HTTP/1.1 over TLS.
    pub async fn tls_h1(&self, authority: &Authority, name: &str) -> Client {
        Client::tls_h1(self.tls(), authority, name).await
    }

    /// A connection that speaks HTTP/2 over TLS.
    pub async fn tls_h2(&self, authority: &Authority, name: &str) -> Client {
        Client::tls_h2(self.tls(), authority, name).await
    }

    /// A connection on which the test writes every byte.
    pub async fn raw(&self) -> Raw {
        Raw::connect(self.plain()).await
    }

    /// Sends a request on a connection of its own, by HTTP/1.1.
    pub async fn send(&self, call: Call) -> Reply {
        self.h1().await.send(call).await
    }

    /// What the admin listener answers.
    pub async fn ask(&self, path: &str) -> Reply {
        Client::h1(self.admin()).await.send(get(path)).await
    }

    /// All metrics.
    pub async fn metrics(&self) -> Metrics {
        let page = self.ask("/metrics").await;
        assert_eq!(page.status, 200);
        Metrics::parse(page.text())
    }

    /// Waits until the metrics show something.
    pub async fn metrics_show(&self, what: &str, shows: impl Fn(&Metrics) -> bool) -> Metrics {
        let ends = tokio::time::Instant::now() + crate::PATIENCE;
        let mut admin = Client::h1(self.admin()).await;
        loop {
            let metrics = Metrics::parse(admin.send(get("/metrics")).await.text());
            if shows(&metrics) {
                return metrics;
            }
            assert!(tokio::time::Instant::now() < ends, "metrics never showed: {what}");
        }
    }

    /// What `/v1/status` tells of the configuration.
    pub async fn config(&self) -> Value {
        self.ask("/v1/status").await.json()["config"].take()
    }

    /// Waits until the configuration is told to be so.
    pub async fn config_shows(&self, what: &str, shows: impl Fn(&Value) -> bool) -> Value {
        let ends = tokio::time::Instant::now() + crate::PATIENCE;
        let mut admin = Client::h1(self.admin()).await;
        loop {
            let config = admin.send(get("/v1/status")).await.json()["config"].take();
            if shows(&config) {
                return config;
            }
            assert!(tokio::time::Instant::now() < ends, "never so: {what}\n{config:#}");
        }
    }

    /// Waits until another configuration than this is in force.
    pub async fn config_changes(&self, from: &Value) -> Value {
        self.config_shows("another digest", |config| config["digest"] != from["digest"]).await
    }

    /// Kills it with no chance to end well, and starts it again on the same files.
    pub async fn kill_and_start(mut self) -> Self {
        self.signal(Signal::SIGKILL);
        self.ended().await;
        let mut command = Command::new(binary());
        command.args(["run", "--config", "headgate.toml"]).current_dir(self.folder.path());
        start_command(command, self.folder).await
    }

    /// Starts a process that takes over from it, and waits until that one has.
    ///
    /// # Panics
    ///
    /// When it does not become ready.
    pub async fn upgrade(&self) -> Self {
        let mut command = Command::new(binary());
        command.args(["upgrade", "--config", "headgate.toml"]).current_dir(self.folder.path());
        let new = start_command(command, Arc::clone(&self.folder)).await;
        let took_over = || new.told().contains("took over").then_some(());
        eventually("took over", took_over).await;
        new
    }

    /// Whether it has ended by itself.
    ///
    /// # Panics
    ///
    /// When the system does not tell.
    pub fn has_ended(&mut self) -> bool {
        self.process.child.try_wait().unwrap().is_some()
    }

    /// All access lines so far.
    pub fn access_lines(&self) -> Vec<Value> {
        let told = self.process.stdout.text();
        let lines = told.lines().filter(|line| line.starts_with('{'));
        lines.map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The access line of an exchange.
    pub async fn access_line(&self, trace_id: &str) -> Value {
        let of = |line: &Value| line["trace_id"] == trace_id;
        eventually("access line", || self.access_lines().into_iter().find(of)).await
    }

    /// The first access line with that path.
    pub async fn access_line_of(&self, path: &str) -> Value {
        self.access_line_with("path", path).await
    }

    /// The first access line in which a member has that text.
    pub async fn access_line_with(&self, member: &str, text: &str) -> Value {
        let of = |line: &Value| line[member] == text;
        eventually("access line", || self.access_lines().into_iter().find(of)).await
    }

    /// All that it has said.
    pub fn told(&self) -> String {
        self.process.told()
    }

    /// Memory that it has in use, in bytes.
    pub fn resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().unwrap();
        kib * 1024
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.child.id()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.pid()).unwrap());
        signal::kill(pid, signal).unwrap();
    }

    /// Tells it to end.
    pub fn terminate(&self) {
        self.signal(Signal::SIGTERM);
    }

    /// Waits until it has ended by itself.
    pub async fn ended(&mut self) -> Ended {
        self.process.ended().await
    }
}

/// What a stream of a process has said so far.
#[derive(Clone, Debug, Default)]
struct Said(Arc<Mutex<String>>);

impl Said {
    fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }

    fn follow(&self, stream: impl Read + Send + 'static) -> JoinHandle<()> {
        let said = Arc::clone(&self.0);
        thread::spawn(move || {
            let mut lines = BufReader::new(stream);
            let mut line = Vec::new();
            while lines.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                said.lock().unwrap().push_str(&String::from_utf8_lossy(&line));
                line.clear();
            }
        })
    }
}

#[derive(Debug)]
struct Process {
    child: Child,
    stdout: Said,
    stderr: Said,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (stdout, stderr) = (Said::default(), Said::default());
        let readers = vec![
            stdout.follow(child.stdout.take().unwrap()),
            stderr.follow(child.stderr.take().unwrap()),
        ];
        Self { child, stdout, stderr, readers }
    }

    fn told(&self) -> String {
        let mut told = String::new();
        write!(told, "{}\n---- stderr\n{}", self.stdout.text(), self.stderr.text()).unwrap();
        told
    }

    async fn ended(&mut self) -> Ended {
        let status = eventually("end of the process", || self.child.try_wait().unwrap()).await;
        self.read_to_end();
        Ended { status, stdout: self.stdout.text(), stderr: self.stderr.text() }
    }

    fn read_to_end(&mut self) {
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended before.
        drop(self.child.kill());
        drop(self.child.wait());
        self.read_to_end();
        let told = self.told();
        if thread::panicking() {
            eprint_lines(&told);
            return;
        }
        assert!(!told.contains("panicked at"), "the edge panicked:\n{told}");
        // The beginning of every JSON Web Token: `{"` in Base64.
        assert!(!told.contains("eyJ"), "the edge wrote a token down:\n{told}");
    }
}

#[expect(clippy::print_stderr, reason = "the test runner shows it beside the failure")]
fn eprint_lines(told: &str) {
    eprintln!("---- the edge said\n{told}");
}

impl Ended {
    /// The exit code.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or(-1)
    }
}
