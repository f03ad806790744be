//! Recording a call beside the peers' recorders, in the same run: nanoseconds a call over a service without any, on one thread;
//! million calls a second from 64 tasks on two threads to one endpoint; heap allocations a call. Then a scrape of 1,000
//! endpoints, and what an endpoint keeps in memory.
//!
//! `cargo bench -p campanile-benches --features recorders --bench metrics -- --readme`; `--only` and `--drive` as for `guards`.
#![allow(missing_docs)] // a benchmark is a program

use std::process::ExitCode;

use campanile_benches::{figures, recorders, report};

fn main() -> ExitCode {
    figures::main(recorders::cases(), |cases| {
        // Its histograms keep every sample until somebody takes them out.
        let upkeep = || recorders::prometheus().run_upkeep();
        let calls = figures::compare("recorded", cases, &upkeep);
        let more = [recorders::scrape(), recorders::memory()].map(|table| table.to_string());
        report(&[calls.to_string(), more.join("\n")].join("\n"), "metrics")
    })
}
