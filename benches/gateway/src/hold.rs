use std::{cell::Cell, fs, rc::Rc, time::Duration};

use anyhow::Context;
use clap::Args;
use serde_json::json;
use tokio::{task::LocalSet, time::Instant};

use crate::connection::Connection;

/// What is asked for.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Where: `http://127.0.0.1:8080`.
    #[arg(long)]
    url: String,
    /// How many at a time.
    #[arg(long, default_value_t = 10_000)]
    streams: usize,
    /// How many a second are begun.
    #[arg(long, default_value_t = 1_000)]
    begin_per_second: u32,
    /// How long all are held.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// How many milliseconds are between two tokens of a stream.
    #[arg(long, default_value_t = 1_000)]
    pace_ms: u64,
    /// How long to wait afterwards before the process is looked at again.
    #[arg(long, default_value_t = 15)]
    rest: u64,
    /// The process whose memory is told.
    #[arg(long)]
    process: u32,
}

/// What one stream has come to.
#[derive(Debug, Default)]
struct Progress {
    tokens: Cell<u32>,
    failed: Cell<bool>,
}

pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let idle = memory(options.process)?;
    let ramp = options.streams as f64 / f64::from(options.begin_per_second);
    let length = Duration::from_secs_f64(ramp) + Duration::from_secs(options.seconds + 5);
    let tokens = u32::try_from(length.as_millis() / u128::from(options.pace_ms))?;
    let begin = Instant::now();
    let local = LocalSet::new();
    let all: Vec<Rc<Progress>> = (0..options.streams).map(|_| Rc::default()).collect();
    for (number, progress) in all.iter().enumerate() {
        let (url, progress) = (options.url.clone(), Rc::clone(progress));
        let at = begin + Duration::from_secs(1) * u32::try_from(number)? / options.begin_per_second;
        local.spawn_local(async move {
            tokio::time::sleep_until(at).await;
            if read(&url, tokens, options.pace_ms * 1_000, &progress)
                .await
                .is_err()
            {
                progress.failed.set(true);
            }
        });
    }
    let full = begin + Duration::from_secs_f64(ramp) + Duration::from_secs(2);
    let look = async {
        tokio::time::sleep_until(full).await;
        let before: Vec<u32> = all.iter().map(|progress| progress.tokens.get()).collect();
        tokio::time::sleep(Duration::from_secs(options.seconds)).await;
        let held = memory(options.process)?;
        // Half of what they should have got meanwhile is a generous bound: one that stalls gets nothing.
        let due = u32::try_from(options.seconds * 1_000 / options.pace_ms / 2)?;
        let stalled = all
            .iter()
            .zip(&before)
            .filter(|(now, before)| now.tokens.get() - **before < due);
        anyhow::Ok((held, stalled.count()))
    };
    let (held, stalled) = local.run_until(look).await?;
    let failed = all.iter().filter(|progress| progress.failed.get()).count();
    drop(local);
    tokio::time::sleep(Duration::from_secs(options.rest)).await;
    let after = memory(options.process)?;
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    println!(
        "{}",
        json!({
            "streams": options.streams,
            "failed": failed,
            "stalled": stalled,
            "idle_mib": mib(idle),
            "held_mib": mib(held),
            "after_mib": mib(after),
            "kib_a_stream": held.saturating_sub(idle) as f64 / 1_024.0 / options.streams as f64,
        })
    );
    Ok(())
}

async fn read(url: &str, tokens: u32, pace_us: u64, progress: &Progress) -> anyhow::Result<()> {
    let mut connection = Connection::open(url, tokens, pace_us).await?;
    let mut stream = connection.ask().await?;
    let mut ways = Vec::new();
    while stream.next(&mut ways).await? {
        progress
            .tokens
            .set(progress.tokens.get() + u32::try_from(ways.len())?);
    }
    Ok(())
}

/// What a process holds, in bytes: its resident memory.
fn memory(process: u32) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    let kib: u64 = kib.context("no VmRSS")?.parse()?;
    Ok(kib << 10)
}
