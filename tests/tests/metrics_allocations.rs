//! A call that is recorded allocates nothing, and what a recorder says it takes is what it takes.

use std::{
    future::{Future, Ready, ready},
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use campanile::{
    BoxError, Call, Outcome, Usage,
    completion::Observe,
    metrics::{MetricsLayer, Recorder},
    time::Timestamp,
};
use tower::{Layer, Service};

/// A processor that answers at once.
#[derive(Clone)]
struct Echo;

impl<T> Service<T> for Echo {
    type Response = T;
    type Error = BoxError;
    type Future = Ready<Result<T, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: T) -> Self::Future {
        ready(Ok(request))
    }
}

/// How often what calls allocate is looked at.
const LOOKS: u64 = 10;

/// What 10,000 calls allocate, at the least. The first call that is longer than all before it takes a page for that, and
/// which one that is the machine decides; what every call took would be there each time.
fn allocations<S, T>(mut service: S, request: impl Fn() -> T) -> u64
where
    S: Service<T, Response = T, Error = BoxError>,
{
    let mut run = || {
        for _ in 0..10_000 {
            let mut cx = Context::from_waker(Waker::noop());
            assert!(service.poll_ready(&mut cx).is_ready());
            let answer = pin!(service.call(request())).poll(&mut cx);
            assert!(matches!(answer, Poll::Ready(Ok(_))));
        }
    };
    run();
    let looks = (0..LOOKS).map(|_| allocation_counter::measure(&mut run).count_total);
    looks.min().unwrap()
}

#[test]
fn a_call_that_is_recorded_allocates_nothing() {
    let recorder = Recorder::new();
    let layer = MetricsLayer::new(&recorder);
    assert_eq!(allocations(layer.layer(Echo), || 7), 0);
    let stage = MetricsLayer::new(&Recorder::new()).stamp(true).calls();
    let stages = stage.layer(layer.calls().layer(Echo));
    assert_eq!(allocations(stages, || Call::new(7)), 0);
    assert_eq!(recorder.read().outcomes.success, 2 * (LOOKS + 1) * 10_000);
}

#[test]
fn a_streamed_call_with_usage_and_bytes_allocates_nothing() {
    let recorder = Recorder::new();
    let start = Timestamp::now();
    let run = || {
        for number in 0..10_000_u64 {
            let now = start.after(Duration::from_micros(number));
            let at = |millis| now.after(Duration::from_millis(millis + number % 50));
            let mut call = recorder.begin(now);
            call.sent(100);
            call.head(at(10));
            for piece in 0..20 {
                call.bytes(10);
                call.data(at(20 + piece), 1);
            }
            call.usage(&Usage {
                input_tokens: Some(5),
                ..Usage::default()
            });
            call.end(at(60), Outcome::Success);
        }
    };
    run();
    assert_eq!(allocation_counter::measure(run).count_total, 0);
}

#[test]
fn what_a_recorder_says_it_takes_is_what_it_takes() {
    let start = Timestamp::now();
    let mut recorder = None;
    // Lanes, rings, records, pages and the past, with and without the last minute.
    for after in [0, 120] {
        recorder = None;
        let measured = allocation_counter::measure(|| {
            let used = Recorder::new();
            for number in 0..20_000_u64 {
                let now = start.after(Duration::from_millis(number));
                let mut call = used.begin(now);
                call.head(now.after(Duration::from_micros(number)));
                call.end(
                    now.after(Duration::from_micros(number * 7)),
                    Outcome::Success,
                );
            }
            let _ = used.read_at(start.after(Duration::from_secs(20 + after)));
            recorder = Some(used);
        });
        let said = recorder.as_ref().map_or(0, Recorder::memory);
        assert_eq!(i64::try_from(said).unwrap(), measured.bytes_current);
    }
    drop(recorder);
}
