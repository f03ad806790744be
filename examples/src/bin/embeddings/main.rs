//! Many callers that each want one text's embedding, in front of an embeddings server that takes lists: first each with a call
//! of its own, then together in batches, while some of them leave before they are answered. Tells how many calls that took and
//! how long, and exits with 1 if anybody got another's vector, or none.
//!
//! ```text
//! cargo run -p campanile-examples --bin embeddings                                # against a server of its own
//! cargo run -p campanile-examples --bin embeddings -- --url http://127.0.0.1:80   # any with OpenAI's API
//! ```

use std::{process::ExitCode, time::Duration};

use campanile::{
    BoxError,
    batch::{BatchConfig, BatchHandle, BatchLayer},
    concurrency_limit::{ConcurrencyLimitConfig, ConcurrencyLimitLayer},
};
use tower::ServiceBuilder;

mod callers;
mod client;
mod server;
mod verdict;

use callers::{Callers, Leave};
use client::Embeddings;

/// Texts that are embedded.
const TEXTS: usize = 160;

/// Calls that the server gets at once. While they are under way, batches fill.
const CALLS: usize = 2;

#[tokio::main]
async fn main() -> Result<ExitCode, BoxError> {
    let mut arguments = std::env::args().skip(1);
    let url = match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => None,
        (Some("--url"), Some(url)) => Some(url),
        _ => return Err("usage: embeddings [--url URL]".into()),
    };
    let own = url.is_none();
    let url = match url {
        Some(url) => url,
        None => server::start().await?,
    };
    println!("embeddings of {TEXTS} texts from {url}");

    let client = Embeddings::new(&url)?;
    let limit = ConcurrencyLimitConfig::fixed(CALLS as u32).waiting(TEXTS, Duration::from_secs(60));
    let single = ServiceBuilder::new()
        .layer(ConcurrencyLimitLayer::new(limit)?)
        .service(client.clone().one_by_one());

    let config = BatchConfig::default()
        .with_max_size(32)
        .with_batch_timeout(Duration::from_millis(10))
        .with_max_in_flight(CALLS);
    let batches = BatchHandle::new(config)?;
    // From one text to a list of them; the answer to a list is a list of vectors.
    let batched = ServiceBuilder::new()
        .layer(BatchLayer::shared(&batches).plain())
        .service(client);

    let texts = callers::texts(TEXTS);
    let alone = Callers::call(single, &texts, Leave::Never).await;
    let together = Callers::call(batched, &texts, Leave::Some).await;
    Ok(verdict::judge(&alone, &together, &batches.snapshot(), own))
}
