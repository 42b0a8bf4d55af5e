//! A process of its own that carries effects out, and counts them with its own sync.

use std::{
    collections::BTreeMap,
    env,
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Mutex,
    thread,
};

pub(crate) const FILE: &str = "HEADGATE_LEDGER_FILE";

/// What was carried out, by the event's name: the fences of the attempts that did.
pub(crate) type Carried = BTreeMap<String, Vec<u64>>;

/// Serves until it is killed: a line `name key fence` carries an effect out, unless its key is not
/// `-` and was seen; the answer says how often the name was carried out.
pub(crate) fn serve(file: &Path) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    println!("port {port}");
    let book = Mutex::new((File::create(file).unwrap(), BTreeMap::new()));
    thread::scope(|scope| {
        for stream in listener.incoming() {
            let book = &book;
            scope.spawn(move || answer(&stream.unwrap(), book));
        }
    });
}

fn answer(stream: &TcpStream, book: &Mutex<(File, BTreeMap<String, String>)>) {
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        let mut words = line.split(' ');
        let [name, key, fence] = [(); 3].map(|()| words.next().unwrap());
        let receipt = {
            let mut book = book.lock().unwrap();
            let (file, by_key) = &mut *book;
            let known = by_key.get(key).filter(|_| key != "-").cloned();
            known.unwrap_or_else(|| {
                writeln!(file, "{name} {fence}").unwrap();
                file.sync_data().unwrap();
                let receipt = format!("receipt-{name}-{fence}");
                by_key.insert(key.to_owned(), receipt.clone());
                receipt
            })
        };
        // A worker that was killed does not hear it.
        if (&*stream).write_all(format!("{receipt}\n").as_bytes()).is_err() {
            return;
        }
    }
}

/// The process, seen from the test.
pub(crate) struct Ledger {
    child: Child,
    pub(crate) port: u16,
}

impl Ledger {
    pub(crate) fn start(file: &Path) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "ledger_process", "--nocapture", "--test-threads=1"])
            .env(FILE, file)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port = lines.find_map(|line| line.split_once("port ")?.1.parse().ok());
        Self { child, port: port.unwrap() }
    }

    /// Ends it, and reads what it wrote down.
    pub(crate) fn end(mut self, file: &Path) -> Carried {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let mut carried = Carried::new();
        for line in fs::read_to_string(file).unwrap().lines() {
            let (name, fence) = line.split_once(' ').unwrap();
            carried.entry(name.to_owned()).or_default().push(fence.parse().unwrap());
        }
        carried
    }
}

/// A worker's connection.
pub(crate) struct Line(BufReader<TcpStream>);

impl Line {
    pub(crate) fn open(port: u16) -> Self {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(BufReader::new(stream))
    }

    /// Carries an effect out, and gives its receipt.
    pub(crate) fn carry(&mut self, name: &str, key: &str, fence: u64) -> String {
        let request = format!("{name} {key} {fence}\n");
        self.0.get_mut().write_all(request.as_bytes()).unwrap();
        let mut receipt = String::new();
        self.0.read_line(&mut receipt).unwrap();
        receipt.trim_end().to_owned()
    }
}
