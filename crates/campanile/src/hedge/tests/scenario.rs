//! G10: what hedging on first data does for the slowest calls, and what it costs, on paused time.
//!
//! An LLM upstream under load: heads at once; then a copy waits for its turn, 300 ms on average, exponentially; then
//! the prompt is read, 0.22 ms a token (median 600 tokens, log-normal with sigma 1.2, 32,000 at most), and the answer
//! written, 18 ms a token (nine in ten log-normal around 150, one in ten a Pareto tail from 400). Four calls in a
//! thousand stall for 5 to 20 s before anything is done. Work is the time spent reading and writing, also for copies
//! that lose.

use std::{
    f64::consts::TAU,
    pin::Pin,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context as Cx, Poll},
};

use futures_core::Stream;
use futures_util::StreamExt;
use tokio::time::{Sleep, sleep_until};

use super::*;

const CALLS: u64 = 20_000;
const STALLED: f64 = 0.004;

struct Upstream {
    /// In microseconds.
    work: AtomicU64,
    copies: Mutex<Vec<u8>>,
}

/// An answer: stalls, reads, says its first word, writes, says its last.
struct Answer {
    upstream: Arc<Upstream>,
    /// When it begins to work, has read, has written.
    times: [Instant; 3],
    said: usize,
    sleep: Pin<Box<Sleep>>,
}

impl Stream for Answer {
    type Item = Result<(), BoxError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Cx<'_>) -> Poll<Option<Self::Item>> {
        if self.said == 2 {
            return Poll::Ready(None);
        }
        std::task::ready!(self.sleep.as_mut().poll(cx));
        self.said += 1;
        let last = self.times[2];
        self.sleep.as_mut().reset(last);
        Poll::Ready(Some(Ok(())))
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        let end = Instant::now().min(self.times[2]);
        let work = end.saturating_duration_since(self.times[0]);
        self.upstream
            .work
            .fetch_add(work.as_micros() as u64, Relaxed);
    }
}

impl Upstream {
    /// The same for the same call and copy in each run.
    fn answer(self: Arc<Self>, call: u64) -> Answer {
        let copy = {
            let mut copies = self.copies.lock().unwrap();
            copies[call as usize] += 1;
            copies[call as usize] - 1
        };
        let mut rng = seeded(call + 1);
        let log_normal = |rng: &mut fastrand::Rng, median: f64, sigma: f64| {
            let normal = (-2.0 * rng.f64().max(1e-12).ln()).sqrt() * (TAU * rng.f64()).cos();
            median * (sigma * normal).exp()
        };
        let prompt = log_normal(&mut rng, 600.0, 1.2).min(32_000.0);
        let short = log_normal(&mut rng, 150.0, 0.9);
        let long = 400.0 * rng.f64().max(1e-9).powf(-1.0 / 1.5);
        let output = if rng.u8(..10) == 0 { long } else { short }.min(8_192.0);
        let mut rng = seeded(call * 2 + u64::from(copy) + 1_000_000_007);
        let stall = if rng.f64() < STALLED {
            5.0 + 15.0 * rng.f64()
        } else {
            0.0
        };
        let turn = -0.3 * rng.f64().max(1e-9).ln();
        let begin = Instant::now() + Duration::from_secs_f64(stall + turn);
        let read = begin + Duration::from_secs_f64(prompt * 0.000_22);
        let written = read + Duration::from_secs_f64(output * 0.018);
        Answer {
            upstream: self,
            times: [begin, read, written],
            said: 0,
            sleep: Box::pin(sleep_until(read)),
        }
    }
}

/// The 99.9th percentile of the time to first data in milliseconds, and the work.
async fn run<F>(service: impl FnOnce(Inner) -> F) -> (u128, f64)
where
    F: Service<u64, Error = BoxError, Response: Stream + Unpin + Send> + Clone + Send + 'static,
    F::Future: Send,
{
    let upstream = Arc::new(Upstream {
        work: AtomicU64::new(0),
        copies: Mutex::new(vec![0; CALLS as usize]),
    });
    let service = service(Inner(Arc::clone(&upstream)));
    let mut rng = seeded(77);
    let mut calls = tokio::task::JoinSet::new();
    for call in 0..CALLS {
        tokio::time::sleep(Duration::from_secs_f64(-rng.f64().max(1e-9).ln() / 20.0)).await;
        let service = service.clone();
        calls.spawn(async move {
            let start = Instant::now();
            let mut answer = service.oneshot(call).await.ok().unwrap();
            answer.next().await.unwrap();
            let first = Instant::now() - start;
            while answer.next().await.is_some() {}
            first
        });
    }
    let mut first = calls.join_all().await;
    first.sort();
    let p999 = first[(CALLS as usize * 999).div_ceil(1_000) - 1];
    (p999.as_millis(), upstream.work.load(Relaxed) as f64)
}

#[derive(Clone)]
struct Inner(Arc<Upstream>);

impl Service<u64> for Inner {
    type Response = Answer;
    type Error = BoxError;
    type Future = std::future::Ready<Result<Answer, BoxError>>;

    fn poll_ready(&mut self, _: &mut Cx<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: u64) -> Self::Future {
        std::future::ready(Ok(Arc::clone(&self.0).answer(call)))
    }
}

#[tokio::test(start_paused = true)]
async fn stalls_are_cut_short_for_little_work() {
    let (alone, work) = run(|inner| inner).await;
    let layer = HedgeLayer::default().streaming();
    let mut hedge = None;
    let (hedged, more) = run(|inner| hedge.insert(layer.layer(inner)).clone()).await;
    let snapshot = hedge.unwrap().snapshot();
    let ratio = hedged as f64 / alone as f64;
    let extra = more / work - 1.0;
    eprintln!(
        "p99.9 of first data {alone} ms, hedged {hedged} ms: {ratio:.2}; work +{:.2} %; {} hedges of {CALLS}, after {:?}",
        extra * 100.0,
        snapshot.hedged,
        snapshot.delay,
    );
    assert!(ratio <= 0.45, "{ratio}");
    assert!(extra <= 0.005, "{extra}");
    assert!(snapshot.hedged <= CALLS / 10);
}
