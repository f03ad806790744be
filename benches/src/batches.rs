//! What lets requests travel together: ours, and zebra's `tower-batch-control`, over services that answer a batch at once.

use std::{
    future::{Future, Ready, ready},
    mem,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use campanile::{
    BoxError,
    batch::{BatchConfig, BatchHandle, BatchLayer},
};
use futures_util::future::Either;
use tokio::sync::watch;
use tower::{Layer, Service};
use tower_batch_control::{BatchControl, BatchLayer as ControlLayer, RequestWeight};

/// Items in a batch.
pub const SIZE: usize = 32;

/// How long the first item waits for others: never, while there are more callers than a batch has items.
const TIMEOUT: Duration = Duration::from_millis(10);

/// Ours, and the handle that counts its batches.
pub fn ours() -> (
    impl Service<u64, Response = u64, Error = BoxError, Future: Send> + Clone + Send + 'static,
    BatchHandle,
) {
    let config = BatchConfig::default()
        .with_max_size(SIZE)
        .with_batch_timeout(TIMEOUT);
    let handle = BatchHandle::new(config).expect("the settings are valid");
    let service = BatchLayer::shared(&handle).plain().layer(Whole);
    (service, handle)
}

/// zebra's, and how many batches it has sent. Its inner service is told of every item, and when a batch is over; `items` makes
/// of an item what its caller waits for.
pub fn zebra<I: Items>(
    items: I,
) -> (
    impl Service<Item, Response = u64, Error = BoxError, Future: Send> + Clone + Send + 'static,
    Arc<AtomicU64>,
) {
    let batches = Arc::new(AtomicU64::new(0));
    let inner = Controlled {
        items,
        batches: batches.clone(),
    };
    let layer = ControlLayer::new(SIZE, None, TIMEOUT);
    (layer.layer(inner), batches)
}

/// A number, of weight 1: `tower-batch-control` asks every request for its weight.
#[derive(Debug)]
pub struct Item(pub u64);

/// What an inner service of `tower-batch-control` does with items.
pub trait Items: Send + 'static {
    /// What an item's caller waits for.
    type Answer: Future<Output = Result<u64, BoxError>> + Send + 'static;

    /// Another item of the batch.
    fn item(&mut self, number: u64) -> Self::Answer;

    /// The batch is over.
    fn flush(&mut self) {}
}

/// Answers items before their batch is sent: what it costs to do so in turns, without batches.
#[derive(Debug)]
pub struct AtOnce;

/// Answers items when their batch has been answered, through a channel that they share, as zebra's verifiers do.
#[derive(Debug)]
pub struct WhenFlushed {
    batch: Vec<u64>,
    answers: watch::Sender<Option<Vec<u64>>>,
}

/// Answers a batch at once.
#[derive(Debug, Clone, Copy)]
struct Whole;

struct Controlled<I> {
    items: I,
    batches: Arc<AtomicU64>,
}

// ===== impl Whole =====

impl Service<Vec<u64>> for Whole {
    type Response = Vec<u64>;
    type Error = BoxError;
    type Future = Ready<Result<Vec<u64>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, batch: Vec<u64>) -> Self::Future {
        ready(Ok(batch))
    }
}

// ===== impl Items =====

impl RequestWeight for Item {}

impl Items for AtOnce {
    type Answer = Ready<Result<u64, BoxError>>;

    fn item(&mut self, number: u64) -> Self::Answer {
        ready(Ok(number))
    }
}

impl WhenFlushed {
    /// With an empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self {
            batch: Vec::with_capacity(SIZE),
            answers: watch::Sender::new(None),
        }
    }
}

impl Default for WhenFlushed {
    fn default() -> Self {
        Self::new()
    }
}

impl Items for WhenFlushed {
    type Answer = Pin<Box<dyn Future<Output = Result<u64, BoxError>> + Send>>;

    fn item(&mut self, number: u64) -> Self::Answer {
        let place = self.batch.len();
        self.batch.push(number);
        let mut answers = self.answers.subscribe();
        Box::pin(async move {
            answers.changed().await?;
            let answer = answers.borrow().as_ref().map(|answers| answers[place]);
            answer.ok_or_else(|| BoxError::from("no answer"))
        })
    }

    fn flush(&mut self) {
        let batch = mem::replace(&mut self.batch, Vec::with_capacity(SIZE));
        let answers = mem::replace(&mut self.answers, watch::Sender::new(None));
        answers.send_replace(Some(batch));
    }
}

// ===== impl Controlled =====

impl<I: Items> Service<BatchControl<Item>> for Controlled<I> {
    type Response = u64;
    type Error = BoxError;
    type Future = Either<I::Answer, Ready<Result<u64, BoxError>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, control: BatchControl<Item>) -> Self::Future {
        match control {
            BatchControl::Item(Item(number)) => Either::Left(self.items.item(number)),
            BatchControl::Flush => {
                self.batches.fetch_add(1, Ordering::Relaxed);
                self.items.flush();
                // Nobody asks what it was.
                Either::Right(ready(Ok(0)))
            }
        }
    }
}
