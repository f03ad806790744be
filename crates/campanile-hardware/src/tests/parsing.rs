//! The kernel's files as they were recorded, and as they never should be.

use proptest::prelude::*;

use crate::{
    hardware::{Load, Stall, Throttling},
    source::parse::{self, Limit, Version},
};

const MOUNTS: &str = "\
23 1 0:21 / /proc rw,nosuid - proc proc rw
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
35 31 0:32 /docker/ab /sys/fs/cgroup/memory\\040box rw,relatime shared:7 master:2 - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";

#[test]
fn processor_quotas_are_cores() {
    assert_eq!(
        parse::cpu_max("250000 100000\n"),
        Some(Limit::At(2.5)),
        "a fraction"
    );
    assert_eq!(parse::cpu_max("50000\n"), Some(Limit::At(0.5)));
    assert_eq!(parse::cpu_max("max 100000\n"), Some(Limit::None));
    assert_eq!(parse::cpu_cfs("-1\n", "100000\n"), Some(Limit::None));
    assert_eq!(parse::cpu_cfs("150000\n", "100000\n"), Some(Limit::At(1.5)));
    for text in ["", "0 100000", "5 0", "lots", "-5 100000"] {
        assert_eq!(parse::cpu_max(text), None, "{text:?}");
    }
}

#[test]
fn lists_of_processors_are_counted() {
    assert_eq!(parse::cpu_list("0-3,8,10-11\n"), Some(7));
    assert_eq!(parse::cpu_list("0\n"), Some(1));
    assert_eq!(parse::cpu_list("0-4294967295,0"), Some(u32::MAX));
    for text in ["", "3-0", "a-b", "1,,2"] {
        assert_eq!(parse::cpu_list(text), None, "{text:?}");
    }
    let status = "Name:\tcat\nCpus_allowed:\t3\nCpus_allowed_list:\t0-1\nMems_allowed:\t1\n";
    assert_eq!(parse::allowed(status), Some(2));
}

#[test]
fn sizes_that_no_machine_has_are_no_limit() {
    assert_eq!(parse::bytes("max\n"), Some(Limit::None));
    assert_eq!(parse::bytes("9223372036854771712\n"), Some(Limit::None));
    assert_eq!(parse::bytes("536870912\n"), Some(Limit::At(512 << 20)));
    assert_eq!(parse::bytes("512M"), None);
}

#[test]
fn statistics_are_found_by_their_whole_name() {
    let text = "total_inactive_file 7\ninactive_file 4096\nnr_periods 200\nnr_throttled 50\nthrottled_usec 9\n";
    assert_eq!(parse::field(text, "inactive_file"), Some(4096));
    assert_eq!(parse::field(text, "inactive"), None);
    assert_eq!(
        parse::throttling(text),
        Some(Throttling {
            periods: 200,
            throttled: 50
        })
    );
}

#[test]
fn pressure_is_a_share() {
    let text = "some avg10=12.50 avg60=0.64 avg300=0.84 total=386881840\nfull avg10=99.00 avg60=0.00 avg300=0.00 total=0\n";
    assert_eq!(
        parse::stall(text),
        Some(Stall {
            average: 0.125,
            total_micros: Some(386_881_840)
        })
    );
    assert_eq!(
        parse::stall("some avg10=900\n").map(|stall| stall.average),
        Some(1.0)
    );
    for text in ["", "some avg10=nan", "some avg10=-1", "full avg10=1.00"] {
        assert_eq!(parse::stall(text), None, "{text:?}");
    }
}

#[test]
fn load_is_an_average_and_a_count() {
    assert_eq!(
        parse::load("0.21 0.25 0.52 3/94 14256\n"),
        Some(Load {
            one: 0.21,
            running: Some(3)
        })
    );
    assert_eq!(
        parse::load("4.00\n"),
        Some(Load {
            one: 4.0,
            running: None
        })
    );
    assert_eq!(parse::load("inf 0 0 1/1 1"), None);
}

#[test]
fn groups_and_where_they_are_mounted() {
    let groups =
        parse::memberships("4:memory:/docker/ab/c\n1:cpu,cpuacct:/\n0::/user.slice\n\n9\n");
    assert_eq!(groups.len(), 3);
    assert_eq!(groups[1].controllers, ["cpu", "cpuacct"]);
    assert_eq!(
        (groups[2].controllers.len(), groups[2].path.as_str()),
        (0, "/user.slice")
    );
    let mounts = parse::mounts(MOUNTS);
    assert_eq!(mounts.len(), 3);
    assert_eq!(mounts[1].root, "/docker/ab");
    assert_eq!(mounts[1].point, "/sys/fs/cgroup/memory box");
    assert_eq!(
        mounts[1].version,
        Version::One(vec!["rw".to_owned(), "memory".to_owned()])
    );
    assert_eq!(mounts[2].version, Version::Two);
}

/// Everything at once: garbage must be refused, or give figures that can be.
fn read_all(text: &str, other: &str) {
    for limit in [parse::cpu_max(text), parse::cpu_cfs(text, other)] {
        if let Some(Limit::At(cores)) = limit {
            assert!(cores > 0.0 && cores.is_finite());
        }
    }
    if let Some(stall) = parse::stall(text) {
        assert!((0.0..=1.0).contains(&stall.average));
    }
    if let Some(load) = parse::load(text) {
        assert!(load.one >= 0.0 && load.one.is_finite());
    }
    if let Some(cpus) = parse::cpu_list(text) {
        assert!(cpus > 0);
    }
    if let Some(Limit::At(bytes)) = parse::bytes(text) {
        assert!(bytes < 1 << 60);
    }
    let _ = (
        parse::allowed(text),
        parse::throttling(text),
        parse::field(text, other),
    );
    assert!(parse::memberships(text).len() <= text.lines().count());
    assert!(parse::mounts(text).len() <= text.lines().count());
}

proptest! {
    #[test]
    fn garbled_text_never_panics(text in "(?s).{0,80}", other in "(?s).{0,12}") {
        read_all(&text, &other);
    }

    #[test]
    fn text_that_is_nearly_right_never_panics(
        text in "(some |full |Cpus_allowed_list:|nr_periods )?[0-9a-z .,:/=+\\\\-]{0,40}( - cgroup2? [a-z]{0,4} [a-z,]{0,9})?\n?",
        other in "[-+]?[0-9]{0,24}\n?",
    ) {
        read_all(&text, &other);
        read_all(&other, &text);
    }

    #[test]
    fn a_recorded_file_with_a_hole_never_panics(at in 0..MOUNTS.len(), len in 0..200_usize, with in "\\PC{0,4}") {
        let mut text = MOUNTS.to_owned();
        let end = (at + len).min(text.len());
        text.replace_range(at..end, &with);
        read_all(&text, &with);
    }
}
