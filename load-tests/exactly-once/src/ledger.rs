//! A process of its own that carries effects out, and counts them with its own sync.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Child,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use headgate_types::{format_duration, parse_duration};
use nix::sys::signal::Signal;

use crate::{Places, process};

/// What was carried out, by the event's name: the fences of the attempts that did.
pub(crate) type Carried = BTreeMap<String, Vec<u64>>;

/// The key of an effect that honors none.
pub(crate) const NO_KEY: &str = "-";

/// How a ledger is kept.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// The file that effects are written to.
    file: PathBuf,
    /// How long an effect takes besides its sync: half before it is written down, half after.
    #[arg(long, default_value = "0ms", value_parser = parse_duration)]
    takes: Duration,
}

struct Book {
    file: File,
    /// Receipts by key, and how many lines were written.
    page: Mutex<(BTreeMap<String, String>, u64)>,
    /// Lines that are synced. Whoever holds it syncs for all that wait behind it.
    synced: Mutex<u64>,
    written: AtomicU64,
    takes: Duration,
}

/// Serves until it is killed, or whoever started it is gone: a line `name key fence` carries an effect out, unless its key was
/// seen; the answer is the receipt of whoever carried it out.
///
/// # Errors
///
/// The file or a socket can't be opened.
#[expect(clippy::print_stdout, reason = "whoever started this reads the port")]
pub(crate) fn serve(arguments: &Arguments) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    println!("port {}", listener.local_addr()?.port());
    let file = File::create(&arguments.file).context("can't make the ledger's file")?;
    let book = Arc::new(Book {
        file,
        page: Mutex::default(),
        synced: Mutex::default(),
        written: AtomicU64::new(0),
        takes: arguments.takes,
    });
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let book = Arc::clone(&book);
            thread::spawn(move || book.answer(&stream));
        }
    });
    process::until_told()
}

impl Book {
    /// Answers one connection, up to its end: a worker that was killed does not hear it.
    fn answer(&self, mut stream: &TcpStream) -> Result<()> {
        for line in BufReader::new(stream).lines() {
            let line = line?;
            let mut words = line.split(' ');
            let (Some(name), Some(key), Some(fence)) = (words.next(), words.next(), words.next())
            else {
                bail!("{line:?} is no effect");
            };
            thread::sleep(self.takes / 2);
            let receipt = self.carry(name, key, fence)?;
            thread::sleep(self.takes / 2);
            stream.write_all(format!("{receipt}\n").as_bytes())?;
        }
        Ok(())
    }

    /// Carries an effect out, or finds it carried out; either way it is synced.
    fn carry(&self, name: &str, key: &str, fence: &str) -> Result<String> {
        let (receipt, line) = {
            let poisoned = |_| anyhow::anyhow!("another connection's thread has failed");
            let mut page = self.page.lock().map_err(poisoned)?;
            let (by_key, written) = &mut *page;
            let known = by_key.get(key).filter(|_| key != NO_KEY).cloned();
            let receipt = if let Some(receipt) = known {
                receipt
            } else {
                (&self.file).write_all(format!("{name} {fence}\n").as_bytes())?;
                *written += 1;
                self.written.store(*written, Ordering::Release);
                let receipt = format!("receipt-{name}-{fence}");
                by_key.insert(key.to_owned(), receipt.clone());
                receipt
            };
            (receipt, *written)
        };
        let mut synced =
            self.synced.lock().map_err(|_| anyhow::anyhow!("another sync has failed"))?;
        if *synced < line {
            let written = self.written.load(Ordering::Acquire);
            self.file.sync_data()?;
            *synced = written;
        }
        Ok(receipt)
    }
}

/// The process, seen from whoever started it. It is killed when dropped.
#[derive(Debug)]
pub(crate) struct Ledger {
    child: Child,
    file: PathBuf,
    pub(crate) port: u16,
}

impl Ledger {
    pub(crate) fn start(places: &Places, takes: Duration) -> Result<Self> {
        let file = places.folder.join("ledger");
        let mut command = process::part(places, "ledger");
        command.arg(&file).args(["--takes", &format_duration(takes)]);
        let mut child = command.spawn().context("can't start the ledger")?;
        let output = child.stdout.take().context("the ledger's output is a pipe")?;
        let mut ledger = Self { child, file, port: 0 };
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let port = line.strip_prefix("port ").context("the ledger does not tell its port")?;
        ledger.port = port.trim().parse()?;
        Ok(ledger)
    }

    /// Ends it, and reads what it wrote down.
    pub(crate) fn end(mut self) -> Result<Carried> {
        ensure!(self.child.try_wait()?.is_none(), "the ledger has ended by itself");
        process::signal(&self.child, Signal::SIGKILL)?;
        self.child.wait()?;
        read(&self.file)
    }
}

fn read(file: &Path) -> Result<Carried> {
    let mut carried = Carried::new();
    for line in fs::read_to_string(file)?.lines() {
        let (name, fence) = line.split_once(' ').context("a line of the ledger is torn")?;
        carried.entry(name.to_owned()).or_default().push(fence.parse()?);
    }
    Ok(carried)
}

impl Drop for Ledger {
    fn drop(&mut self) {
        // It may be gone already, and then there is nothing to end.
        drop(self.child.kill().and_then(|()| self.child.wait()));
    }
}

/// A worker's connection.
#[derive(Debug)]
pub(crate) struct Line(BufReader<TcpStream>);

impl Line {
    pub(crate) fn open(port: u16) -> Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Carries an effect out, and gives its receipt.
    pub(crate) fn carry(&mut self, name: &str, key: &str, fence: u64) -> Result<String> {
        let request = format!("{name} {key} {fence}\n");
        self.0.get_mut().write_all(request.as_bytes())?;
        let mut receipt = String::new();
        ensure!(self.0.read_line(&mut receipt)? > 0, "the ledger has hung up");
        Ok(receipt.trim_end().to_owned())
    }
}
