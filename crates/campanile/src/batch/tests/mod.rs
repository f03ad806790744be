//! The contracts of the layer. Each is a test, by subject.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Poll, Waker},
    time::Duration,
};

use futures_util::future::join_all;
use tokio::{task::JoinHandle, time::Instant};
use tower::{Service, ServiceExt};
use tower_layer::Layer;

use super::*;
use crate::{
    BoxError, Call, Context, Rejection,
    cost::Cost,
    rejection::RejectionKind,
    testing::{Permits, Readiness, ReadinessProbe, Script, Step, seeded},
};

mod adaptive;
mod cancellation;
mod collecting;
mod config;
mod contract;
mod costs;
mod deadlines;
mod errors;
mod faults;
mod handle;
mod idle;
mod model;
mod slots;
mod splitting;
mod threads;

const MS: Duration = Duration::from_millis(1);
const SEC: Duration = Duration::from_secs(1);

/// What an upstream does with a batch, after some time.
enum Act {
    /// Answers each item with its double; a multiple of 1,000 fails by itself.
    Double,
    /// Answers so many items more, or fewer.
    Miscount(isize),
    /// Fails as a whole.
    Fail(fn() -> BoxError),
    Stall,
    Panic,
}

/// A bulk service that keeps a log of its calls. Clones are the same.
#[derive(Clone)]
struct Upstream(Arc<Log>);

struct Log {
    rule: Rule,
    calls: Mutex<Vec<Vec<u32>>>,
    /// When each of them began.
    times: Mutex<Vec<Instant>>,
    in_flight: AtomicUsize,
    most: AtomicUsize,
    cancelled: AtomicUsize,
}

type Rule = Box<dyn Fn(&[u32]) -> (Duration, Act) + Send + Sync>;
type Answer = Result<u32, BoxError>;

struct Flight(Arc<Log>, bool);

impl Upstream {
    fn new(rule: impl Fn(&[u32]) -> (Duration, Act) + Send + Sync + 'static) -> Self {
        Self(Arc::new(Log {
            rule: Box::new(rule),
            calls: Mutex::default(),
            times: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            cancelled: AtomicUsize::new(0),
        }))
    }

    /// Answers after so long.
    fn taking(latency: Duration) -> Self {
        Self::new(move |_| (latency, Act::Double))
    }

    fn calls(&self) -> Vec<Vec<u32>> {
        self.0.calls.lock().unwrap().clone()
    }

    fn sizes(&self) -> Vec<usize> {
        self.calls().iter().map(Vec::len).collect()
    }

    /// When its calls began.
    fn times(&self) -> Vec<Instant> {
        self.0.times.lock().unwrap().clone()
    }

    fn in_flight(&self) -> usize {
        self.0.in_flight.load(Ordering::SeqCst)
    }

    fn cancelled(&self) -> usize {
        self.0.cancelled.load(Ordering::SeqCst)
    }
}

impl Service<Vec<u32>> for Upstream {
    type Response = Vec<Answer>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Vec<Answer>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut std::task::Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, batch: Vec<u32>) -> Self::Future {
        assert!(!batch.is_empty(), "there is no empty batch");
        let log = &self.0;
        let (latency, act) = (log.rule)(&batch);
        log.calls.lock().unwrap().push(batch.clone());
        log.times.lock().unwrap().push(Instant::now());
        let now = log.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        log.most.fetch_max(now, Ordering::SeqCst);
        let flight = Flight(Arc::clone(log), false);
        Box::pin(async move {
            let mut flight = flight;
            if !latency.is_zero() {
                tokio::time::sleep(latency).await;
            }
            let answer = |n: u32| match n != 0 && n.is_multiple_of(1_000) {
                true => Err(format!("{n} is bad").into()),
                false => Ok(n.wrapping_mul(2)),
            };
            let mut answers: Vec<_> = batch.into_iter().map(answer).collect();
            let result = match act {
                Act::Double => Ok(answers),
                Act::Miscount(by) => {
                    let len = answers.len().saturating_add_signed(by);
                    answers.resize_with(len, || Ok(0));
                    Ok(answers)
                }
                Act::Fail(error) => Err(error()),
                Act::Stall => std::future::pending().await,
                Act::Panic => panic!("the upstream panics"),
            };
            flight.1 = true;
            result
        })
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
        if !self.1 {
            self.0.cancelled.fetch_add(1, Ordering::SeqCst);
        }
    }
}

fn plain() -> BatchConfig {
    BatchConfig::default()
}

fn over(upstream: &Upstream, config: BatchConfig) -> Batch<u32, u32, BoxError> {
    BatchLayer::new(config).unwrap().layer(upstream.clone())
}

/// A call in a task of its own, which has joined its batch.
async fn begin<Req, Res>(
    service: &Batch<Req, Res, BoxError>,
    request: Req,
) -> JoinHandle<Result<Res, BoxError>>
where
    Req: Send + 'static,
    Res: Send + 'static,
{
    let call = tokio::spawn(service.clone().oneshot(request));
    settle().await;
    call
}

/// Lets every task that can go on go on, without time passing.
async fn settle() {
    for _ in 0..32 {
        tokio::task::yield_now().await;
    }
}

/// Polls a future once.
async fn once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx))).await
}

/// How long a call took, and what came of it.
async fn timed<T>(call: impl Future<Output = T>) -> (T, Duration) {
    let start = Instant::now();
    let answer = call.await;
    (answer, Instant::now() - start)
}

#[track_caller]
fn kind<T>(answer: Result<T, BoxError>) -> RejectionKind {
    let error = answer.err().expect("it was refused");
    let rejection = Rejection::find(&*error).unwrap_or_else(|| panic!("no rejection: {error}"));
    assert_eq!(rejection.layer(), "batch");
    rejection.kind()
}

fn call_within(time: Duration, message: u32) -> Call<u32> {
    Call {
        context: Context::new().with_deadline(Instant::now() + time),
        message,
    }
}

/// Everything that goes up and down is where it began.
#[track_caller]
fn assert_at_rest(snapshot: BatchSnapshot) {
    let now = (snapshot.open, snapshot.waiting, snapshot.in_flight);
    assert_eq!(now, (0, 0, 0), "{snapshot:?}");
}
