use std::{
    pin::pin,
    sync::atomic::AtomicU32,
    task::{Wake, Waker},
};

use super::*;
use crate::access::tests::{exchange, line};

/// Counts how often it is woken.
#[derive(Default)]
struct Counting(AtomicU32);

impl Wake for Counting {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

fn told(tail: &Tail) -> Option<Told> {
    match tail.poll_told(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(told) => Some(told),
        Poll::Pending => None,
    }
}

#[test]
fn each_gets_the_lines_that_it_wants() {
    let (tails, exchange) = (Tails::default(), exchange());
    assert!(!tails.is_followed());
    let all = tails.follow(Box::new(|_| true)).unwrap();
    let none = tails.follow(Box::new(|line| line.status == Some(500))).unwrap();
    tails.tell(&line(&exchange));
    tails.tell(&line(&exchange));
    let mut twice = Vec::new();
    json::write(&mut twice, &line(&exchange));
    json::write(&mut twice, &line(&exchange));
    assert_eq!(told(&all), Some(Told { lines: twice, dropped: 0 }));
    assert_eq!((told(&all), told(&none)), (None, None));
    drop((all, none));
    assert!(!tails.is_followed());
}

#[test]
fn what_finds_no_room_is_dropped_and_counted() {
    let (tails, exchange) = (Tails::default(), exchange());
    let tail = tails.follow(Box::new(|_| true)).unwrap();
    let mut bytes = Vec::new();
    json::write(&mut bytes, &line(&exchange));
    let room = TAIL_BYTES_MAX.div_ceil(bytes.len());
    for _ in 0..room + 7 {
        tails.tell(&line(&exchange));
    }
    let lines = told(&tail).unwrap();
    assert_eq!((lines.lines.len(), lines.dropped), (room * bytes.len(), 7));
    tails.tell(&line(&exchange));
    assert_eq!(told(&tail).unwrap().dropped, 0);
}

#[test]
fn only_so_many_watch() {
    let tails = Tails::default();
    let mut all: Vec<_> =
        (0..TAILS_MAX).map(|_| tails.follow(Box::new(|_| true)).unwrap()).collect();
    assert!(tails.follow(Box::new(|_| true)).is_none());
    all.pop();
    assert!(tails.follow(Box::new(|_| true)).is_some());
}

#[test]
fn reader_is_woken_by_a_line() {
    let (tails, exchange) = (Tails::default(), exchange());
    let tail = tails.follow(Box::new(|_| true)).unwrap();
    let count = Arc::new(Counting::default());
    let waker = Waker::from(Arc::clone(&count));
    let mut context = Context::from_waker(&waker);
    let mut next = pin!(tail.told());
    assert!(next.as_mut().poll(&mut context).is_pending());
    tails.tell(&line(&exchange));
    assert_eq!(count.0.load(Relaxed), 1);
    assert!(next.as_mut().poll(&mut context).is_ready());
}
