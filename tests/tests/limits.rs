//! The algorithms of the concurrency limit in simulated time: scenario files in, bounds on goodput, limit, latency and
//! recovery out. `cargo test -p campanile-tests --test limits -- --nocapture` prints all figures.

use campanile_tests::simulation::limits::{Best, check, find};

/// Every scenario file is a test of its name, and is in the list.
macro_rules! scenarios {
    ($($(#[$about:meta])* $name:ident)*) => {
        const ALL: &[&str] = &[$(stringify!($name)),*];

        $(
            $(#[$about])*
            #[test]
            fn $name() {
                check(stringify!($name));
            }
        )*
    };
}

scenarios! {
    // The figures G5 and G6.
    short_loads
    llm_loads
    // The figure G7.
    short_slots
    short_speed
    llm_batch
    llm_speed
    // Where less is to be had.
    small_loads
    llm_whole
    // What takes other limits down.
    llm_quota
    short_faults
    short_errors
    short_stall
    short_far
    // A peer's AIMD served 1,580 calls/s of 2,000 in the first, and 40 of 942 in the second.
    closed_slots
    closed_varied
}

#[test]
fn every_file_is_tested() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/limits");
    let mut files: Vec<String> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|file| file.strip_suffix(".json").map(str::to_owned))
        .filter(|name| name != "best")
        .collect();
    files.sort_unstable();
    let mut all = ALL.to_vec();
    all.sort_unstable();
    assert_eq!(files, all);
}

/// Two of the best static limits, as they were written down.
#[test]
fn the_best_static_limits_are_found_again() {
    for name in ["closed_slots", "small_loads"] {
        let (found, written) = (find(name), Best::read(name));
        assert_eq!(found.len(), written.len());
        for (found, written) in found.iter().flatten().zip(written.iter().flatten()) {
            let off = (found.goodput / written.goodput - 1.0).abs();
            assert!(off < 0.005, "{name}: {found:?}, but written is {written:?}");
        }
    }
}

/// Writes `scenarios/limits/best.json` again.
#[test]
#[ignore = "takes minutes, in release"]
fn find_the_best_static_limits() {
    for name in ALL {
        Best::write(name, find(name));
    }
}
