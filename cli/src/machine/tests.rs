use tempfile::TempDir;

use super::*;

fn root(files: &[(&str, &str)]) -> TempDir {
    let root = TempDir::new().unwrap();
    for (name, text) in files {
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    root
}

fn write(root: &TempDir, name: &str, text: &str) {
    fs::write(root.path().join(name), text).unwrap();
}

/// Half a second of user time and as much of system time.
const STAT: &str = "7 (a) name) S 1 7 7 0 -1 0 0 0 0 0 50 50 0 0 20 0 4 0 100 0 0";

fn after(meter: &mut Meter, start: Instant, millis: u64) -> Machine {
    meter.read(start + Duration::from_millis(millis))
}

#[test]
fn without_limits_the_processors_that_it_can_keep_busy_count() {
    let root = root(&[("proc/self/stat", STAT), ("proc/self/cgroup", "0::/\n")]);
    let (mut meter, start) = (Meter::new(root.path(), 2), Instant::now());
    assert_eq!(after(&mut meter, start, 0), Machine::default());
    write(&root, "proc/self/stat", &STAT.replace("50 50", "130 70"));
    let machine = after(&mut meter, start, 1_000);
    assert_eq!((machine.cpu, machine.memory), (Some(0.5), None));
}

#[test]
fn second_version_limits_by_the_tightest_group_above() {
    let root = root(&[
        ("proc/self/stat", STAT),
        ("proc/self/cgroup", "0::/pod/edge\n"),
        ("sys/fs/cgroup/pod/cpu.max", "50000 100000\n"),
        ("sys/fs/cgroup/pod/cpu.stat", "usage_usec 1000000\nuser_usec 1\n"),
        ("sys/fs/cgroup/pod/memory.max", "1000\n"),
        ("sys/fs/cgroup/pod/memory.current", "900\n"),
        ("sys/fs/cgroup/pod/memory.stat", "anon 1\ninactive_file 100\n"),
        ("sys/fs/cgroup/pod/edge/cpu.max", "max 100000\n"),
        ("sys/fs/cgroup/pod/edge/cpu.stat", "usage_usec 7\n"),
        ("sys/fs/cgroup/pod/edge/memory.max", "max\n"),
        ("sys/fs/cgroup/pod/edge/memory.current", "7\n"),
    ]);
    let (mut meter, start) = (Meter::new(root.path(), 8), Instant::now());
    assert_eq!(after(&mut meter, start, 0).memory, Some(0.8));
    write(&root, "sys/fs/cgroup/pod/cpu.stat", "usage_usec 1400000\n");
    let cpu = after(&mut meter, start, 1_000).cpu.unwrap();
    assert!((cpu - 0.8).abs() < 1e-9, "0.4 s in a second of half a processor: {cpu}");
}

#[test]
fn first_version_has_a_folder_for_each_controller() {
    let root = root(&[
        ("proc/self/stat", STAT),
        ("proc/self/cgroup", "4:memory:/docker/a\n3:cpu,cpuacct:/docker/a\n"),
        // A container without a name space of its own sees its group where the mount is.
        ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "200000\n"),
        ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
        ("sys/fs/cgroup/cpu,cpuacct/cpuacct.usage", "1000000000\n"),
        ("sys/fs/cgroup/memory/memory.limit_in_bytes", "1000\n"),
        ("sys/fs/cgroup/memory/memory.usage_in_bytes", "970\n"),
        ("sys/fs/cgroup/memory/memory.stat", "total_inactive_file 10\n"),
    ]);
    let (mut meter, start) = (Meter::new(root.path(), 8), Instant::now());
    assert_eq!(after(&mut meter, start, 0).memory, Some(0.96));
    write(&root, "sys/fs/cgroup/cpu,cpuacct/cpuacct.usage", "2500000000\n");
    assert_eq!(after(&mut meter, start, 1_000).cpu, Some(0.75));
}

#[test]
fn limits_that_are_none_are_none() {
    let root = root(&[
        ("proc/self/stat", STAT),
        ("proc/self/cgroup", "4:memory:/\n3:cpu:/\n"),
        ("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n"),
        ("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"),
        ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
        ("sys/fs/cgroup/memory/memory.usage_in_bytes", "970\n"),
    ]);
    let meter = Meter::new(root.path(), 1);
    assert_eq!((meter.cpu, meter.memory), (None, None));
}

#[test]
fn where_nothing_can_be_read_nothing_is_known() {
    let root = root(&[]);
    let mut meter = Meter::new(root.path(), 1);
    let start = Instant::now();
    after(&mut meter, start, 0);
    assert_eq!(after(&mut meter, start, 100), Machine::default());
}
