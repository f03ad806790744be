//! Many tasks on all cores, in real time.

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::time::Timestamp;

const TASKS: usize = 64;

/// Counts what passes, and answers with how much it was.
#[derive(Debug, Clone, Default)]
struct Sink {
    calls: Arc<AtomicU64>,
    tokens: Arc<AtomicU64>,
}

impl Service<Call<u64>> for Sink {
    type Response = ();
    type Error = BoxError;
    type Future = std::future::Ready<Result<(), BoxError>>;

    fn poll_ready(
        &mut self,
        _cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), BoxError>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call<u64>) -> Self::Future {
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.tokens.fetch_add(call.message, Ordering::SeqCst);
        std::future::ready(Ok(()))
    }
}

/// 64 tasks that call as fast as they can for `time`; returns how many calls and tokens passed, and how long it took.
async fn hammer(config: RateLimitConfig, time: Duration) -> (f64, f64, f64) {
    let sink = Sink::default();
    let began = Timestamp::now();
    let service = RateLimitLayer::new(config)
        .unwrap()
        .calls()
        .cost(|call: &Call<u64>| Cost::tokens(call.message))
        .layer(sink.clone());
    let until = Instant::now() + time;
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let service = service.clone();
            tokio::spawn(async move {
                let mut turn = task as u64;
                while Instant::now() < until {
                    turn += 7;
                    let _ = service.clone().oneshot(Call::new(1 + turn % 20)).await;
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let seconds = Timestamp::now().since(began).as_secs_f64();
    let (calls, tokens) = (
        sink.calls.load(Ordering::SeqCst),
        sink.tokens.load(Ordering::SeqCst),
    );
    (calls as f64, tokens as f64, seconds)
}

fn config(max_wait: Duration) -> RateLimitConfig {
    built(
        RateLimitConfig::requests(Limit::per_second(2_000.0).with_burst(50))
            .with_tokens(Limit::per_second(15_000.0).with_burst(500))
            .with_max_wait(max_wait),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn never_more_than_rate_times_time_and_burst_passes_when_calls_are_refused() {
    let (calls, tokens, seconds) = hammer(config(Duration::ZERO), 300 * MS).await;
    assert!(calls <= 50.0 + 2_000.0 * seconds, "{calls} in {seconds} s");
    assert!(
        tokens <= 500.0 + 15_000.0 * seconds,
        "{tokens} in {seconds} s"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn never_more_than_rate_times_time_and_burst_passes_when_calls_wait() {
    let (calls, tokens, seconds) = hammer(config(10 * SEC), 300 * MS).await;
    assert!(calls <= 50.0 + 2_000.0 * seconds, "{calls} in {seconds} s");
    assert!(
        tokens <= 500.0 + 15_000.0 * seconds,
        "{tokens} in {seconds} s"
    );
    // And the rate is used: whichever unit runs out first.
    let used = (calls / (2_000.0 * seconds)).max(tokens / (15_000.0 * seconds));
    assert!(used > 0.5, "{calls} calls, {tokens} tokens in {seconds} s");
}
