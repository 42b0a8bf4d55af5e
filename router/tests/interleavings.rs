//! Every interleaving of the lock-free parts, by loom: the same source files, compiled against
//! loom's atomics in place of the standard library's.

#![allow(dead_code, reason = "the files are used whole by the crate, in part here")]
#![allow(unreachable_pub, reason = "the files are modules of the crate that they are taken from")]

mod sync {
    pub(crate) use loom::sync::atomic::{AtomicU64, Ordering};
}

#[path = "../src/overload/leases.rs"]
mod leases;
#[path = "../src/overload/seats.rs"]
mod seats;

use leases::Leases;
use loom::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};
use seats::{Bounds, Seats};

#[test]
fn two_threads_never_share_the_last_seat() {
    loom::model(|| {
        let seats = Arc::new(Seats::default());
        let bounds = Bounds { total: 1, own_and_lower: u32::MAX };
        let threads: Vec<_> = (0..2)
            .map(|class| {
                let seats = Arc::clone(&seats);
                thread::spawn(move || seats.take(class, bounds).is_ok())
            })
            .collect();
        let taken = threads.into_iter().map(|thread| thread.join().unwrap());
        assert_eq!(taken.filter(|taken| *taken).count(), 1);
        assert_eq!(seats.total(), 1);
    });
}

#[test]
fn seats_that_are_given_back_can_be_taken_again_and_none_is_lost() {
    loom::model(|| {
        let seats = Arc::new(Seats::default());
        let bounds = Bounds { total: 1, own_and_lower: u32::MAX };
        let most = Arc::new(AtomicU32::new(0));
        let threads: Vec<_> = (0..2)
            .map(|class| {
                let (seats, most) = (Arc::clone(&seats), Arc::clone(&most));
                thread::spawn(move || {
                    if seats.take(class, bounds).is_ok() {
                        most.fetch_max(seats.total(), Ordering::SeqCst);
                        seats.give(class);
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!((seats.total(), most.load(Ordering::SeqCst)), (0, 1));
    });
}

#[test]
fn as_many_probes_pass_as_there_are_leases() {
    loom::model(|| {
        let leases = Arc::new(Leases::new(1));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let leases = Arc::clone(&leases);
                thread::spawn(move || leases.take(10, 20).is_some())
            })
            .collect();
        let taken = threads.into_iter().map(|thread| thread.join().unwrap());
        assert_eq!(taken.filter(|taken| *taken).count(), 1);
    });
}

#[test]
fn a_late_probe_does_not_free_its_successors_place() {
    loom::model(|| {
        let leases = Arc::new(Leases::new(1));
        let late = leases.take(10, 20).unwrap();
        let giver = {
            let leases = Arc::clone(&leases);
            thread::spawn(move || leases.give(late))
        };
        let next = leases.take(25, 35);
        let was_held = giver.join().unwrap();
        // Whatever the order, no third one gets the place while the second holds it.
        let third = leases.take(26, 36);
        assert!(next.is_none() || third.is_none(), "given back by the late one: {was_held}");
    });
}
