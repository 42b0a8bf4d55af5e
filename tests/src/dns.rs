//! A name server that says what a test wants, by UDP and TCP.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use hickory_resolver::proto::{
    op::{Message, OpCode, Query, ResponseCode},
    rr::{Name, RData, Record, RecordType, rdata::SRV},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
    task::JoinHandle,
};

/// What is said of a name.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Its addresses, good for so many seconds. It has none of the other family.
    Addresses(u32, Vec<Ipv4Addr>),
    /// Its services, good for so many seconds.
    Services(u32, Vec<Service>),
    /// It does not exist.
    NoName,
    /// It exists, and has nothing.
    Empty,
    /// The server can't tell.
    Failed,
    /// Bytes that are no answer.
    Garbage,
    /// Nothing at all.
    Silence,
}

impl Answer {
    /// Addresses, good for so many seconds.
    pub fn addresses(ttl: u32, addresses: &[Ipv4Addr]) -> Self {
        Self::Addresses(ttl, addresses.to_vec())
    }
}

/// A record of a service.
#[derive(Clone, Debug)]
pub struct Service {
    /// The least is asked.
    pub priority: u16,
    /// Its share.
    pub weight: u16,
    /// Its port.
    pub port: u16,
    /// Its name.
    pub target: String,
}

/// A running name server. It ends when it is dropped.
#[derive(Debug)]
pub struct Dns {
    address: SocketAddr,
    zone: Arc<Zone>,
    serving: [JoinHandle<()>; 2],
}

#[derive(Debug, Default)]
struct Zone {
    names: Mutex<BTreeMap<String, Answer>>,
    asked: AtomicUsize,
}

impl Dns {
    /// Begins to serve; no name exists.
    pub async fn start() -> Self {
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            // Somebody else may have the port by TCP.
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
                break (udp, tcp);
            }
        };
        let (address, zone) = (udp.local_addr().unwrap(), Arc::<Zone>::default());
        let by_udp = tokio::spawn(serve_udp(udp, Arc::clone(&zone)));
        let by_tcp = tokio::spawn(serve_tcp(tcp, Arc::clone(&zone)));
        Self { address, zone, serving: [by_udp, by_tcp] }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Says this of a name from now on.
    pub fn say(&self, name: &str, answer: Answer) {
        self.zone.names.lock().unwrap().insert(name.to_owned(), answer);
    }

    /// How often it was asked anything.
    pub fn asked(&self) -> usize {
        self.zone.asked.load(Ordering::SeqCst)
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.serving.iter().for_each(JoinHandle::abort);
    }
}

/// The most that goes into one datagram.
const DATAGRAM_BYTES_MAX: usize = 512;

async fn serve_udp(socket: UdpSocket, zone: Arc<Zone>) {
    let mut bytes = [0; 4096];
    while let Ok((length, client)) = socket.recv_from(&mut bytes).await {
        let Some(mut answer) = zone.answer(&bytes[..length]) else { continue };
        if answer.len() > DATAGRAM_BYTES_MAX {
            answer = Message::from_vec(&answer).unwrap().truncate().to_vec().unwrap();
        }
        // Whoever asked may have gone.
        drop(socket.send_to(&answer, client).await);
    }
}

async fn serve_tcp(listener: TcpListener, zone: Arc<Zone>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(converse(stream, Arc::clone(&zone)));
    }
}

/// Answers until the client has no further question.
async fn converse(mut stream: TcpStream, zone: Arc<Zone>) {
    while let Ok(length) = stream.read_u16().await {
        let mut question = vec![0; length.into()];
        if stream.read_exact(&mut question).await.is_err() {
            return;
        }
        let Some(answer) = zone.answer(&question) else { continue };
        let length = u16::try_from(answer.len()).unwrap();
        let bytes = [&length.to_be_bytes()[..], &answer].concat();
        if stream.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

impl Zone {
    fn answer(&self, question: &[u8]) -> Option<Vec<u8>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let asked = Message::from_vec(question).unwrap();
        let query = asked.queries.first().unwrap().clone();
        let name = query.name().to_ascii().trim_end_matches('.').to_owned();
        let answer = self.names.lock().unwrap().get(&name).cloned();
        let mut message = Message::response(asked.metadata.id, OpCode::Query);
        message.metadata.recursion_available = true;
        message.add_query(query.clone());
        match answer.unwrap_or(Answer::NoName) {
            Answer::Silence => return None,
            Answer::Garbage => return Some(question[..2].repeat(9)),
            Answer::NoName => message.metadata.response_code = ResponseCode::NXDomain,
            Answer::Failed => message.metadata.response_code = ResponseCode::ServFail,
            Answer::Addresses(ttl, addresses) if query.query_type() == RecordType::A => {
                let data = addresses.into_iter().map(|address| RData::A(address.into()));
                add(&mut message, &query, ttl, data);
            }
            Answer::Services(ttl, services) if query.query_type() == RecordType::SRV => {
                add(&mut message, &query, ttl, services.into_iter().map(service));
            }
            Answer::Empty | Answer::Addresses(..) | Answer::Services(..) => {}
        }
        Some(message.to_vec().unwrap())
    }
}

fn service(Service { priority, weight, port, target }: Service) -> RData {
    let target = Name::from_ascii(format!("{target}.")).unwrap();
    RData::SRV(SRV::new(priority, weight, port, target))
}

fn add(message: &mut Message, query: &Query, ttl: u32, data: impl Iterator<Item = RData>) {
    let record = |data| Record::from_rdata(query.name().clone(), ttl, data);
    message.add_answers(data.map(record));
}
