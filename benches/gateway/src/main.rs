//! What the gateway is measured with: an upstream that streams tokens at a set pace, and callers that say when each token came.
//!
//! The upstream writes into each token when it sent it. Both run on one machine and read one clock, so the difference is the way
//! of the token: beside that of a stream without a gateway between, what the gateway adds.
//!
//! ```text
//! campanile-gateway-load upstream --listen 127.0.0.1:9000
//! campanile-gateway-load streams --url http://127.0.0.1:9000 --streams 100 --tokens 100 --pace-us 10000 --seconds 10
//! campanile-gateway-load hold --url http://127.0.0.1:8080 --streams 10000 --seconds 30 --process 1234
//! ```
//!
//! `compare.sh` beside it runs them, for each gateway.

use clap::{Parser, Subcommand};

mod connection;
mod hold;
mod streams;
mod upstream;

#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    #[command(subcommand)]
    job: Job,
}

#[derive(Debug, Subcommand)]
enum Job {
    /// Serves chat completions: whole at once, streams at a pace.
    Upstream(upstream::Options),
    /// Holds so many streams at a time, and says how long tokens were on their way.
    Streams(streams::Options),
    /// Opens many slow streams, keeps them all, and says what a process holds meanwhile.
    Hold(hold::Options),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    match Options::parse().job {
        Job::Upstream(options) => upstream::run(options).await,
        Job::Streams(options) => streams::run(options).await,
        Job::Hold(options) => hold::run(options).await,
    }
}

/// The time that both ends read, in nanoseconds.
fn clock() -> u64 {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed();
    since.map_or(0, |since| {
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    })
}
