//! What the machine gives the process, and what of that it uses: read from Linux' control groups,
//! of the first version or the second, since a container's share is not the machine's.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use headgate_gateway::{Edge, overload::Machine, server::Task};
use tokio::time::{Instant, MissedTickBehavior, interval};

/// How often the edge is told.
const EVERY: Duration = Duration::from_millis(100);
/// Memory changes slowly, and its figures are long: they are read in one turn of so many.
const MEMORY_TURNS: u32 = 10;
/// Ticks of `/proc/self/stat` in a second: `USER_HZ`, which is 100 on all that Linux runs on.
const TICKS_PER_SECOND: f64 = 100.0;
/// A limit of memory from here on is none: the first version says so with the largest number.
const NO_MEMORY_LIMIT: u64 = 1 << 60;

/// A figure that grows with the CPU time used, in seconds, and when it was read.
#[derive(Clone, Copy, Debug)]
struct Used {
    at: Instant,
    seconds: f64,
}

/// A control group that limits CPU time.
#[derive(Debug, PartialEq)]
struct CpuGroup {
    folder: PathBuf,
    /// Processors' worth of time.
    quota: f64,
    version: Version,
}

/// A control group that limits memory.
#[derive(Debug, PartialEq)]
struct MemoryGroup {
    folder: PathBuf,
    bytes_max: u64,
    version: Version,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Version {
    First,
    Second,
}

/// Reads what the process uses.
#[derive(Debug)]
pub(crate) struct Meter {
    proc: PathBuf,
    /// Processors that the process can keep busy.
    processors: f64,
    cpu: Option<CpuGroup>,
    memory: Option<MemoryGroup>,
    used: Option<Used>,
    used_in_group: Option<Used>,
    turn: u32,
    memory_share: Option<f64>,
}

/// Tells the edge, until the process ends.
pub(crate) fn task(edge: &Arc<Edge>, threads: usize) -> Task {
    let edge = Arc::clone(edge);
    Box::new(move |mut shutdown| {
        Box::pin(async move {
            let processors = std::thread::available_parallelism().map_or(1, usize::from);
            let mut meter = Meter::new(Path::new("/"), processors.min(threads));
            let mut turns = interval(EVERY);
            turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    // A sender that is gone means shutdown too.
                    _over = shutdown.wait_for(|is_over| *is_over) => return,
                    now = turns.tick() => edge.measured(meter.read(now)),
                }
            }
        })
    })
}

impl Meter {
    /// Looks for the limits of the process; `root` is `/` but in tests.
    fn new(root: &Path, processors: usize) -> Self {
        let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
        let mount = root.join("sys/fs/cgroup");
        Self {
            proc: root.join("proc/self/stat"),
            processors: u32::try_from(processors.max(1)).map_or(1.0, f64::from),
            cpu: cpu_group(&mount, &groups),
            memory: memory_group(&mount, &groups),
            used: None,
            used_in_group: None,
            turn: 0,
            memory_share: None,
        }
    }

    /// What is used of late.
    fn read(&mut self, now: Instant) -> Machine {
        let own = fs::read_to_string(&self.proc).ok().and_then(|stat| ticks(&stat));
        let own = own.map(|ticks| Used { at: now, seconds: ticks / TICKS_PER_SECOND });
        let in_group = self.cpu.as_ref().and_then(CpuGroup::used);
        let in_group = in_group.map(|seconds| Used { at: now, seconds });
        let own_share = share(&mut self.used, own, self.processors);
        let quota = self.cpu.as_ref().map_or(1.0, |group| group.quota);
        let group_share = share(&mut self.used_in_group, in_group, quota);
        if self.turn.is_multiple_of(MEMORY_TURNS) {
            self.memory_share = self.memory.as_ref().and_then(MemoryGroup::share);
        }
        self.turn = self.turn.wrapping_add(1);
        let cpu = match (own_share, group_share) {
            (Some(own), Some(group)) => Some(own.max(group)),
            (own, group) => own.or(group),
        };
        Machine { cpu, memory: self.memory_share }
    }
}

/// The share of what there was that was used between two readings.
fn share(before: &mut Option<Used>, now: Option<Used>, processors: f64) -> Option<f64> {
    let now = now?;
    let before = before.replace(now)?;
    let seconds = now.at.duration_since(before.at).as_secs_f64();
    let used = (now.seconds - before.seconds).max(0.0);
    (seconds > 0.0).then(|| used / (seconds * processors))
}

/// User and system time in `/proc/self/stat`, whose second field may hold anything in its brackets.
fn ticks(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// The folder of the process's group below where groups are mounted. In a container without a
/// name space of its own the path is the host's, and what is mounted is the group itself.
fn folder(mount: &Path, path: &str) -> PathBuf {
    let own = mount.join(path.trim_start_matches('/'));
    if own.is_dir() { own } else { mount.to_owned() }
}

/// The process's path for a controller in `/proc/self/cgroup`; for the second version its one path.
fn path_of<'a>(groups: &'a str, controller: &str) -> Option<&'a str> {
    groups.lines().find_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        controllers.split(',').any(|one| one == controller).then_some(path)
    })
}

/// The folder and those above it, up to the mount.
fn upward<'a>(folder: &'a Path, mount: &'a Path) -> impl Iterator<Item = &'a Path> {
    folder.ancestors().take_while(move |above| above.starts_with(mount))
}

/// The tightest limit of CPU time that holds for the process.
fn cpu_group(mount: &Path, groups: &str) -> Option<CpuGroup> {
    if let Some(path) = path_of(groups, "cpu") {
        let mount = ["cpu,cpuacct", "cpu"].map(|name| mount.join(name));
        let mount = mount.iter().find(|mount| mount.is_dir())?;
        let own = folder(mount, path);
        let quota = |folder: &Path| {
            let quota = number(&folder.join("cpu.cfs_quota_us"))?;
            Some(quota / number(&folder.join("cpu.cfs_period_us"))?)
        };
        let version = Version::First;
        return upward(&own, mount)
            .filter_map(|folder| Some((folder, quota(folder).filter(|quota| *quota > 0.0)?)))
            .min_by(|one, other| one.1.total_cmp(&other.1))
            .map(|(folder, quota)| CpuGroup { folder: folder.to_owned(), quota, version });
    }
    let own = folder(mount, path_of(groups, "")?);
    let quota = |folder: &Path| {
        let text = fs::read_to_string(folder.join("cpu.max")).ok()?;
        let (quota, period) = text.trim().split_once(' ')?;
        Some(quota.parse::<f64>().ok()? / period.parse::<f64>().ok()?)
    };
    upward(&own, mount)
        .filter_map(|folder| Some((folder, quota(folder)?)))
        .min_by(|one, other| one.1.total_cmp(&other.1))
        .map(|(folder, quota)| CpuGroup {
            folder: folder.to_owned(),
            quota,
            version: Version::Second,
        })
}

/// The tightest limit of memory that holds for the process.
fn memory_group(mount: &Path, groups: &str) -> Option<MemoryGroup> {
    let (mount, path, name, version) = match path_of(groups, "memory") {
        Some(path) => (mount.join("memory"), path, "memory.limit_in_bytes", Version::First),
        None => (mount.to_owned(), path_of(groups, "")?, "memory.max", Version::Second),
    };
    let own = folder(&mount, path);
    let limit = |folder: &Path| {
        let text = fs::read_to_string(folder.join(name)).ok()?;
        text.trim().parse::<u64>().ok().filter(|bytes| *bytes < NO_MEMORY_LIMIT)
    };
    upward(&own, &mount)
        .filter_map(|folder| Some((folder, limit(folder)?)))
        .min_by_key(|(_, bytes_max)| *bytes_max)
        .map(|(folder, bytes_max)| MemoryGroup { folder: folder.to_owned(), bytes_max, version })
}

impl CpuGroup {
    /// Seconds of CPU time that its processes have used.
    fn used(&self) -> Option<f64> {
        match self.version {
            Version::First => Some(number(&self.folder.join("cpuacct.usage"))? / 1e9),
            Version::Second => {
                let stat = fs::read_to_string(self.folder.join("cpu.stat")).ok()?;
                Some(figure(&stat, "usage_usec")? / 1e6)
            }
        }
    }
}

impl MemoryGroup {
    /// What its processes use of the limit. Files that were read and could be dropped do not count,
    /// as with Kubernetes' working set.
    fn share(&self) -> Option<f64> {
        let (used, dropped) = match self.version {
            Version::First => ("memory.usage_in_bytes", "total_inactive_file"),
            Version::Second => ("memory.current", "inactive_file"),
        };
        let used = number(&self.folder.join(used))?;
        let stat = fs::read_to_string(self.folder.join("memory.stat")).unwrap_or_default();
        let dropped = figure(&stat, dropped).unwrap_or(0.0);
        Some((used - dropped).max(0.0) / self.bytes_max as f64)
    }
}

/// A figure of a file with one name and one figure a line.
fn figure(text: &str, name: &str) -> Option<f64> {
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.find(|(found, _)| *found == name)?.1.trim().parse().ok()
}

fn number(path: &Path) -> Option<f64> {
    let read = || -> io::Result<String> { fs::read_to_string(path) };
    read().ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests;
