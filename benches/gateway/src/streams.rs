use std::{cell::RefCell, rc::Rc, time::Duration};

use clap::Args;
use hdrhistogram::Histogram;
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
    #[arg(long, default_value_t = 100)]
    streams: usize,
    /// How many tokens each has.
    #[arg(long, default_value_t = 100)]
    tokens: u32,
    /// How many microseconds are between two.
    #[arg(long, default_value_t = 10_000)]
    pace_us: u64,
    /// For how long new ones are begun.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
}

/// What was seen.
struct Seen {
    first: Histogram<u64>,
    later: Histogram<u64>,
    streams: u64,
    failed: u64,
    why: Option<String>,
}

pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let seen = Rc::new(RefCell::new(Seen::new()?));
    let until = Instant::now() + Duration::from_secs(options.seconds);
    let local = LocalSet::new();
    // Spread over the time of one stream, so that they do not all begin and end at once.
    let length = Duration::from_micros(options.pace_us) * options.tokens;
    for number in 0..options.streams {
        let begin = Instant::now() + length.mul_f64(number as f64 / options.streams as f64);
        let (seen, url) = (Rc::clone(&seen), options.url.clone());
        local.spawn_local(async move {
            tokio::time::sleep_until(begin).await;
            while Instant::now() < until {
                let result = caller(&url, options.tokens, options.pace_us, until, &seen).await;
                if let Err(error) = result {
                    let mut seen = seen.borrow_mut();
                    seen.failed += 1;
                    seen.why = Some(error.to_string());
                }
            }
        });
    }
    local.await;
    println!("{}", seen.borrow().report());
    Ok(())
}

/// One stream after the other on one connection, until the time is over.
async fn caller(
    url: &str,
    tokens: u32,
    pace_us: u64,
    until: Instant,
    seen: &RefCell<Seen>,
) -> anyhow::Result<()> {
    let mut connection = Connection::open(url, tokens, pace_us).await?;
    let mut ways = Vec::new();
    while Instant::now() < until {
        let mut stream = connection.ask().await?;
        let mut first = true;
        while stream.next(&mut ways).await? {
            let mut seen = seen.borrow_mut();
            for way in &ways {
                let of = if first {
                    &mut seen.first
                } else {
                    &mut seen.later
                };
                of.saturating_record(*way);
                first = false;
            }
        }
        seen.borrow_mut().streams += 1;
    }
    Ok(())
}

// ===== impl Seen =====

impl Seen {
    fn new() -> anyhow::Result<Self> {
        Ok(Self {
            first: Histogram::new_with_bounds(100, 60_000_000_000, 3)?,
            later: Histogram::new_with_bounds(100, 60_000_000_000, 3)?,
            streams: 0,
            failed: 0,
            why: None,
        })
    }

    /// In microseconds.
    fn report(&self) -> serde_json::Value {
        let us = |nanos: u64| nanos as f64 / 1_000.0;
        json!({
            "streams": self.streams,
            "failed": self.failed,
            "why": self.why,
            "first_p50": us(self.first.value_at_quantile(0.5)),
            "first_p99": us(self.first.value_at_quantile(0.99)),
            "later_mean": self.later.mean() / 1_000.0,
            "later_p50": us(self.later.value_at_quantile(0.5)),
            "later_p99": us(self.later.value_at_quantile(0.99)),
            "tokens": self.first.len() + self.later.len(),
        })
    }
}
