//! Six processors in process, of different speeds: one fails at once whatever it is asked, one joins and one is drained
//! while the pool is in use. Shows each endpoint's share, latency and gate as a live table on a terminal, and plain lines
//! elsewhere. Ends by itself, checks what it showed, and exits with 1 if that was wrong.
//!
//! ```text
//! cargo run -p campanile-examples                     # 8 seconds
//! cargo run -p campanile-examples -- 30               # 30 seconds
//! cargo run -p campanile-examples -- --plain          # lines, on a terminal too
//! cargo run -p campanile-examples -- --fast           # 2 seconds: what CI runs
//! ```

use std::{process::ExitCode, time::Duration};

use anyhow::{Context, bail};
use campanile::{
    BoxError,
    balance::{BalanceLayer, Ebw},
    discover::PerEndpointLayer,
};
use tokio::time::{Instant, MissedTickBehavior};
use tower::ServiceBuilder;

mod fleet;
mod load;
mod screen;
mod table;
mod verdict;

use fleet::Fleet;
use load::Load;
use screen::Screen;
use table::Table;

/// How many callers there are, each with one call at a time.
const CALLERS: usize = 24;

/// What the pool picks by.
fn strategy() -> Ebw {
    Ebw::default()
}

struct Args {
    duration: Duration,
    plain: bool,
}

impl Args {
    fn read() -> anyhow::Result<Self> {
        let mut args = Self {
            duration: Duration::from_secs(8),
            plain: false,
        };
        for arg in std::env::args().skip(1) {
            match arg.as_str() {
                "--plain" => args.plain = true,
                "--fast" => args.duration = Duration::from_secs(2),
                seconds => {
                    let seconds: f64 = seconds.parse().with_context(|| {
                        format!("{seconds:?}: usage: quickstart [SECONDS] [--plain] [--fast]")
                    })?;
                    if !(1.0..=86_400.0).contains(&seconds) {
                        bail!("SECONDS is {seconds}: it must be from 1 to 86400");
                    }
                    args.duration = Duration::from_secs_f64(seconds);
                }
            }
        }
        Ok(args)
    }
}

// One thread, so that "after the drain" has one meaning for the pool, for the processors and for the check.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    let args = Args::read()?;

    let mut fleet = Fleet::start()?;
    let pool = ServiceBuilder::new()
        .layer(BalanceLayer::new(strategy()))
        .layer(PerEndpointLayer::new(
            |_: &campanile::Endpoint, processor: fleet::Processor| {
                tower::service_fn(move |request: u64| {
                    let answer = processor.clone().work(request);
                    async move { answer.await.map_err(BoxError::from) }
                })
            },
        ))
        .service(fleet.roster.changes());

    let load = Load::start(CALLERS, &pool);
    let mut table = Table::new(args.duration);
    let mut screen = Screen::open(args.plain);
    let began = Instant::now();
    let mut tick = tokio::time::interval(screen.period(args.duration));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (joins, drains) = (args.duration.mul_f64(0.25), args.duration.mul_f64(0.5));

    loop {
        tokio::select! {
            _ = tick.tick() => {}
            interrupted = tokio::signal::ctrl_c() => {
                interrupted?;
                drop(screen);
                return Ok(ExitCode::from(130));
            }
        }
        let now = Instant::now() - began;
        if now >= joins && fleet.join()? {
            screen.event(now, "echo joins")?;
        }
        if now >= drains && fleet.drain()? {
            screen.event(
                now,
                "bravo is drained: no new calls, those in flight finish",
            )?;
        }
        if now >= args.duration {
            break;
        }
        table.update(now, &fleet, &load);
        screen.show(&table)?;
    }

    // The last calls come home before anything is counted.
    let calls = load.finish().await;
    table.update(args.duration, &fleet, &calls);
    screen.show(&table)?;
    drop(screen);
    Ok(verdict::judge(&fleet, &pool.snapshot(), &calls))
}
