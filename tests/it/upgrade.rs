//! A process takes over from another one, and no client notices.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::SocketAddr,
    os::unix::{
        fs::PermissionsExt as _,
        net::{UnixDatagram, UnixListener, UnixStream},
    },
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use headgate_tests::{
    Bff, Client, Edge, Folder, Raw, Reply, Shop, Site, edge, eventually, get, keyed, order,
    tls::Authority,
    websocket::{CLOSE, TEXT, echo, masked, read_frame},
    within,
};
use nix::{
    sys::signal::{self, Signal},
    unistd::Pid,
};
use serde_json::{Value, json};
use tokio::{net::TcpStream, task::JoinSet};

use crate::readme;

const DATA: &str = "[data]\ndir = \"data\"";

fn site(bff: &Bff) -> Site {
    Site::to(bff).platform(DATA)
}

async fn upgrade(folder: &Folder) -> headgate_tests::Ended {
    edge::run(&["upgrade", "--config", "headgate.toml"], folder).await
}

/// Replaces a text in a file of the edge.
fn edit(folder: &Folder, file: &str, from: &str, to: &str) {
    let text = fs::read_to_string(folder.path().join(file)).unwrap();
    assert!(text.contains(from), "{from} is not in {text}");
    folder.write(file, text.replace(from, to));
}

/// Whether the client knows that its request was not taken (RFC 9113, 6.8 for GOAWAY).
fn is_unsent(error: &hyper::Error) -> bool {
    error.is_canceled()
        || error.is_closed()
        || format!("{error:?}").contains("GoAway(b\"\", NO_ERROR, Remote)")
}

/// How a client of the load speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speech {
    /// HTTP/1.1 on connections that are kept.
    H1,
    /// HTTP/1.1 on a connection for each request.
    H1Once,
    H2,
    /// HTTP/2 over TLS.
    Tls,
    /// Orders under keys, each sent twice, by HTTP/1.1 on connections that are kept.
    Keyed,
    /// A probe of readiness on a connection for each.
    Ready,
}

/// Where the load goes.
#[derive(Clone)]
struct At {
    plain: SocketAddr,
    tls: SocketAddr,
    admin: SocketAddr,
    authority: Arc<Authority>,
}

impl At {
    /// A connection that must come about: somebody always accepts.
    async fn connect(&self, speech: Speech) -> Client {
        match speech {
            Speech::H1 | Speech::H1Once | Speech::Keyed => Client::h1(self.plain).await,
            Speech::H2 => Client::h2(self.plain).await,
            Speech::Tls => Client::tls_h2(self.tls, &self.authority, "edge.example").await,
            Speech::Ready => Client::h1(self.admin).await,
        }
    }
}

/// Sends a call until it is known to be taken, on new connections if need be. None: it failed.
async fn send(
    at: &At,
    speech: Speech,
    client: &mut Option<Client>,
    call: impl Fn() -> headgate_tests::client::Call,
) -> Result<Reply, String> {
    loop {
        let connected = match client {
            Some(client) => client,
            None => client.insert(at.connect(speech).await),
        };
        let response = match connected.try_open(call()).await {
            Ok(response) => response,
            Err(error) if is_unsent(&error) => {
                *client = None;
                continue;
            }
            Err(error) => return Err(format!("{speech:?}: {error:?}")),
        };
        let closes = response.headers().contains_key("connection");
        let reply =
            Reply::read(response).await.map_err(|error| format!("{speech:?}: {error:?}"))?;
        if closes || matches!(speech, Speech::H1Once | Speech::Ready) {
            *client = None;
        }
        return Ok(reply);
    }
}

async fn client(
    at: At,
    speech: Speech,
    number: usize,
    (stop, answered): (Arc<AtomicBool>, Arc<AtomicUsize>),
) -> Result<(), String> {
    let (mut kept, mut round) = (None, 0_usize);
    while !stop.load(Ordering::SeqCst) {
        round += 1;
        let key = format!("\"{number}-{round}\"");
        let expected = match speech {
            Speech::Keyed => {
                let first = send(&at, speech, &mut kept, || order(&key, "{}")).await?;
                let again = send(&at, speech, &mut kept, || order(&key, "{}")).await?;
                if first.body != again.body {
                    return Err(format!("carried out twice: {first:?} {again:?}"));
                }
                (first, 201)
            }
            Speech::Ready => (send(&at, speech, &mut kept, || get("/readyz")).await?, 200),
            _ => (send(&at, speech, &mut kept, || get("/tv/x")).await?, 201),
        };
        if expected.0.status != expected.1 {
            return Err(format!("{speech:?}: {expected:?}"));
        }
        answered.fetch_add(1, Ordering::SeqCst);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_under_load() {
    let shop = Shop::open().await;
    let authority = Arc::new(Authority::default());
    let site = keyed(&shop.bff, "wait = \"5s\"").tls(&authority, &["edge.example"]);
    let mut edge = site.edge("threads = 2\ndrain = { accept_for = \"100ms\" }").start().await;
    let at = At { plain: edge.plain(), tls: edge.tls(), admin: edge.admin(), authority };
    let (stop, mut clients) = (Arc::<AtomicBool>::default(), JoinSet::new());
    let speeches =
        [Speech::H1, Speech::H1Once, Speech::H2, Speech::Tls, Speech::Keyed, Speech::Ready];
    let answered = speeches.map(|_| Arc::<AtomicUsize>::default());
    for (speech, answered) in speeches.iter().zip(&answered) {
        for number in 0..2 {
            let shared = (Arc::clone(&stop), Arc::clone(answered));
            clients.spawn(client(at.clone(), *speech, number, shared));
        }
    }

    for _ in 0..3 {
        let before: Vec<_> = answered.iter().map(|one| one.load(Ordering::SeqCst)).collect();
        let all_go_on = || {
            if let Some(ended) = clients.try_join_next() {
                panic!("a client has ended: {ended:?}");
            }
            let mut counts = answered.iter().zip(&before);
            counts.all(|(now, before)| now.load(Ordering::SeqCst) > before + 10).then_some(())
        };
        eventually("an answer to every client", all_go_on).await;

        let next = edge.upgrade().await;

        assert_eq!((next.plain(), next.tls(), next.admin()), (at.plain, at.tls, at.admin));
        let ended = edge.ended().await;
        assert_eq!(ended.code(), 0, "{}", ended.stderr);
        assert!(!ended.stderr.contains("ERROR"), "{}", ended.stderr);
        edge = next;
    }

    stop.store(true, Ordering::SeqCst);
    while let Some(client) = within("the clients", clients.join_next()).await {
        client.unwrap().expect("no failed request");
    }
}

#[tokio::test]
async fn what_is_under_way_is_answered_and_kept() {
    let shop = Shop::slow().await;
    let mut old = keyed(&shop.bff, "wait = \"10s\"").start().await;
    let mut client = old.h1().await;
    let first = tokio::spawn(async move { client.send(order("\"a\"", "{}")).await });
    shop.took(1).await;

    let new = old.upgrade().await;
    let mut client = new.h1().await;
    let second = tokio::spawn(async move { client.send(order("\"a\"", "{}")).await });
    // It waits for the first one, which the old process serves.
    new.metrics_show("one that waits", |metrics| {
        metrics.sum("headgate_idempotency_busy_keys_total", &[]) > 0
    })
    .await;
    shop.answer();

    let (first, second) = (first.await.unwrap(), second.await.unwrap());
    assert_eq!((first.status, first.text()), (201, "{\"order\":1}"));
    assert_eq!((second.status, second.text()), (201, "{\"order\":1}"));
    assert_eq!(shop.orders(), 1);
    assert_eq!(old.ended().await.code(), 0);
    let third = new.send(order("\"a\"", "{}")).await;
    assert_eq!((third.text(), shop.orders()), ("{\"order\":1}", 1));
}

#[tokio::test]
async fn what_was_set_and_kept_stays() {
    let shop = Shop::open().await;
    let mut old = keyed(&shop.bff, "").start().await;
    let kept = old.send(order("\"a\"", "{}")).await;
    let admin = format!("http://{}", old.admin());
    let set = ["config", "set", "edge.max_body", "4KiB", "--for", "1h", "--reason", "a trial"];
    let set = edge::run(&[&set[..], &["--admin", &admin]].concat(), old.folder()).await;
    assert_eq!(set.code(), 0, "{}", set.stderr);

    let new = old.upgrade().await;

    assert_eq!(old.ended().await.code(), 0);
    assert_eq!(new.send(order("\"a\"", "{}")).await.body, kept.body);
    assert_eq!(shop.orders(), 1);
    let config = new.config().await;
    assert_eq!(config["overlays"][0]["key"], "edge.max_body");
    new.config_shows("that it is kept", |config| config["is_kept"] == true).await;
    // And over the next crash.
    let new = new.kill_and_start().await;
    assert_eq!(new.config().await["overlays"][0]["value"], "4KiB");
    assert_eq!(new.send(order("\"a\"", "{}")).await.body, kept.body);
}

async fn websocket(edge: &Edge) -> Raw {
    let mut raw = edge.raw().await;
    raw.send(
        "GET /tv/socket HTTP/1.1\r\nhost: e\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    )
    .await;
    assert!(raw.head().await.starts_with("HTTP/1.1 101 "));
    raw.send(masked(TEXT, b"hello")).await;
    assert_eq!(read_frame(&mut raw).await, (TEXT, b"hello".to_vec()));
    raw
}

#[tokio::test]
async fn sockets_are_told_to_go_and_find_the_new_process() {
    let bff = Bff::raw(echo).await;
    let mut old = site(&bff).edge("drain = { deadline = \"8s\" }").start().await;
    let mut socket = websocket(&old).await;

    let new = old.upgrade().await;

    assert_eq!(read_frame(&mut socket).await, (CLOSE, 1001_u16.to_be_bytes().to_vec()));
    socket.send(masked(CLOSE, &1001_u16.to_be_bytes())).await;
    socket.rest().await;
    assert_eq!(old.ended().await.code(), 0);
    websocket(&new).await;
}

#[tokio::test]
async fn sigquit_starts_the_process_that_takes_over() {
    let bff = Bff::ok().await;
    let mut old = site(&bff).start().await;
    let (address, admin) = (old.plain(), old.admin());

    old.signal(Signal::SIGQUIT);

    let told = eventually("end of the old process", || old.has_ended().then(|| old.told())).await;
    let line = told.lines().find(|line| line.contains("upgrade started")).unwrap();
    let pid = line.split("pid=").nth(1).unwrap().split_whitespace().next().unwrap();
    let pid = Pid::from_raw(pid.parse().unwrap());
    assert_eq!(Client::h1(address).await.send(get("/tv/x")).await.status, 200);
    assert_eq!(Client::h1(admin).await.send(get("/readyz")).await.status, 200);
    signal::kill(pid, Signal::SIGTERM).unwrap();
    let ended = old.ended().await;
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    assert_eq!(ended.stdout.matches("headgate ready").count(), 2, "{}", ended.stdout);
}

#[tokio::test]
async fn broken_configuration_changes_nothing() {
    let bff = Bff::ok().await;
    let mut old = site(&bff).start().await;
    edit(old.folder(), "headgate.toml", "[admin]", "[admin]\nnot_a_key = 1");

    let ended = upgrade(old.folder()).await;

    assert_eq!(ended.code(), 2, "{}", ended.stderr);
    assert!(ended.stderr.contains("not_a_key"), "{}", ended.stderr);
    assert!(!old.has_ended());
    assert_eq!(old.send(get("/tv/x")).await.status, 200);
}

#[tokio::test]
async fn address_in_use_changes_nothing() {
    let (bff, other) = (Bff::ok().await, Bff::ok().await);
    let mut old = site(&bff).start().await;
    let listen = format!("[\"127.0.0.1:0\", \"{}\"]", other.address());
    edit(old.folder(), "headgate.toml", "[\"127.0.0.1:0\"]", &listen);

    let ended = upgrade(old.folder()).await;

    assert_eq!(ended.code(), 2, "{}", ended.stderr);
    assert!(ended.stderr.contains(&other.address().to_string()), "{}", ended.stderr);
    assert!(!old.has_ended());
    assert_eq!(old.send(get("/tv/x")).await.status, 200);
}

#[tokio::test]
async fn listeners_and_threads_of_the_new_file_are_those_of_the_new_process() {
    let bff = Bff::ok().await;
    let two = "[\"127.0.0.1:0\", \"127.0.0.1:0\"]";
    let mut old = site(&bff).listen(two).edge("drain = { accept_for = \"0s\" }").start().await;
    let &[stays, goes] = old.plain_all() else { panic!("{:?}", old.plain_all()) };
    let listen = format!("threads = 7\nlisten = [\"{stays}\", \"127.0.0.1:0\"]");
    edit(old.folder(), "headgate.toml", &format!("listen = {two}"), &listen);
    let waits =
        |config: &Value| config["waits_for_hand_over"] == json!(["edge.listen", "edge.threads"]);
    old.config_shows("what waits", waits).await;
    let admin = format!("http://{}", old.admin());
    let status = edge::run(&["status", "--admin", &admin], old.folder()).await.stdout;
    assert!(status.contains("waits for an upgrade  edge.listen, edge.threads"), "{status}");

    let mut new = old.upgrade().await;

    // One that was wanted with port 0 is a new one only where no old one is left.
    assert_eq!(new.plain_all(), [stays, goes]);
    assert_eq!(new.config().await["waits_for_hand_over"], json!([]));
    assert_eq!(old.ended().await.code(), 0);
    edit(
        new.folder(),
        "headgate.toml",
        &format!("\"{stays}\", \"127.0.0.1:0\""),
        &format!("\"{goes}\""),
    );
    let last = new.upgrade().await;
    assert_eq!(new.ended().await.code(), 0);
    assert_eq!(last.plain_all(), [goes]);
    assert!(TcpStream::connect(stays).await.is_err(), "nobody listens there any more");
    assert_eq!(last.send(get("/tv/x")).await.status, 200);
}

/// A process that asks to take over and is played by the test.
struct Played(UnixStream);

impl Played {
    fn ask(edge: &Edge, protocol: u32) -> (Self, Value) {
        let path = edge.folder().path().join("data/upgrade.sock");
        let connect = || UnixStream::connect(&path).ok();
        // Whoever is ready listens a moment later.
        let stream = (0..1_000).find_map(|_| {
            connect().or_else(|| {
                std::thread::yield_now();
                None
            })
        });
        let mut played = Self(stream.unwrap());
        played.0.set_read_timeout(Some(headgate_tests::PATIENCE)).unwrap();
        played.send(&json!({ "Hello": { "protocol": protocol, "version": "0", "pid": 1 } }));
        let answer = played.receive();
        (played, answer)
    }

    fn send(&mut self, message: &Value) {
        let text = message.to_string();
        let mut frame = u32::try_from(text.len()).unwrap().to_be_bytes().to_vec();
        frame.extend(text.as_bytes());
        // One that refuses may have hung up, and has left its answer.
        drop(self.0.write_all(&frame));
    }

    fn receive(&mut self) -> Value {
        let mut length = [0; 4];
        self.0.read_exact(&mut length).unwrap();
        let mut text = vec![0; u32::from_be_bytes(length) as usize];
        self.0.read_exact(&mut text).unwrap();
        serde_json::from_slice(&text).unwrap()
    }
}

#[tokio::test]
async fn process_that_dies_in_the_middle_changes_nothing() {
    let shop = Shop::open().await;
    let mut old = keyed(&shop.bff, "").start().await;

    for step in 0..5 {
        let path = old.folder().path().join("data/upgrade.sock");
        eventually("the socket", || path.exists().then_some(())).await;
        match step {
            0 => drop(UnixStream::connect(&path).unwrap()),
            1 => drop(Played::ask(&old, 1)),
            2 => {
                let (mut played, welcome) = Played::ask(&old, 1);
                assert_eq!(welcome["Welcome"]["sockets"].as_array().unwrap().len(), 2);
                played.send(&json!({ "Ready": { "left": [] } }));
            }
            3 => {
                let (mut played, _) = Played::ask(&old, 1);
                played.send(&json!({ "Ready": { "left": [] } }));
                assert_eq!(played.receive(), "Released");
            }
            _ => {
                let (mut played, _) = Played::ask(&old, 1);
                played.send(&json!({ "Ready": { "left": [] } }));
                assert_eq!(played.receive(), "Released");
                played.send(&json!("Nonsense"));
                assert_eq!(played.receive(), "Abort");
            }
        }
        let reply = old.send(order(&format!("\"{step}\""), "{}")).await;
        assert_eq!((reply.status, shop.orders()), (201, step + 1), "after step {step}");
    }

    assert!(!old.has_ended());
    assert_eq!(old.ask("/readyz").await.status, 200);
    // Each of them has given its turn back.
    let new = loop {
        let ended = within("an upgrade", Box::pin(try_upgrade(&old))).await;
        if let Some(new) = ended {
            break new;
        }
    };
    assert_eq!(old.ended().await.code(), 0);
    assert_eq!(new.send(order("\"0\"", "{}")).await.text(), "{\"order\":1}");
}

/// An upgrade, unless the one before is just about to end.
async fn try_upgrade(old: &Edge) -> Option<Edge> {
    let (played, answer) = Played::ask(old, 1);
    drop(played);
    if answer == json!({ "Refused": "Busy" }) {
        return None;
    }
    // The played one has to be over too.
    loop {
        let (_played, answer) = Played::ask(old, 99);
        if answer == json!({ "Refused": { "Protocol": 1 } }) {
            break;
        }
    }
    Some(old.upgrade().await)
}

#[tokio::test]
async fn second_upgrade_at_a_time_is_refused() {
    let bff = Bff::ok().await;
    let mut old = site(&bff).start().await;
    let (played, _) = Played::ask(&old, 1);

    let ended = upgrade(old.folder()).await;

    assert_eq!(ended.code(), 2, "{}", ended.stderr);
    assert!(ended.stderr.contains("HG1222"), "{}", ended.stderr);
    assert!(ended.stderr.contains("another upgrade is under way"), "{}", ended.stderr);
    drop(played);
    assert!(!old.has_ended());
}

#[tokio::test]
async fn process_of_another_protocol_is_refused() {
    let bff = Bff::ok().await;
    let old = site(&bff).start().await;
    assert_eq!(Played::ask(&old, 99).1, json!({ "Refused": { "Protocol": 1 } }));
    assert_eq!(old.send(get("/tv/x")).await.status, 200);
}

#[tokio::test]
async fn the_socket_is_its_owners_alone() {
    let bff = Bff::ok().await;
    let old = site(&bff).start().await;
    drop(Played::ask(&old, 99));
    let path = old.folder().path().join("data/upgrade.sock");
    assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn without_a_folder_an_upgrade_says_what_it_needs() {
    let bff = Bff::ok().await;
    let mut old = Site::to(&bff).start().await;

    let ended = upgrade(old.folder()).await;

    assert_eq!(ended.code(), 2, "{}", ended.stderr);
    assert!(ended.stderr.contains("HG1220"), "{}", ended.stderr);
    assert!(ended.stderr.contains("data.dir"), "{}", ended.stderr);
    old.signal(Signal::SIGQUIT);
    eventually("what it says", || old.told().contains("HG1220").then_some(())).await;
    assert!(!old.has_ended());
    assert_eq!(old.send(get("/tv/x")).await.status, 200);
}

#[tokio::test]
async fn without_a_running_edge_there_is_nothing_to_upgrade() {
    let bff = Bff::ok().await;
    let site = site(&bff);
    let ended = upgrade(site.write()).await;
    assert_eq!(ended.code(), 3, "{}", ended.stderr);
    assert!(ended.stderr.contains("HG1221"), "{}", ended.stderr);

    // One that was there, and is gone.
    fs::create_dir_all(site.write().path().join("data")).unwrap();
    drop(UnixListener::bind(site.write().path().join("data/upgrade.sock")).unwrap());
    assert_eq!(upgrade(site.write()).await.code(), 3);
}

#[tokio::test]
async fn process_that_prepares_and_is_killed_changes_nothing() {
    let bff = Bff::ok().await;
    // Keys that never come hold the new process up.
    let issuer = Bff::hanging().await;
    let source = format!(
        "[identity.users]\nissuer = \"https://issuer.example\"\naudience = \"edge\"\n\
         jwks = \"http://{}/jwks\"",
        issuer.address()
    );
    let mut old = site(&bff).platform(&source).start().await;
    issuer.saw(1).await;
    let mut command = std::process::Command::new(edge::binary());
    command.args(["upgrade", "--config", "headgate.toml"]).current_dir(old.folder().path());
    let mut new = command.stdout(std::process::Stdio::null()).spawn().unwrap();
    issuer.saw(2).await;

    new.kill().unwrap();
    new.wait().unwrap();

    assert_eq!(old.send(get("/tv/x")).await.status, 200);
    assert!(!old.has_ended());
}

#[tokio::test]
async fn systemd_is_told_which_process_to_follow() {
    let bff = Bff::ok().await;
    let sockets = Folder::default();
    let path = sockets.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(headgate_tests::PATIENCE)).unwrap();
    let told = || {
        let mut text = [0; 100];
        let length = manager.recv(&mut text).unwrap();
        String::from_utf8(text[..length].to_vec()).unwrap()
    };

    let old = site(&bff).environment("NOTIFY_SOCKET", path.to_str().unwrap()).start().await;

    assert_eq!(told(), format!("READY=1\nMAINPID={}\n", old.pid()));
}

#[tokio::test]
async fn guide_leads_to_a_new_process() {
    let script = readme::blocks(&readme::page("docs/guides/upgrade-without-a-gap.md"), "sh");
    let script = script.concat();
    assert!(script.contains("headgate upgrade"), "the guide has lost its commands");

    let printed = readme::run(readme::on_free_ports(script), &Folder::default()).await;

    for told in ["0 of 200 failed", "waits for an upgrade  edge.listen", "took over"] {
        assert!(printed.contains(told), "{told} was never seen:\n{printed}");
    }
}
