//! A pick at 10 members and at 100,000, for each strategy that samples: nanoseconds, and how many times as much it is.
//!
//! `cargo bench -p campanile-benches --bench pick -- --readme`
#![allow(missing_docs)] // a benchmark is a program

use std::{hint::black_box, process::ExitCode};

use campanile::balance::{
    Ebw, Fastest, FastestConfig, LeastCost, LeastLoaded, PeakEwma, Pick, Prequal, Random, Wjsq,
};
use campanile_benches::{Table, median, pool, report, runtime};
use tokio::time::Instant;

/// Picks in one measurement.
const PICKS: u64 = 1_000_000;

/// Measurements of each pool, taken in turns.
const ROUNDS: usize = 7;

fn main() -> ExitCode {
    let mut table = Table::new(["strategy", "10 members", "100,000 members", "times as much"]);
    runtime(1).block_on(async {
        table.row(compare("random", Random::default).await);
        table.row(compare("least loaded, two choices", LeastLoaded::two_choices).await);
        table.row(compare("least cost", LeastCost::two_choices).await);
        table.row(compare("peak EWMA", PeakEwma::default).await);
        table.row(compare("fastest, two choices", fastest).await);
        table.row(compare("WJSQ, reports on responses", Wjsq::piggybacked).await);
        table.row(compare("Prequal, reports on responses", Prequal::default).await);
        table.row(compare("EBW", Ebw::default).await);
    });
    report(&table, "pick")
}

/// By default it compares all members, which is for small pools.
fn fastest() -> Fastest {
    let config = FastestConfig {
        full_scan: false,
        ..FastestConfig::default()
    };
    Fastest::new(config).expect("the settings are valid")
}

async fn compare<St: Pick<u64>>(name: &str, strategy: impl Fn() -> St) -> Vec<String> {
    let mut few = pool(10, strategy()).await;
    let mut many = pool(100_000, strategy()).await;
    let mut samples = [const { Vec::new() }; 2];
    for _ in 0..ROUNDS {
        samples[0].push(time(|request| few.pick(&request)));
        samples[1].push(time(|request| many.pick(&request)));
    }
    let [few, many] = samples.map(median);
    vec![
        name.to_owned(),
        format!("{few:.1} ns"),
        format!("{many:.1} ns"),
        format!("{:.2}", many / few),
    ]
}

fn time(mut pick: impl FnMut(u64) -> Option<usize>) -> f64 {
    let start = Instant::now();
    for request in 0..PICKS {
        black_box(pick(black_box(request)));
    }
    (Instant::now() - start).as_nanos() as f64 / PICKS as f64
}
