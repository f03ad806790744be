//! A provider that does what the name of the model says, for tests in other languages: see `Exchange::named`. It prints where
//! it listens, and serves until it is ended. `GET /counts` tells, by model, what its clients did.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    sync::{Arc, OnceLock},
};

use campanile_tests::faults::{Answer, Ended, Exchange, Upstream};
use serde::Serialize;

/// What became of the calls of a model.
#[derive(Debug, Default, Serialize)]
struct Counts {
    requests: u64,
    whole: u64,
    cut: u64,
    cancelled: u64,
    active: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let itself = Arc::new(OnceLock::<Arc<Upstream>>::new());
    let known = Arc::clone(&itself);
    let upstream = Upstream::scripted(move |exchange| {
        if exchange.target == "GET /counts" {
            let exchanges = known.get()?.exchanges();
            let counts = serde_json::to_string(&counts(&exchanges)).ok()?;
            return Some(Answer::whole(200, counts));
        }
        let unknown = || Answer::whole(404, "{\"error\": {\"message\": \"no such model\"}}");
        Some(exchange.named().unwrap_or_else(unknown))
    });
    let upstream = Arc::new(upstream.await?);
    let url = upstream.url();
    let _ = itself.set(upstream);
    writeln!(io::stdout(), "{url}")?;
    std::future::pending().await
}

fn counts(exchanges: &[Exchange]) -> BTreeMap<String, Counts> {
    let mut counts = BTreeMap::<String, Counts>::new();
    for exchange in exchanges {
        let of = counts.entry(exchange.model()).or_default();
        of.requests += 1;
        match exchange.ended {
            Some(Ended::Whole) => of.whole += 1,
            Some(Ended::Cut) => of.cut += 1,
            Some(Ended::Cancelled) => of.cancelled += 1,
            None => of.active += 1,
        }
    }
    counts
}
