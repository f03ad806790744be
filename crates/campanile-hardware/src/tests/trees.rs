//! Whole machines, as recorded trees of `/proc` and `/sys`; and the one that runs this.

use std::{
    fs,
    path::PathBuf,
    process,
    sync::atomic::{AtomicU32, Ordering},
};

use crate::*;

/// Files in a directory of their own, removed at the end.
struct Tree(PathBuf);

impl Tree {
    fn new(files: &[(&str, &str)]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "campanile-hardware-{}-{}",
            process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let root = std::env::temp_dir().join(name);
        fs::create_dir_all(&root).unwrap();
        let tree = Self(root);
        for (path, text) in files {
            tree.write(path, text);
        }
        tree
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(&self) -> Hardware {
        System::at(&self.0).read()
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn missing(hardware: &Hardware) -> Vec<Figure> {
    hardware.missing.iter().map(|m| m.figure).collect()
}

const PSI: &str = "some avg10=30.00 avg60=1.00 avg300=1.00 total=1000\n";

/// A pod: the quota stands on the pod's group, the memory limit on the container's.
const POD: &[(&str, &str)] = &[
    ("proc/self/status", "Name:\tx\nCpus_allowed_list:\t0-7\n"),
    ("sys/devices/system/cpu/online", "0-15\n"),
    ("proc/self/cgroup", "0::/pod/box\n"),
    (
        "proc/self/mountinfo",
        "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
    ),
    ("sys/fs/cgroup/pod/box/cpu.max", "max 100000\n"),
    ("sys/fs/cgroup/pod/cpu.max", "250000 100000\n"),
    (
        "sys/fs/cgroup/pod/cpu.stat",
        "usage_usec 5\nnr_periods 40\nnr_throttled 10\n",
    ),
    ("sys/fs/cgroup/pod/box/memory.max", "67108864\n"),
    ("sys/fs/cgroup/pod/box/memory.high", "max\n"),
    ("sys/fs/cgroup/pod/box/memory.current", "50331648\n"),
    (
        "sys/fs/cgroup/pod/box/memory.stat",
        "anon 1\ninactive_file 16777216\n",
    ),
    ("sys/fs/cgroup/pod/memory.max", "max\n"),
    ("sys/fs/cgroup/pod/box/cpu.pressure", PSI),
    ("proc/pressure/cpu", "some avg10=90.00 total=1\n"),
    ("proc/pressure/memory", PSI),
    ("proc/loadavg", "8.00 4.00 2.00 17/300 4711\n"),
];

#[test]
fn a_pod_has_what_its_groups_allow() {
    let hardware = Tree::new(POD).read();
    assert_eq!(hardware.missing, []);
    assert_eq!(
        hardware.cores,
        Cores {
            machine: 16,
            allowed: 8,
            quota: Some(2.5)
        }
    );
    assert_eq!(hardware.cores.usable(), 2.5, "a fraction of a core counts");
    assert_eq!(hardware.memory.limit, Some(64 << 20));
    assert_eq!(
        hardware.memory.available,
        32 << 20,
        "pages of files that can be dropped are free"
    );
    assert_eq!(hardware.memory.used(), Some(0.5));
    let throttling = hardware.throttling.unwrap();
    assert_eq!((throttling.periods, throttling.throttled), (40, 10));
    assert_eq!(
        hardware.cpu_pressure.unwrap().average,
        0.3,
        "its own, not the machine's"
    );
    assert_eq!(hardware.memory_pressure.unwrap().average, 0.3);
    assert_eq!(hardware.load.unwrap().running, Some(17));

    assert_eq!(Work::cpu().start(&hardware), 3.0, "2.5 cores");
    assert_eq!(Work::io().start(&hardware), 5.0);
    assert_eq!(Work::io().ceiling(&hardware), 10.0);
    assert_eq!(
        Work::memory(8 << 20).start(&hardware),
        3.0,
        "(32 - 6.4) MiB of 8 MiB"
    );
}

#[test]
fn a_soft_memory_limit_counts_too() {
    let tree = Tree::new(POD);
    tree.write("sys/fs/cgroup/pod/box/memory.high", "58720256\n");
    let hardware = tree.read();
    assert_eq!(hardware.memory.limit, Some(56 << 20));
    assert_eq!(hardware.memory.available, 24 << 20);
}

#[test]
fn version_one_is_read_where_version_two_has_nothing() {
    let hardware = Tree::new(&[
        ("proc/self/status", "Cpus_allowed_list:\t0-3\n"),
        ("sys/devices/system/cpu/online", "0-3\n"),
        (
            "proc/self/cgroup",
            "4:memory:/docker/ab\n1:cpu,cpuacct:/docker/ab\n0::/\n",
        ),
        (
            "proc/self/mountinfo",
            "32 31 0:29 /docker/ab /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n\
             35 31 0:32 /docker/ab /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
             41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
        ),
        ("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "150000\n"),
        ("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"),
        (
            "sys/fs/cgroup/cpu/cpu.stat",
            "nr_periods 4\nnr_throttled 1\n",
        ),
        ("sys/fs/cgroup/memory/memory.limit_in_bytes", "67108864\n"),
        ("sys/fs/cgroup/memory/memory.usage_in_bytes", "33554432\n"),
        (
            "sys/fs/cgroup/memory/memory.stat",
            "inactive_file 9\ntotal_inactive_file 16777216\n",
        ),
        ("sys/fs/cgroup/unified/cpu.pressure", PSI),
        ("sys/fs/cgroup/unified/memory.pressure", PSI),
        ("proc/loadavg", "1.00 4.00 2.00 1/300 4711\n"),
    ])
    .read();
    assert_eq!(hardware.missing, []);
    assert_eq!(hardware.cores.usable(), 1.5);
    assert_eq!(hardware.throttling.unwrap().throttled, 1);
    assert_eq!(hardware.memory.limit, Some(64 << 20));
    assert_eq!(hardware.memory.available, 48 << 20);
}

#[test]
fn what_cannot_be_read_is_none_and_named() {
    let tree = Tree::new(&[
        ("proc/self/cgroup", "0::/pod\n"),
        (
            "proc/self/mountinfo",
            "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
        ),
        ("sys/fs/cgroup/pod/cpu.max", "garbled\n"),
        ("sys/fs/cgroup/pod/memory.max", "67108864\n"),
    ]);
    let hardware = tree.read();
    assert_eq!((hardware.cores.quota, hardware.cpu_pressure), (None, None));
    assert_eq!(hardware.memory.limit, Some(64 << 20));
    assert!(hardware.memory.available <= 64 << 20);
    assert!(hardware.cores.usable() >= 1.0, "the standard library knows");
    let named = missing(&hardware);
    for figure in [
        Figure::CpuQuota,
        Figure::AllowedCores,
        Figure::OnlineCores,
        Figure::MemoryUsage,
        Figure::CpuPressure,
        Figure::MemoryPressure,
    ] {
        assert!(named.contains(&figure), "{figure:?} in {named:?}");
    }
    let report = hardware.to_string();
    assert!(report.contains("pod/cpu.max: not understood"), "{report}");
    assert!(report.contains("proc/pressure/memory: No such"), "{report}");
}

#[test]
fn a_path_of_another_namespace_does_not_lead_out_of_what_is_mounted() {
    let tree = Tree::new(POD);
    tree.write("proc/self/cgroup", "0::/../../pod/box\n");
    tree.write("sys/fs/cgroup/cpu.max", "75000 100000\n");
    tree.write("cpu.max", "1000 100000\n");
    assert_eq!(tree.read().cores.quota, Some(0.75), "that of the mount");
}

#[test]
fn an_empty_machine_still_gives_limits() {
    let hardware = Tree::new(&[]).read();
    assert!(missing(&hardware).contains(&Figure::CpuQuota));
    assert!(hardware.to_string().contains("no control group"));
    for work in [Work::cpu(), Work::io(), Work::memory(u64::MAX)] {
        assert!(work.start(&hardware) >= 1.0);
    }
}

#[test]
fn this_machine_can_be_read() {
    let hardware = Hardware::detect();
    let Cores {
        machine, allowed, ..
    } = hardware.cores;
    assert!(allowed >= 1 && machine >= 1, "{hardware}");
    assert!(hardware.cores.usable() > 0.0);
    assert!(hardware.cores.usable() <= f64::from(allowed));
    let memory = hardware.memory;
    assert!(memory.available > 0, "{hardware}");
    assert!(memory.available <= memory.usable(), "{hardware}");
    assert!(memory.usable() <= memory.machine, "{hardware}");
    assert!((0.0..1.0).contains(&memory.used().unwrap()));
    for stall in [hardware.cpu_pressure, hardware.memory_pressure]
        .into_iter()
        .flatten()
    {
        assert!((0.0..=1.0).contains(&stall.average));
    }
    if let Some(Throttling { periods, throttled }) = hardware.throttling {
        assert!(throttled <= periods);
    }
    for missing in &hardware.missing {
        assert!(!missing.tried.is_empty(), "{missing:?}");
    }

    let text = serde_json::to_string(&hardware).unwrap();
    assert_eq!(
        serde_json::from_str::<Hardware>(&text).unwrap().cores,
        hardware.cores
    );
    assert!(hardware.to_string().contains("cores: "));
}
