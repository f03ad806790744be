//! What it costs to look after 10,000 members: the share of one core that probing each once a minute takes, the probes themselves
//! not counted, and how many probes run at once. Probed more often than that for half a minute, and scaled.
//!
//! `cargo bench -p campanile-benches --bench health -- --readme`
#![allow(missing_docs)] // a benchmark is a program

use std::{
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use campanile::{
    Endpoint,
    balance::{BalanceLayer, LeastLoaded},
    discover::{PerEndpointLayer, Roster},
    health::{Check, HealthConfig, HealthLayer, Report},
};
use campanile_benches::{Busy, Instant0, Table, cpu_time, report, runtime};
use tokio::time::{Instant, sleep};
use tower::ServiceBuilder;

const MEMBERS: usize = 10_000;

/// How often each is probed here, and how often it is in earnest.
const INTERVAL: Duration = Duration::from_secs(6);
const MINUTE: Duration = Duration::from_secs(60);

/// For how long that is watched.
const WATCHED: Duration = Duration::from_secs(30);

/// Probes at once, at most.
const AT_ONCE: usize = 64;

fn main() -> ExitCode {
    let mut table = Table::new([
        "10,000 members, each probed once a minute",
        "share of one core",
        "µs of processor time a probe",
        "probes at once, at most",
        "allowed",
    ]);
    let mut kept = true;
    for (name, takes) in [
        ("probes that answer at once", None),
        ("probes that take 5 ms", Some(Duration::from_millis(5))),
    ] {
        let busy = Busy::watch();
        let measured = runtime(1).block_on(measure(takes));
        let others = busy.and_then(|busy| busy.others()).unwrap_or(f64::NAN);
        println!(
            "{name}: {} probes; other processes used {:.0} % of the cores meanwhile",
            measured.probes,
            others * 100.0
        );
        let each = measured.used.as_secs_f64() / measured.probes as f64;
        let share = each * MEMBERS as f64 / MINUTE.as_secs_f64();
        kept &= measured.at_once <= AT_ONCE && share <= 0.02;
        table.row([
            name.to_owned(),
            format!("{:.3} %", share * 100.0),
            format!("{:.1}", each * 1e6),
            measured.at_once.to_string(),
            AT_ONCE.to_string(),
        ]);
    }
    if !kept {
        eprintln!("more than 2 % of a core, or more probes at once than are allowed");
        return ExitCode::FAILURE;
    }
    report(&table, "health")
}

struct Measured {
    probes: u64,
    /// Processor time, all of this process.
    used: Duration,
    at_once: usize,
}

/// What the probes of all members have in common.
#[derive(Debug, Default)]
struct Probes {
    begun: AtomicU64,
    running: AtomicUsize,
    most: AtomicUsize,
}

async fn measure(takes: Option<Duration>) -> Measured {
    let probes = Arc::new(Probes::default());
    let probe = {
        let probes = probes.clone();
        move |_: Check<usize>| {
            let probes = probes.clone();
            async move {
                probes.begun.fetch_add(1, Ordering::Relaxed);
                let running = probes.running.fetch_add(1, Ordering::Relaxed) + 1;
                probes.most.fetch_max(running, Ordering::Relaxed);
                if let Some(takes) = takes {
                    sleep(takes).await;
                }
                probes.running.fetch_sub(1, Ordering::Relaxed);
                Report::healthy()
            }
        }
    };
    let config = HealthConfig::default()
        .with_interval(INTERVAL)
        .with_max_concurrent(AT_ONCE);
    let health = HealthLayer::with_config(probe, config).expect("the settings are valid");
    let roster = Roster::new();
    for member in 0..MEMBERS {
        let joined = roster.insert(format!("member-{member}"), member);
        joined.expect("the key is not empty");
    }
    let pool = ServiceBuilder::new()
        .layer(BalanceLayer::new(LeastLoaded::default()))
        .layer(PerEndpointLayer::new(|_: &Endpoint, _: usize| Instant0))
        .layer(health)
        .service(roster.changes());

    // Until all have joined, and their probes have parted.
    sleep(INTERVAL * 2).await;
    assert_eq!(pool.len(), MEMBERS);
    let (begun, used) = (probes.begun.load(Ordering::Relaxed), cpu_time());
    let begin = Instant::now();
    sleep(WATCHED).await;
    let rounds = (Instant::now() - begin).as_secs_f64() / INTERVAL.as_secs_f64();
    let measured = Measured {
        probes: probes.begun.load(Ordering::Relaxed) - begun,
        used: cpu_time() - used,
        at_once: probes.most.load(Ordering::Relaxed),
    };
    let expected = rounds * MEMBERS as f64;
    assert!(
        (measured.probes as f64 / expected - 1.0).abs() < 0.1,
        "{} probes instead of {expected}",
        measured.probes
    );
    measured
}
