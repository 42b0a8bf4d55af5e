//! Every place at which a worker can die, by mode: what is left of it, and the table that says so.

mod cell;

use std::fmt::Write;

use crate::testing::{
    failing::Fault,
    sim::event::{LEASE, Mode},
};
use cell::{Cell, Plan, Trouble};

/// A row: where it goes wrong, and how that is brought about in each mode.
struct Row {
    name: &'static str,
    what: &'static str,
    plan: fn(Mode) -> Option<Plan>,
}

/// A store that does not answer for twice the lease.
const STALL: std::time::Duration = LEASE.saturating_mul(2);

/// Calls of the store in the happy path of a mode, by number from 0.
struct Calls {
    /// The write that claims. None: there is none.
    claim: Option<usize>,
    /// The first call after the effect outside. None: there is none.
    after_effect: Option<usize>,
    commit: usize,
}

const fn calls(mode: Mode) -> Calls {
    match mode {
        // Read the state, commit.
        Mode::Transactional => Calls { claim: None, after_effect: None, commit: 1 },
        // Claim, plan the effect, journal the effect, read the state, commit.
        Mode::Keyed => Calls { claim: Some(0), after_effect: Some(2), commit: 4 },
        // Claim, read the state, commit.
        Mode::LeasedRetry | Mode::LeasedHold => {
            Calls { claim: Some(0), after_effect: Some(1), commit: 2 }
        }
    }
}

fn fault(at: Option<usize>, fault: Fault) -> Option<Plan> {
    at.map(|at| Plan { fault: Some((at, fault)), trouble: Trouble::None })
}

const fn trouble(trouble: Trouble) -> Plan {
    Plan { fault: None, trouble }
}

const ROWS: [Row; 15] = [
    Row {
        name: "C1",
        what: "the worker dies before its first request",
        plan: |_| fault(Some(0), Fault::DieBefore),
    },
    Row {
        name: "C2",
        what: "the claim is written, its answer is lost",
        plan: |mode| fault(calls(mode).claim, Fault::LoseReply),
    },
    Row {
        name: "C3",
        what: "the worker dies after the claim, before any effect",
        plan: |mode| fault(calls(mode).claim, Fault::DieAfter),
    },
    Row {
        name: "C4",
        what: "the worker dies in the effect outside",
        plan: |mode| fault(calls(mode).after_effect, Fault::DieBefore),
    },
    Row {
        name: "C5",
        what: "the effect is done, and the worker dies before the commit",
        plan: |mode| fault(Some(calls(mode).commit), Fault::DieBefore),
    },
    Row {
        name: "C6",
        what: "the commit is written, its answer is lost",
        plan: |mode| fault(Some(calls(mode).commit), Fault::LoseReply),
    },
    Row {
        name: "C7–C8",
        what: "the worker dies after the commit; children wait for no relay, they are part of it",
        plan: |mode| fault(Some(calls(mode).commit), Fault::DieAfter),
    },
    Row {
        name: "C9",
        what: "the event is committed, the consumer's offset is not",
        plan: |_| Some(trouble(Trouble::OffsetLater)),
    },
    Row {
        name: "C10",
        what: "a worker that lost the partition commits an old offset",
        plan: |_| Some(trouble(Trouble::OldOffset)),
    },
    Row {
        name: "C11",
        what: "the worker is stopped for twice its lease, then goes on",
        plan: |_| Some(trouble(Trouble::Stopped)),
    },
    Row {
        name: "C11",
        what: "its commit is under way for twice the lease",
        plan: |mode| fault(Some(calls(mode).commit), Fault::StallBefore(STALL)),
    },
    Row {
        name: "C12",
        what: "the partition moves while the handler runs",
        plan: |_| Some(trouble(Trouble::Moved)),
    },
    Row {
        name: "C13",
        what: "the store is down for a while",
        plan: |_| fault(Some(0), Fault::Down(5)),
    },
    Row {
        name: "C15",
        what: "the record has expired, and the log is read again",
        plan: |_| Some(trouble(Trouble::Expired)),
    },
    Row {
        name: "C16",
        what: "the next worker's clock is ten minutes ahead",
        plan: |_| Some(trouble(Trouble::ClockAhead)),
    },
];

/// Plays every crash point in every mode, and gives the table of what came of it, in Markdown.
///
/// # Errors
///
/// The crash point, the mode and what must not be.
pub fn crash_points() -> Result<String, String> {
    let mut table = String::from(
        "| | where it goes wrong | transactional | keyed | leased, retry | leased, hold |\n\
         |---|---|---|---|---|---|\n",
    );
    for row in ROWS {
        write!(table, "| {} | {} |", row.name, row.what).map_err(|error| error.to_string())?;
        for mode in Mode::ALL {
            let cell = match (row.plan)(mode) {
                None => "–".to_owned(),
                Some(plan) => play(mode, plan)
                    .map_err(|found| format!("{} {mode:?}: {found}", row.name))?
                    .to_string(),
            };
            write!(table, " {cell} |").map_err(|error| error.to_string())?;
        }
        table.push('\n');
    }
    Ok(table)
}

/// Lets every call of the store in every mode go wrong in every way. Gives the number of plays.
///
/// # Errors
///
/// The mode, the call, the fault and what must not be; or that a mode makes other calls than it is
/// taken to make.
pub fn sweep() -> Result<usize, String> {
    let faults = [
        Fault::DieBefore,
        Fault::DieAfter,
        Fault::LoseRequest,
        Fault::LoseReply,
        Fault::StallBefore(STALL),
        Fault::StallAfter(STALL),
        Fault::Busy,
        Fault::Down(0),
    ];
    let mut plays = 0;
    for mode in Mode::ALL {
        let clean = play(mode, trouble(Trouble::None))?;
        if clean.calls != calls(mode).commit + 1 {
            return Err(format!("{mode:?} makes {} calls", clean.calls));
        }
        for at in 0..=calls(mode).commit {
            for fault in faults {
                let plan = Plan { fault: Some((at, fault)), trouble: Trouble::None };
                play(mode, plan).map_err(|found| format!("{mode:?} {at} {fault:?}: {found}"))?;
                plays += 1;
            }
        }
    }
    Ok(plays)
}

/// Plays a plan, and checks what the mode promises.
fn play(mode: Mode, plan: Plan) -> Result<Cell, String> {
    let cell = cell::play(mode, plan)?;
    let is_kept = match mode {
        Mode::Transactional => cell.recorded == 1 && cell.carried == 0 && !cell.is_held,
        Mode::Keyed => cell.recorded == 1 && cell.carried == 1 && !cell.is_held,
        Mode::LeasedRetry => {
            cell.recorded == 1 && !cell.is_held && (1..=1 + cell.losses).contains(&cell.carried)
        }
        Mode::LeasedHold if cell.is_held => cell.recorded == 0 && cell.carried <= 1,
        Mode::LeasedHold => cell.recorded == 1 && cell.carried == 1,
    };
    if is_kept { Ok(cell) } else { Err(format!("{cell:?}")) }
}
