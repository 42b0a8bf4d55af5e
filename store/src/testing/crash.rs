//! Crashes by chance, the same for the same seed, and what must be true after each.

use std::{env, sync::Arc};

use crate::{
    batch::{Batch, Operation},
    disk::Disk,
    engine::{Engine, Failure, Refused, Verdict},
    error::Error,
    item::{Condition, Key},
    testing::{
        memory::Memory,
        sim_disk::{Fault, SimDisk},
        world::{self, Picture, picture},
    },
};

/// Opens the engine under test on a disk: on an empty one, or on what a crash left.
pub type Open = dyn Fn(Arc<dyn Disk>) -> Result<Box<dyn Engine>, Failure>;

const LIVES: usize = 5;
const GROUPS_IN_A_LIFE_MAX: usize = 30;
const BATCHES_IN_A_GROUP_MAX: usize = 6;
const ACCESSES_MAX: u64 = 400;
const SEEDS: u64 = 256;

/// What a run of one seed did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CrashReport {
    /// Batches that were acknowledged.
    pub acknowledged: usize,
    /// Times the disk failed in the middle of something.
    pub faults: usize,
    /// Groups that turned out durable without an acknowledgement, as a whole or up to a batch.
    pub surprises: usize,
}

/// The seeds to run: the one of `HEADGATE_SIM_SEED`, or as many as `HEADGATE_SIM_SEEDS` says, or
/// 256.
pub fn seeds() -> Vec<u64> {
    let many = env::var("HEADGATE_SIM_SEEDS").ok().and_then(|many| many.parse().ok());
    let one = env::var("HEADGATE_SIM_SEED").ok();
    let one = one.and_then(|text| {
        let digits = text.strip_prefix("0x");
        digits.map_or_else(|| text.parse().ok(), |hex| u64::from_str_radix(hex, 16).ok())
    });
    one.map_or_else(|| (0..many.unwrap_or(SEEDS)).collect(), |seed| vec![seed])
}

/// Runs one seed: lives of an engine on one disk, each ended by a fault, a crash and a reopening.
///
/// After each the engine holds every acknowledged batch, and of the group that was on its way the
/// batches up to some one, each as a whole. Before the fault its verdicts are the model's.
///
/// # Errors
///
/// Seed, step and what was found.
pub fn crash_and_reopen(seed: u64, lie: Option<Fault>, open: &Open) -> Result<CrashReport, String> {
    let mut run = Run {
        chance: fastrand::Rng::with_seed(seed),
        disk: SimDisk::new(),
        model: Memory::new(),
        report: CrashReport::default(),
        step: 0,
    };
    run.lives(lie, open).map_err(|found| format!("seed {seed:#x}, step {}: {found}", run.step))?;
    Ok(run.report)
}

struct Run {
    chance: fastrand::Rng,
    disk: SimDisk,
    model: Memory,
    report: CrashReport,
    step: usize,
}

impl Run {
    fn lives(&mut self, lie: Option<Fault>, open: &Open) -> Result<(), String> {
        let mut engine = self.reopen(open)?;
        for _ in 0..LIVES {
            let fault = lie.unwrap_or_else(|| self.fault());
            self.disk.set_fault(Some(fault));
            let unknown = self.life(&*engine)?;
            drop(engine);
            self.disk.crash(&mut self.chance);
            self.step += 1;
            engine = self.reopen(open)?;
            self.settle(&*engine, &unknown)?;
        }
        Ok(())
    }

    /// Opens, sometimes after the power went while opening.
    fn reopen(&mut self, open: &Open) -> Result<Box<dyn Engine>, String> {
        let created = self.disk.bits() > 0;
        if created && self.chance.bool() {
            self.disk.set_fault(Some(Fault::PowerOff(self.chance.u64(1..30))));
            drop(open(Arc::new(self.disk.clone())));
            self.disk.crash(&mut self.chance);
        }
        self.disk.set_fault(None);
        open(Arc::new(self.disk.clone())).map_err(|failure| format!("not opened: {failure:?}"))
    }

    fn fault(&mut self) -> Fault {
        let at = self.chance.u64(1..ACCESSES_MAX);
        match self.chance.u8(..8) {
            0 => Fault::SyncFails(at / 20 + 1),
            1 => Fault::WriteFails(at),
            2 => Fault::NoSpace(at),
            _ => Fault::PowerOff(at),
        }
    }

    /// Commits groups until the engine fails; tells the group of which nothing is known.
    fn life(&mut self, engine: &dyn Engine) -> Result<Vec<Batch>, String> {
        for _ in 0..self.chance.usize(1..=GROUPS_IN_A_LIFE_MAX) {
            self.step += 1;
            let batches = self.chance.usize(1..=BATCHES_IN_A_GROUP_MAX);
            let group: Vec<_> = (0..batches).map(|_| world::batch(&mut self.chance)).collect();
            let Ok(verdicts) = engine.commit(&group) else {
                self.report.faults += 1;
                return Ok(group);
            };
            let expected = self.model.commit(&group).map_err(|failure| failure.to_string())?;
            compare(&verdicts, &expected)?;
            self.report.acknowledged += verdicts.iter().filter(|verdict| verdict.is_ok()).count();
        }
        Ok(Vec::new())
    }

    fn settle(&mut self, engine: &dyn Engine, unknown: &[Batch]) -> Result<(), String> {
        let found = state(engine)?;
        if found == state(&self.model.copy())? {
            return state(&self.model).map(|_| ());
        }
        for batch in unknown {
            self.model.commit(std::slice::from_ref(batch)).map_err(|error| error.to_string())?;
            if found == state(&self.model.copy())? {
                self.report.surprises += 1;
                return state(&self.model).map(|_| ());
            }
        }
        Err(format!("holds neither what was acknowledged nor that and whole batches: {found:?}"))
    }
}

/// Everything that shows, and the number of the next batch, which takes one.
fn state(engine: &dyn Engine) -> Result<(Picture, u64), String> {
    let failed = |failure: Failure| format!("not read: {failure:?}");
    let probe = Batch::new()
        .with(Operation::Check { key: Key::new("probe", "probe"), when: Condition::Always });
    let picture = picture(engine).map_err(failed)?;
    match engine.commit(&[probe]).map_err(failed)?.as_slice() {
        [Ok(ack)] => Ok((picture, ack.sequence)),
        other => Err(format!("no verdict on a probe: {other:?}")),
    }
}

/// Verdicts are the same but for the durability.
fn compare(found: &[Verdict], expected: &[Verdict]) -> Result<(), String> {
    let plain = |verdict: &Verdict| match verdict {
        Ok(ack) => format!("{:?} {:?}", ack.sequence, ack.done),
        Err(Error::Refused(Refused { operation, current })) => {
            format!("{operation} refused by {:?}", current.as_ref().map(|item| item.version))
        }
        Err(error) => error.to_string(),
    };
    let found: Vec<_> = found.iter().map(plain).collect();
    let expected: Vec<_> = expected.iter().map(plain).collect();
    if found == expected { Ok(()) } else { Err(format!("{found:?} instead of {expected:?}")) }
}
