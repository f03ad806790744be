use std::{collections::BTreeMap, fs, path::PathBuf};

use campanile::concurrency_limit::algorithm::{AlgorithmConfig, StaticConfig};
use serde::{Deserialize, Serialize};

use super::{Report, Scenario, Signal, run, scenario::directory};

/// What the best static limit does in one phase, at one load.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Best {
    /// The least limit with 99.5 % of the goodput.
    pub limit: u32,
    /// The highest goodput of any limit, in calls a second.
    pub goodput: f64,
    /// The most work a second of any limit.
    pub work: f64,
    /// Median latency at the limit, in seconds.
    pub p50: f64,
    /// 99th percentile of latency at the limit, in seconds.
    pub p99: f64,
}

/// Best limits by scenario, phase, and load.
type Book = BTreeMap<String, Vec<Vec<Best>>>;

// ===== impl Best =====

impl Best {
    /// What was found for the scenario of that name: for each phase, at each load.
    ///
    /// # Panics
    ///
    /// When it is missing; the message says how to find it.
    #[must_use]
    pub fn read(name: &str) -> Vec<Vec<Self>> {
        book().remove(name).unwrap_or_else(|| {
            panic!("no best limits for {name}: see the text of simulation::limits")
        })
    }

    /// Writes what was found down.
    ///
    /// # Panics
    ///
    /// When the file cannot be written.
    pub fn write(name: &str, best: Vec<Vec<Self>>) {
        let mut book = book();
        book.insert(name.to_owned(), best);
        let text = serde_json::to_string_pretty(&book).expect("plain figures");
        fs::write(path(), text + "\n").expect("the file of best limits can be written");
    }
}

fn path() -> PathBuf {
    directory().join("best.json")
}

fn book() -> Book {
    fs::read_to_string(path())
        .ok()
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default()
}

/// Finds the best static limit for a load, in a phase of a scenario as if it lasted all the time.
#[must_use]
pub fn sweep(scenario: &Scenario, phase: usize, load: f64) -> Best {
    let steady = scenario.steady(phase);
    let measure = |limit: u32| {
        let algorithm = AlgorithmConfig::Static(StaticConfig { limit });
        let reports: Vec<Report> = (0..scenario.seeds)
            .map(|seed| run(&steady, load, &algorithm, Signal::Total, u32::MAX, seed))
            .collect();
        (limit, Report::mean(&reports))
    };
    let mut limits = vec![2_u32];
    while let Some(&last) = limits.last()
        && last < 500
    {
        limits.push((f64::from(last) * 1.2).ceil() as u32);
    }
    let all: Vec<(u32, Report)> = limits.into_iter().map(measure).collect();
    let most = |value: fn(&Report) -> f64| {
        all.iter()
            .map(|(_, report)| value(report))
            .fold(0.0, f64::max)
    };
    let goodput = most(|report| report.goodput);
    let (limit, least) = all
        .iter()
        .find(|(_, report)| report.goodput >= 0.995 * goodput)
        .expect("one of them is the best");
    // Figures that are read by people too.
    let digits = |value: f64| (value * 1e4).round() / 1e4;
    Best {
        limit: *limit,
        goodput: digits(goodput),
        work: digits(most(|report| report.work)),
        p50: digits(least.p50),
        p99: digits(least.p99),
    }
}
