//! An axum server in front of three real HTTP upstreams on loopback, through hyper's client, bodies streamed. One
//! upstream is killed in the middle of its answers and comes back on the same port. Shows, second by second, who
//! answers and what fails; checks that no cut answer ended as if it were whole; exits with 1 if anything is wrong.
//!
//! ```text
//! cargo run -p campanile-examples --bin http_pool               # drives requests by itself, about 8 s
//! cargo run -p campanile-examples --bin http_pool -- --serve    # keeps running, for curl
//! ```

use std::{process::ExitCode, time::Duration};

use anyhow::bail;
use campanile::{balance::Ebw, discover::Roster};
use campanile_examples::http::{Caller, Upstream, front, pool, serve};

mod drive;
mod operate;
mod tally;
mod verdict;

/// What the pool picks by.
fn strategy() -> Ebw {
    Ebw::default()
}

/// The pieces of an answer, and the time between two.
const PIECES: u32 = 8;
const GAP: Duration = Duration::from_millis(4);

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let keeps_running = match std::env::args().nth(1).as_deref() {
        None => false,
        Some("--serve") => true,
        Some(other) => bail!("{other:?}: usage: http_pool [--serve]"),
    };

    let mut upstreams = Vec::new();
    let roster = Roster::new();
    for name in ["one", "two", "three"] {
        let upstream = Upstream::start(name, PIECES, GAP).await?;
        println!("upstream {name:<5} on http://{}", upstream.address());
        roster.insert(name, upstream.address())?;
        upstreams.push(upstream);
    }
    let app = front(pool(&roster, strategy()));

    if keeps_running {
        return operate::until_interrupted(app, roster, upstreams).await;
    }
    let (address, server) = serve(app, 0).await?;
    println!("front          on http://{address}\n");
    let story = drive::drive(&Caller::new(address), &roster, &mut upstreams).await?;
    server.abort();
    Ok(verdict::judge(&story))
}
