//! What a person sees.

use std::{fmt::Write, time::Duration};

use campanile::{Endpoint, discover::Roster, endpoint::Reason, time::Timestamp};
use tokio::{task::JoinHandle, time::Instant};

use crate::{load::Calls, providers::Provider};

/// Tells of gates that close and open, until it is dropped.
#[derive(Debug)]
pub(crate) struct Gates(JoinHandle<()>);

/// What a gate closed for.
type Reasons = Vec<Reason>;

// ===== impl Gates =====

impl Gates {
    pub(crate) fn watch(roster: &Roster<Provider>) -> Self {
        let names = ["swift", "frugal", "moody"];
        let endpoints: Vec<Endpoint> = names.iter().filter_map(|name| roster.get(name)).collect();
        Self(tokio::spawn(async move {
            let began = Instant::now();
            let mut seen: Vec<Reasons> = vec![Reasons::new(); endpoints.len()];
            let mut tick = tokio::time::interval(Duration::from_millis(20));
            loop {
                tick.tick().await;
                for (endpoint, seen) in endpoints.iter().zip(&mut seen) {
                    let now: Reasons = endpoint
                        .gate()
                        .reasons(Timestamp::now())
                        .map(|(reason, _)| reason)
                        // The limit of calls in flight closes and opens with every few calls.
                        .filter(|reason| *reason != Reason::Concurrency)
                        .collect();
                    if now != *seen {
                        let at = (Instant::now() - began).as_secs_f64();
                        match now.as_slice() {
                            [] => println!("  {at:5.2} s  {endpoint} is open"),
                            reasons => println!("  {at:5.2} s  {endpoint} is closed: {reasons:?}"),
                        }
                        *seen = now;
                    }
                }
            }
        }))
    }
}

impl Drop for Gates {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A line for each run.
pub(crate) fn table(runs: &[(&str, &Calls)]) -> String {
    let mut table = format!(
        "{:8} {:>6} {:>9} {:>7} {:>9} {:>8} {:>8}\n",
        "", "calls", "answered", "failed", "given up", "p50", "p99"
    );
    for (name, calls) in runs {
        let answered = format!("{:.1} %", 100.0 * calls.answered_share());
        // A String takes whatever is written.
        let _ = writeln!(
            table,
            "{name:8} {:>6} {answered:>9} {:>7} {:>9} {:>8} {:>8}",
            calls.all(),
            calls.failed,
            calls.given_up,
            millis(calls.p(0.5)),
            millis(calls.p(0.99)),
        );
    }
    table
}

fn millis(time: Duration) -> String {
    if time == Duration::MAX {
        return "never".to_owned();
    }
    format!("{} ms", time.as_millis())
}
