//! The machine that figures come from, and which core does what.

use std::fs;

use anyhow::{Context, Result, bail};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde::Serialize;

/// What figures depend on beside the code.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// The processor's name.
    pub model: String,
    /// Processors that this process may use.
    pub cores: usize,
    /// The kernel's release.
    pub kernel: String,
    /// Runnable tasks, averaged over the minute before the run. Above 0.5, others were at work.
    pub load_before: String,
}

impl Machine {
    /// Reads what the system says.
    ///
    /// # Errors
    ///
    /// This is not Linux, or `/proc` is not there.
    pub fn read() -> Result<Self> {
        let cpu = read("/proc/cpuinfo")?;
        let model = cpu.lines().find(|line| line.starts_with("model name"));
        let model =
            model.and_then(|line| line.split_once(": ")).map_or("unknown", |(_, name)| name);
        let load = read("/proc/loadavg")?;
        Ok(Self {
            model: model.to_owned(),
            cores: allowed()?.len(),
            kernel: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            load_before: load.split(' ').next().unwrap_or_default().to_owned(),
        })
    }
}

/// Who runs where.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Cores {
    /// The generator and the origin.
    pub load: usize,
    /// The proxy under test.
    pub proxy: usize,
}

impl Cores {
    /// The first two processors of this process, and moves the caller to the first.
    ///
    /// # Errors
    ///
    /// There is only one: a proxy that shares it with its own load can't be measured.
    pub fn take() -> Result<Self> {
        let allowed = allowed()?;
        let &[load, proxy, ..] = allowed.as_slice() else {
            bail!("a load test needs two processors");
        };
        pin(load)?;
        Ok(Self { load, proxy })
    }
}

/// Moves the calling thread, and what it starts from here on, to one processor.
///
/// # Errors
///
/// The processor is not there.
pub fn pin(core: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).with_context(|| format!("can't run on processor {core}"))
}

fn allowed() -> Result<Vec<usize>> {
    let set = sched_getaffinity(None).context("can't read the allowed processors")?;
    Ok((0..CpuSet::MAX_CPU).filter(|&core| set.is_set(core)).collect())
}

/// A file of `/proc`.
///
/// # Errors
///
/// It is not there.
pub fn read(path: &str) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("can't read {path}"))
}
