//! Listeners, their limits and certificates, and the Passport.

use std::{collections::BTreeMap, net::SocketAddr, num::NonZeroUsize, path::Path, thread};

use headgate_gateway::{
    geo::{GEO_BYTES_MAX, Geo},
    identity::Clients,
    settings::{
        AccessLog, Certificate, ClientAddress, ClientAuth, Drain, Edge, Limits, Passport, Push,
        Recent, Slow, TRACES_PATH, Tls, Traces,
    },
};

use crate::{
    digest::digest_of_bytes,
    document::{platform, why::MEMORY_MAX},
    fault::{Code, Draft, Report},
    load::{Input, reason},
    resolve::{
        last_good::{FileFault, LastGood},
        overload,
        tls::check_pair,
    },
    source::{Step, key_path},
};

/// Where the edge listens when nothing is said.
const LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);

/// The folder of Passport keys inside `data.dir`.
const PASSPORT_KEYS: &str = "passport";

pub(super) fn edge(input: &Input<'_>, last_good: &mut LastGood, report: &mut Report) -> Edge {
    let edge = &input.platform.doc.edge;
    let tls = edge.tls.as_ref().map(|tls| listener(input, tls, last_good, report));
    let listen = match &edge.listen {
        Some(listen) => listen.iter().map(|address| address.0).collect(),
        None if edge.tls.is_some() => Vec::new(),
        None => vec![LISTEN],
    };
    check_addresses(input, report);
    let written = input.platform.root.nearest(&["edge".into(), "listen".into()]);
    // Entries at fault have been reported: the list is empty only if none was written.
    if written.is_empty_list() && edge.tls.is_none() {
        let at = written.at.clone();
        let message = "the edge listens nowhere";
        report.push(
            Draft::new(Code::Contradiction, at, message)
                .key("edge.listen")
                .help("name an address here, or a TLS listener in `edge.tls`"),
        );
    }
    Edge {
        listen,
        tls,
        threads: edge.threads.map_or_else(
            || thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            at_least_one,
        ),
        trusted_peers: edge.trusted_peers.iter().map(|network| network.0).collect(),
        client_address: client_address(input, report),
        geo: None,
        dns_servers: edge
            .dns_servers
            .as_ref()
            .map(|servers| servers.iter().map(|server| server.0).collect()),
        limits: limits(edge),
        overload: overload::edge(&edge.overload),
        drain: drain(input, report),
        push: Push {
            connections_max: at_least_one(edge.push.max_connections),
            waiting_max: at_least_one(edge.push.max_waiting),
            heartbeat: edge.push.heartbeat.0,
        },
        access_log: match edge.access_log {
            platform::AccessLog::Stdout => AccessLog::Stdout,
            platform::AccessLog::Off => AccessLog::Off,
        },
        recent: recent(input, report),
        slow: slow(input),
        traces: traces(input),
    }
}

fn slow(input: &Input<'_>) -> Slow {
    let slow = &input.platform.doc.slow;
    Slow { over: slow.over.as_ref().map(|length| length.0), per_second: slow.per_second }
}

fn traces(input: &Input<'_>) -> Option<Traces> {
    let traces = &input.platform.doc.traces;
    // What has the form of a service's URL is one with any path behind it.
    let endpoint = format!("{}{}", traces.endpoint.as_ref()?.0, TRACES_PATH).parse().ok()?;
    Some(Traces { endpoint, per_second: traces.per_second })
}

fn recent(input: &Input<'_>, report: &mut Report) -> Recent {
    let why = &input.platform.doc.why;
    if why.memory.0 > MEMORY_MAX {
        let path = ["why".into(), "memory".into()];
        let message = format!("{} is more than {MEMORY_MAX}", why.memory.0);
        let draft = Draft::new(Code::OutOfRange, input.platform.at(&path), message);
        report.push(draft.key(key_path(&path)).help(format!("at most {MEMORY_MAX}")));
    }
    Recent { bytes_max: why.memory.0, passed_per_second: why.passed_per_second }
}

/// The database of addresses. Only its digest is kept: a file of a hundred megabytes is no text of a
/// configuration.
pub(super) fn geo(input: &mut Input<'_>, report: &mut Report) -> Option<Geo> {
    let file = input.platform.doc.edge.geo.clone()?;
    let path = input.base.join(&file);
    let read =
        input.files.read(&path).map_err(|error| format!("can't be read: {}", reason(&error)));
    let geo = read.and_then(|bytes| {
        if bytes.len() > GEO_BYTES_MAX {
            return Err(format!("has {} bytes, {GEO_BYTES_MAX} are allowed", bytes.len()));
        }
        input.digests.insert(file, digest_of_bytes(&bytes));
        Geo::new(bytes).map_err(|error| format!("can't be used: {error}"))
    });
    geo.map_err(|why| {
        let key = ["edge".into(), "geo".into()];
        let message = format!("file {} {why}", path.display());
        report.push(Draft::new(Code::BadGeo, input.platform.at(&key), message).key(key_path(&key)));
    })
    .ok()
}

fn client_address(input: &Input<'_>, report: &mut Report) -> ClientAddress {
    let edge = &input.platform.doc.edge;
    if edge.client_address != platform::ClientAddress::Peer && edge.trusted_peers.is_empty() {
        let path = ["edge".into(), "client_address".into()];
        let message = "nobody is trusted to tell an address: `trusted_peers` is empty";
        let at = input.platform.at(&path);
        report.push(Draft::new(Code::Contradiction, at, message).key(key_path(&path)));
    }
    match edge.client_address {
        platform::ClientAddress::Peer => ClientAddress::Peer,
        platform::ClientAddress::XForwardedFor => ClientAddress::XForwardedFor,
        platform::ClientAddress::Forwarded => ClientAddress::Forwarded,
        platform::ClientAddress::ProxyProtocol => ClientAddress::ProxyProtocol,
    }
}

fn limits(edge: &platform::Edge) -> Limits {
    Limits {
        header_bytes_max: edge.max_head.0,
        headers_max: at_least_one(edge.max_headers),
        header_timeout: edge.header_timeout.0,
        body_bytes_max: edge.max_body.0,
        body_idle: edge.body_idle.0,
        stream_idle: edge.stream_idle.0,
        request_timeout: edge.timeout.0,
        keep_alive: edge.keep_alive.0,
        h2_idle: edge.h2_idle.0,
        h2_streams_max: edge.max_h2_streams,
        connections_max: at_least_one(edge.max_connections),
        connections_per_client_max: at_least_one(edge.max_connections_per_client),
    }
}

/// The schema keeps zero out.
pub(super) fn at_least_one(number: u32) -> NonZeroUsize {
    usize::try_from(number).ok().and_then(NonZeroUsize::new).unwrap_or(NonZeroUsize::MIN)
}

fn drain(input: &Input<'_>, report: &mut Report) -> Drain {
    let drain = &input.platform.doc.edge.drain;
    let drain = Drain { accept_for: drain.accept_for.0, deadline: drain.deadline.0 };
    if drain.accept_for >= drain.deadline {
        let path = ["edge".into(), "drain".into(), "accept_for".into()];
        let message = "`accept_for` does not end before `deadline`: nothing would be drained";
        let at = input.platform.at(&path);
        report.push(Draft::new(Code::Contradiction, at, message).key(key_path(&path)));
    }
    drain
}

/// Two listeners can't have one address; port 0 is a new one each time.
fn check_addresses(input: &Input<'_>, report: &mut Report) {
    let doc = &input.platform.doc;
    let plain = doc.edge.listen.iter().flatten().enumerate();
    let plain =
        plain.map(|(at, address)| (vec!["edge".into(), "listen".into(), at.into()], address));
    let tls = doc.edge.tls.iter().flat_map(|tls| &tls.listen).enumerate();
    let tls = tls.map(|(at, address)| {
        (vec!["edge".into(), "tls".into(), "listen".into(), at.into()], address)
    });
    let admin = (vec!["admin".into(), "listen".into()], &doc.admin.listen);
    let mut taken: BTreeMap<SocketAddr, Vec<Step<'_>>> = BTreeMap::new();
    for (path, address) in [admin].into_iter().chain(plain).chain(tls) {
        let Some(first) = taken.get(&address.0) else {
            taken.insert(address.0, path);
            continue;
        };
        if address.0.port() != 0 {
            let at = input.platform.at(&path);
            let message = format!("address {} is taken by `{}`", address.0, key_path(first));
            report.push(Draft::new(Code::NameTaken, at, message).key(key_path(&path)));
        }
    }
}

fn listener(
    input: &Input<'_>,
    tls: &platform::Tls,
    last_good: &mut LastGood,
    report: &mut Report,
) -> Tls {
    let path = ["edge".into(), "tls".into()];
    let first = certificate(input, &path, (&tls.cert, &tls.key), (last_good, report));
    let further = tls.certificates.iter().enumerate().filter_map(|(index, further)| {
        let path = ["edge".into(), "tls".into(), "certificates".into(), index.into()];
        certificate(input, &path, (&further.cert, &further.key), (last_good, report))
    });
    Tls {
        listen: tls.listen.iter().map(|address| address.0).collect(),
        certificates: first.into_iter().chain(further.collect::<Vec<_>>()).collect(),
        clients: clients(input, tls, report),
    }
}

/// Which certificates clients may present.
fn clients(input: &Input<'_>, tls: &platform::Tls, report: &mut Report) -> Option<ClientAuth> {
    let mut fault = |key, code, message: String| {
        let path = ["edge".into(), "tls".into(), Step::Key(key)];
        let at = input.platform.at(&path);
        report.push(Draft::new(code, at, message).key(key_path(&path)));
    };
    let Some(file) = &tls.client_ca else {
        if tls.client_auth.is_some() {
            let message = "nobody vouches for clients: `client_ca` is missing".to_owned();
            fault("client_auth", Code::Contradiction, message);
        }
        return None;
    };
    let ca_path = input.base.join(file);
    let ca_pem = match input.files.read(&ca_path) {
        Ok(pem) => pem,
        Err(error) => {
            let message = format!("file {} can't be read: {}", ca_path.display(), reason(&error));
            fault("client_ca", Code::BadCertificate, message);
            return None;
        }
    };
    let is_required = tls.client_auth == Some(platform::ClientAuth::Required);
    let clients = ClientAuth { ca_path, ca_pem, is_required };
    if let Err(error) = Clients::new(&clients) {
        let message = format!("file {} can't be used: {error}", clients.ca_path.display());
        fault("client_ca", Code::BadCertificate, message);
        return None;
    }
    Some(clients)
}

fn certificate(
    input: &Input<'_>,
    path: &[Step<'_>],
    (cert, key): (&str, &str),
    (last_good, report): (&mut LastGood, &mut Report),
) -> Option<Certificate> {
    let place = |name| [path, &[Step::Key(name)]].concat();
    let is_written = |name| input.platform.root.nearest(&place(name)).as_text().is_some();
    // An absent key has been reported by the schema.
    if !is_written("cert") || !is_written("key") {
        return None;
    }
    let draft = |code, fault: FileFault| {
        let place = place(if fault.is_key { "key" } else { "cert" });
        Draft::new(code, input.platform.at(&place), fault.message).key(key_path(&place))
    };
    let files = (input.base.join(cert), Some(input.base.join(key)));
    last_good.read(input.files, files, check_pair, (draft, report))
}

pub(super) fn passport(
    input: &Input<'_>,
    data_dir: Option<&Path>,
    report: &mut Report,
) -> Passport {
    let passport = &input.platform.doc.passport;
    if passport.rotate_every.0 <= passport.ttl.0 {
        let path = ["passport".into(), "rotate_every".into()];
        let message =
            "`rotate_every` is not longer than `ttl`: keys would go before their Passports";
        let at = input.platform.at(&path);
        report.push(Draft::new(Code::Contradiction, at, message).key(key_path(&path)));
    }
    Passport {
        issuer: passport.issuer.clone(),
        ttl: passport.ttl.0,
        rotate_every: passport.rotate_every.0,
        keys_dir: data_dir.map(|dir| dir.join(PASSPORT_KEYS)),
    }
}
