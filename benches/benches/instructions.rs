//! Instructions a call, counted by callgrind: timings on shared machines drift, these do not.
//!
//! `cargo bench -p campanile-benches --bench instructions -- --readme`
#![allow(missing_docs)] // a benchmark is a program

use std::{
    env,
    process::{Command, ExitCode},
};

use campanile::balance::{Ebw, LeastLoaded, PeakEwma};
use campanile_benches::{Table, drive, pool, report, runtime, tower_pool};

/// Calls of the shorter run; the longer one makes twice as many, and the difference is free of what comes before.
const CALLS: usize = 64_000;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().collect();
    if let [_, run, which, members, calls] = &arguments[..]
        && run == "--run"
    {
        return child(which, members, calls);
    }
    let mut table = Table::new([
        "members",
        "tower, buffer and peak EWMA",
        "EBW (default)",
        "peak EWMA",
        "least loaded",
    ]);
    for members in [3, 100, 1_000] {
        let mut row = vec![members.to_string()];
        for which in ["tower", "ebw", "peak", "least"] {
            match instructions(which, members) {
                Ok(count) => row.push(format!("{count:.0}")),
                Err(error) => {
                    eprintln!("callgrind: {error}");
                    return ExitCode::FAILURE;
                }
            }
        }
        table.row(row);
    }
    report(&table, "instructions")
}

fn instructions(which: &str, members: usize) -> Result<f64, Box<dyn std::error::Error>> {
    let short = count(which, members, CALLS)?;
    let long = count(which, members, 2 * CALLS)?;
    Ok((long - short) / CALLS as f64)
}

/// Runs this program again under callgrind.
fn count(which: &str, members: usize, calls: usize) -> Result<f64, Box<dyn std::error::Error>> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe()?)
        .args(["--run", which, &members.to_string(), &calls.to_string()])
        .output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    let collected = text
        .lines()
        .find_map(|line| line.split_once("Collected :"))
        .ok_or_else(|| format!("it did not say what it collected:\n{text}"))?;
    Ok(collected.1.trim().parse()?)
}

fn child(which: &str, members: &str, calls: &str) -> ExitCode {
    let (Ok(members), Ok(calls)) = (members.parse(), calls.parse()) else {
        return ExitCode::FAILURE;
    };
    runtime(1).block_on(async {
        match which {
            "tower" => drive(&tower_pool(members), calls).await,
            "ebw" => drive(&pool(members, Ebw::default()).await, calls).await,
            "peak" => drive(&pool(members, PeakEwma::default()).await, calls).await,
            _ => drive(&pool(members, LeastLoaded::default()).await, calls).await,
        }
    });
    ExitCode::SUCCESS
}
