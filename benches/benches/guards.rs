//! Each guard beside its peers, in the same run: nanoseconds a call over a service without any, on one thread; million
//! calls a second from 64 tasks on two threads; heap allocations a call.
//!
//! `cargo bench -p campanile-benches --bench guards -- --readme`; `-- --only breaker` measures only those (`$` is the end of a name), and
//! `-- --only breaker --drive 2 1000000` makes a million calls of each on two threads, for a profiler to watch.
#![allow(missing_docs)] // a benchmark is a program

use std::process::ExitCode;

use campanile_benches::{figures, guards::cases, report};

fn main() -> ExitCode {
    figures::main(cases(), |cases| {
        report(&figures::compare("guard", cases, &|| {}), "guards")
    })
}
