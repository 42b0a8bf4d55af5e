use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use super::*;
use crate::{origin, wire};

#[test]
fn closed_loop_counts_every_answer() {
    let mut generator =
        Generator::new(origin::start().unwrap(), wire::request("/", None), 4).unwrap();
    let tally = generator.closed(Duration::from_millis(20)).unwrap();
    assert!(tally.latencies.len() >= 4);
    assert_eq!((tally.refused, tally.broken, tally.unsent), (0, 0, 0));
    assert!(tally.took >= Duration::from_millis(20));
}

#[test]
fn open_loop_sends_what_is_due_and_no_more() {
    let mut generator =
        Generator::new(origin::start().unwrap(), wire::request("/", None), 4).unwrap();
    let tally = generator.open(2_000, Duration::from_millis(50), 7).unwrap();
    let end = clock::span(Duration::from_millis(50));
    let mut arrivals = Arrivals::new(0, 2_000, 7);
    let due = std::iter::from_fn(|| Some(arrivals.take())).take_while(|due| *due < end).count();
    assert_eq!(tally.latencies.len(), due);
}

#[test]
fn arrivals_keep_their_rate() {
    let mut arrivals = Arrivals::new(0, 1_000, 1);
    let count = 100_000;
    let last = (0..count).map(|_| arrivals.take()).last().unwrap();
    let seconds = last as f64 / 1e9;
    assert!((98.0..102.0).contains(&seconds), "{seconds}");
}

#[test]
fn refusals_and_closed_connections_are_counted() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let answers = [
            "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno",
            "HTTP/1.1 200 OK\r\ncontent-le",
        ];
        let mut answers = answers.into_iter().cycle();
        while let Ok((mut stream, _)) = listener.accept() {
            let mut request = [0; 1024];
            let _sent = stream.read(&mut request).unwrap();
            stream.write_all(answers.next().unwrap().as_bytes()).unwrap();
        }
    });
    let mut generator = Generator::new(address, wire::request("/", None), 1).unwrap();
    let tally = generator.closed(Duration::from_millis(20)).unwrap();
    assert!(tally.refused > 0 && tally.broken > 0, "{tally:?}");
    assert_eq!(tally.refused, tally.latencies.len() as u64);
}
