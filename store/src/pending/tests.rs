use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use super::*;
use crate::batch::Durability;

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn ack() -> Ack {
    Ack { sequence: 7, durability: Durability::Synced, done: Vec::new() }
}

fn poll(pending: &mut Pending, count: &Arc<Count>) -> Poll<Result<Ack, Error>> {
    let waker = Waker::from(Arc::clone(count));
    Pin::new(pending).poll(&mut Context::from_waker(&waker))
}

#[test]
fn the_last_task_to_ask_is_woken() {
    let (answer, mut pending) = super::pending();
    let (first, last) = (Arc::<Count>::default(), Arc::<Count>::default());
    assert!(poll(&mut pending, &first).is_pending());
    assert!(poll(&mut pending, &last).is_pending());
    answer.give(Ok(ack()));
    assert_eq!(first.0.load(Ordering::Relaxed), 0);
    assert_eq!(last.0.load(Ordering::Relaxed), 1);
    assert!(matches!(poll(&mut pending, &last), Poll::Ready(Ok(found)) if found == ack()));
    assert!(poll(&mut pending, &last).is_pending(), "an answer is given once");
}

#[test]
fn an_answer_that_came_first_is_there_at_once() {
    let (answer, pending) = super::pending();
    answer.give(Ok(ack()));
    assert_eq!(pending.wait().unwrap(), ack());
}

#[test]
fn a_thread_waits_for_the_answer_of_another() {
    let (answer, pending) = super::pending();
    let waiting = thread::spawn(move || pending.wait());
    answer.give(Ok(ack()));
    assert_eq!(waiting.join().unwrap().unwrap(), ack());
}

#[test]
fn a_committer_that_is_gone_leaves_nobody_waiting() {
    let (answer, pending) = super::pending();
    drop(answer);
    assert!(matches!(pending.wait(), Err(Error::Closed(Closed::CommitterGone))));
}
