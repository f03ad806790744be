//! A strategy of one's own, with a state of its own beside each endpoint: the endpoint whose memory is least full gets
//! the call. Each endpoint reports, on its responses, how full its memory is.
//!
//! Three endpoints of 1, 2 and 4 units of memory should come to carry traffic as 1 : 2 : 4, although nobody told the
//! pool of their sizes. Exits with 1 if they do not.
//!
//! ```text
//! cargo run -p campanile-examples --bin own_strategy
//! ```

use std::{
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use campanile::{
    BoxError, Endpoint,
    balance::{BalanceLayer, LoadReport, Peer, Pick, Strategy, View, scan_least},
    discover::{PerEndpointLayer, Roster},
    time::Timestamp,
};
use tower::{ServiceBuilder, ServiceExt};

// ===== the strategy =====

/// Picks the endpoint whose memory was the least full at its last report, counting what has been sent there since.
#[derive(Debug)]
struct LeastMemory;

/// What a call is thought to take of an endpoint's memory until the next report.
const PER_CALL: f32 = 0.01;

/// What the strategy keeps of an endpoint: the last report, less what was in flight then, as the bits of an `f32`.
#[derive(Debug, Default)]
struct Memory(AtomicU32);

impl Strategy for LeastMemory {
    type State = Memory;

    fn report(&self, peer: Peer<'_, Memory>, _: Timestamp, report: &LoadReport) {
        if let Some(used) = report.memory {
            let known = used as f32 - PER_CALL * peer.endpoint.in_flight() as f32;
            peer.state.0.store(known.to_bits(), Ordering::Relaxed);
        }
    }
}

impl<Req> Pick<Req> for LeastMemory {
    fn pick<V: View<Memory>>(&self, view: &V, _: &Req) -> Option<usize> {
        scan_least(view, |index, now| {
            f32::from_bits(view.state(index).0.load(Ordering::Relaxed)) + PER_CALL * now.load as f32
        })
    }
}

// ===== the endpoints =====

/// How many calls fit into one unit of memory.
const CALLS_PER_UNIT: f64 = 16.0;

/// How full the memory was while the call was there.
type Response = f64;

/// An endpoint whose calls each take their share of its memory for as long as they run.
async fn work(units: u32, running: Arc<AtomicU32>) -> Result<Response, BoxError> {
    running.fetch_add(1, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(2 + fastrand::u64(..6))).await;
    // What it reports is what is full once this call has gone.
    let left = running.fetch_sub(1, Ordering::Relaxed) - 1;
    Ok(f64::from(left) / (CALLS_PER_UNIT * f64::from(units)))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    let roster = Roster::new();
    let mut members = Vec::new();
    for (name, units) in [("small", 1_u32), ("medium", 2), ("large", 4)] {
        members.push((units, roster.insert(name, units)?));
    }
    let pool = ServiceBuilder::new()
        .layer(BalanceLayer::new(LeastMemory).reports(|used: &Response| {
            Some(LoadReport {
                memory: Some(*used),
                ..LoadReport::default()
            })
        }))
        .layer(PerEndpointLayer::new(|_: &Endpoint, units: u32| {
            let running = Arc::<AtomicU32>::default();
            tower::service_fn(move |()| work(units, Arc::clone(&running)))
        }))
        .service(roster.changes());

    // Half of what fits, so that there is a choice.
    let callers = (0..56).map(|_| {
        let pool = pool.clone();
        tokio::spawn(async move {
            for _ in 0..100 {
                pool.clone().oneshot(()).await?;
            }
            Ok::<_, BoxError>(())
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await?.map_err(anyhow::Error::from_boxed)?;
    }

    let mut wrong = false;
    for (units, endpoint) in &members {
        let fair = f64::from(*units) / 7.0;
        let share = endpoint.outcomes().success as f64 / 5600.0;
        let holds = (share / fair - 1.0).abs() < 0.25;
        wrong |= !holds;
        println!(
            "  {}  {:<6}  {units} of memory  {:>4} calls  {:>4.1} % (fair by memory: {:.1} %)",
            if holds { "ok   " } else { "WRONG" },
            endpoint.key(),
            endpoint.outcomes().success,
            share * 100.0,
            fair * 100.0,
        );
    }
    Ok(if wrong {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
