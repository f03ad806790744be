//! The stack around a provider beside liter-llm's, in the same run: nanoseconds a call over a service that answers a chat at once,
//! on one thread; million calls a second from 64 tasks on two threads; heap allocations a call, those of the service and of making
//! the request included.
//!
//! `cargo bench --manifest-path benches/llm/Cargo.toml --bench llm -- --readme`; `--only` and `--drive` as for `guards`.
#![allow(missing_docs)] // a benchmark is a program

use std::process::ExitCode;

use campanile_benches::{figures, report};

fn main() -> ExitCode {
    figures::main(campanile_benches_llm::cases(), |cases| {
        report(&figures::compare("around a provider", cases, &|| {}), "llm")
    })
}
