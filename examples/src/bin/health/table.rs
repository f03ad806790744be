//! What a person sees.

use std::{fmt::Write, net::SocketAddr};

use campanile::{discover::Roster, health::HealthHandle, time::Timestamp};

use crate::{traffic::Tally, upstream::Upstream};

/// A line for each upstream.
pub(crate) fn draw(
    roster: &Roster<SocketAddr>,
    upstreams: &[Upstream],
    health: &HealthHandle,
    tally: &Tally,
) -> String {
    let mut table = format!(
        "  {:8} {:10} {:>7} {:>7} {:>9} {:>7} {:>9}  {:12} {}\n",
        "upstream",
        "health",
        "checks",
        "failed",
        "took",
        "calls",
        "failures",
        "closed for",
        "the probe says"
    );
    for upstream in upstreams {
        let name = upstream.name();
        let Some(status) = health.status(name) else {
            continue;
        };
        let closed: Vec<&str> = roster.get(name).map_or_else(Vec::new, |endpoint| {
            let gate = endpoint.gate();
            gate.reasons(Timestamp::now())
                .map(|(reason, _)| reason.name())
                .collect()
        });
        let of = |counts: &std::collections::BTreeMap<String, u32>| {
            counts.get(name).copied().unwrap_or(0)
        };
        let took = status
            .response_time
            .map_or("-".to_owned(), |took| format!("{:.1} ms", took * 1e3));
        let _ = writeln!(
            table,
            "  {name:8} {:10} {:>7} {:>6.0}% {took:>9} {:>7} {:>9}  {:12} {}",
            format!("{:?}", status.state).to_lowercase(),
            status.checks,
            status.error_rate.unwrap_or(0.0) * 100.0,
            of(&tally.answered),
            of(&tally.failed),
            if closed.is_empty() {
                "-".to_owned()
            } else {
                closed.join(", ")
            },
            status.message,
        );
    }
    table
}
