use std::sync::{Arc, Mutex};

use futures_util::{FutureExt, StreamExt, future::join_all};

use super::*;
use crate::{
    concurrency_limit::algorithm::{Algorithm, Sample, Tick, Verdict},
    control::Dial,
    cost::Usage,
    outcome::{Classify, ClassifyResult, FailureKind, Outcome},
    protocol::Streaming,
    testing::{Script, ScriptStream},
    time::Timestamp,
};

/// An algorithm that does as it is told, and writes down what it hears.
#[derive(Debug, Clone)]
struct Told(Arc<Mutex<Notes>>);

#[derive(Debug)]
struct Notes {
    limit: f64,
    samples: bool,
    every: Option<Duration>,
    due: Timestamp,
    heard: Vec<Sample>,
    ticks: Vec<Tick>,
}

// ===== impl Told =====

impl Told {
    fn new(limit: f64, samples: bool, every: Option<Duration>) -> Self {
        Self(Arc::new(Mutex::new(Notes {
            limit,
            samples,
            every,
            due: Timestamp::now(),
            heard: Vec::new(),
            ticks: Vec::new(),
        })))
    }

    fn notes(&self) -> std::sync::MutexGuard<'_, Notes> {
        self.0.lock().unwrap()
    }

    fn handle(&self) -> ConcurrencyLimitHandle {
        ConcurrencyLimitHandle::adaptive(ConcurrencyLimitConfig::default(), self.clone()).unwrap()
    }

    fn over<T>(&self, script: &Script<T>) -> Limited<T> {
        ConcurrencyLimitLayer::shared(&self.handle()).layer(script.service())
    }
}

impl Algorithm for Told {
    fn limit(&self) -> f64 {
        self.notes().limit
    }

    fn samples(&self) -> bool {
        self.notes().samples
    }

    fn sample(&mut self, sample: &Sample) {
        self.notes().heard.push(*sample);
    }

    fn next_tick(&self) -> Option<Timestamp> {
        let notes = self.notes();
        notes.every.map(|_| notes.due)
    }

    fn tick(&mut self, tick: &Tick) {
        let mut notes = self.notes();
        notes.due = tick.now.after(notes.every.unwrap());
        notes.ticks.push(*tick);
    }
}

#[tokio::test(start_paused = true)]
async fn the_limit_follows_the_algorithm_between_floor_and_cap() {
    let told = Told::new(3.0, true, None);
    let config = ConcurrencyLimitConfig {
        min_limit: 2,
        max_limit: 10,
        ..ConcurrencyLimitConfig::default()
    };
    let script = slow(10 * MS);
    let handle = ConcurrencyLimitHandle::adaptive(config, told.clone()).unwrap();
    let service = ConcurrencyLimitLayer::shared(&handle).layer(script.service());
    assert_eq!(handle.limit(), 3);
    for (wanted, limit) in [(7.6, 8), (0.0, 2), (1e9, 10), (f64::NAN, 2), (5.0, 5)] {
        told.notes().limit = wanted;
        call(&service).await.unwrap();
        assert_eq!(handle.limit(), limit, "{wanted}");
    }
    assert!(handle.snapshot().adapts);

    // An operator holds it, and lets it go.
    assert_eq!(handle.set_limit(4), 4);
    told.notes().limit = 9.0;
    call(&service).await.unwrap();
    assert_eq!((handle.limit(), handle.snapshot().adapts), (4, false));
    handle.adapt();
    assert_eq!((handle.limit(), handle.snapshot().adapts), (9, true));
    // The hardware caps it.
    handle.ceiling_dial().set(6.0);
    assert_eq!(handle.limit(), 6);
    handle.ceiling_dial().set(1e9);
    assert_eq!(handle.limit(), 9);
    assert_at_rest(&handle);
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_adapts_upwards_lets_waiting_calls_go() {
    let told = Told::new(1.0, true, None);
    let service = told.over(&slow(10 * MS));
    let handle = service.handle();
    let calls = join_all((0..6).map(|_| call(&service)));
    let start = tokio::time::Instant::now();
    told.notes().limit = 5.0;
    assert!(calls.await.iter().all(Result::is_ok));
    // One alone, and then five at once.
    assert_eq!(tokio::time::Instant::now() - start, 20 * MS);
    assert_at_rest(&handle);
}

#[derive(Debug, thiserror::Error)]
#[error("overloaded")]
struct Overloaded;

#[tokio::test(start_paused = true)]
async fn a_sample_tells_how_a_call_went() {
    let told = Told::new(9.0, true, None);
    let script = slow(10 * MS)
        .then(Step::answer("a").after(10 * MS))
        .then(Step::error("broken").after(20 * MS))
        .then(Step::error_with(|| {
            Rejection::new(RejectionKind::TimedOut, "timeout").into()
        }))
        .then(Step::error_with(|| {
            Rejection::new(RejectionKind::RateLimited, "rate_limit").into()
        }))
        .then(Step::error_with(|| Overloaded.into()))
        .then(Step::panic_in_poll())
        .then(Step::stall());
    let classify = |result: Result<&&'static str, &BoxError>| match result {
        Err(error) if error.is::<Overloaded>() => Outcome::Overloaded { retry_after: None },
        _ => ClassifyResult.classify(result),
    };
    let service = ConcurrencyLimitLayer::shared(&told.handle())
        .protocol(Unary::new(classify))
        .layer(script.service());
    let start = Timestamp::now();
    let others = [call(&service), call(&service)];
    let heard = |at: usize| told.notes().heard[at];

    let _ = join_all(others).await;
    assert_eq!((heard(0).in_flight, heard(1).in_flight), (2, 1));
    assert_eq!(heard(0).latency, Some(10 * MS));
    assert_eq!(
        (heard(0).started, heard(0).now),
        (start, start.after(10 * MS))
    );
    assert_eq!((heard(0).limit, heard(0).units), (9, 1));
    assert_eq!(heard(0).verdict, Verdict::Done);
    assert_eq!(
        (heard(1).latency, heard(1).verdict),
        (None, Verdict::Ignored)
    );

    for _ in 0..3 {
        call(&service).await.unwrap_err();
    }
    let panicked = tokio::spawn(call(&service)).await;
    assert!(panicked.unwrap_err().is_panic());
    let mut cancelled = Box::pin(call(&service));
    assert!((&mut cancelled).now_or_never().is_none());
    tokio::time::advance(SEC).await;
    drop(cancelled);
    let verdicts: Vec<_> = told.notes().heard[2..]
        .iter()
        .map(|sample| (sample.verdict, sample.latency))
        .collect();
    let (dropped, ignored) = ((Verdict::Dropped, None), (Verdict::Ignored, None));
    // A time-out, a refusal of a layer further in, overload, a panic, a cancellation.
    assert_eq!(verdicts, [dropped, ignored, dropped, ignored, ignored]);
    let snapshot = service.handle().snapshot();
    assert_eq!((snapshot.completed, snapshot.dropped), (Some(1), Some(2)));
    assert_at_rest(&service.handle());
}

#[tokio::test(start_paused = true)]
async fn each_signal_is_another_latency() {
    let words = ScriptStream::new()
        .pause(10 * MS)
        .piece(1)
        .pause(20 * MS)
        .piece(2)
        .pause(30 * MS)
        .piece(3)
        .pause(40 * MS);
    let script = Script::<_>::new(Step::answer(words).after(5 * MS));
    for (signal, latency) in [
        (Signal::Head, 5 * MS),
        (Signal::FirstData, 15 * MS),
        (Signal::PerToken, 35 * MS),
        (Signal::Total, 105 * MS),
    ] {
        let told = Told::new(9.0, true, None);
        let config = ConcurrencyLimitConfig {
            signal,
            ..ConcurrencyLimitConfig::default()
        };
        let algorithm = told.clone();
        let service = ConcurrencyLimitLayer::adaptive(config, move || algorithm.clone())
            .unwrap()
            .protocol(Streaming::default())
            .layer(script.service());
        assert_eq!(call(&service).await.unwrap().count().await, 3);
        let heard = told.notes().heard[0];
        assert_eq!(
            (heard.latency, heard.units),
            (Some(latency), 3),
            "{signal:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn tokens_that_the_upstream_reports_count() {
    /// Each item is the whole answer, with its number of tokens.
    #[derive(Clone)]
    struct Report;
    impl<E> crate::completion::Meter<u64, E> for Report {
        fn read(&mut self, tokens: &u64) -> crate::completion::Reading {
            crate::completion::Reading {
                units: 0,
                usage: Some(Usage {
                    output_tokens: Some(*tokens),
                    ..Usage::default()
                }),
                outcome: None,
                ..crate::completion::Reading::default()
            }
        }
    }
    let told = Told::new(9.0, true, None);
    let config = ConcurrencyLimitConfig {
        signal: Signal::PerToken,
        ..ConcurrencyLimitConfig::default()
    };
    let handle = ConcurrencyLimitHandle::adaptive(config, told.clone()).unwrap();
    let script: Script<_> = Script::new(Step::answer(ScriptStream::from_iter([50])).after(SEC));
    let service = ConcurrencyLimitLayer::shared(&handle)
        .protocol(Streaming::new(ClassifyResult, Report))
        .layer(script.service());
    assert_eq!(call(&service).await.unwrap().count().await, 1);
    let heard = told.notes().heard[0];
    assert_eq!((heard.latency, heard.units), (Some(20 * MS), 50));
}

#[tokio::test(start_paused = true)]
async fn a_tick_tells_of_calls_that_are_still_under_way() {
    let told = Told::new(9.0, false, Some(100 * MS));
    let words = ScriptStream::new().piece(1).pause(60 * MS).piece(2);
    let words = words
        .pause(60 * MS)
        .piece(3)
        .pause(60 * MS)
        .piece(4)
        .stall();
    let script: Script<_> = Script::new(Step::answer(words));
    let service = ConcurrencyLimitLayer::shared(&told.handle())
        .protocol(Streaming::default())
        .layer(script.service());
    let start = Timestamp::now();
    let mut stream = call(&service).await.unwrap();
    let other = call(&service);
    for _ in 0..4 {
        stream.next().await.unwrap().unwrap();
    }
    drop(stream);
    let ticks = told.notes().ticks.clone();
    let times: Vec<_> = ticks.iter().map(|tick| tick.now.since(start)).collect();
    assert_eq!(times, [Duration::ZERO, 120 * MS]);
    assert_eq!((ticks[1].units, ticks[1].completed), (3, 0));
    assert_eq!((ticks[1].in_flight, ticks[1].limit), (2, 9));
    let busy = Duration::from_nanos(ticks[1].busy - ticks[0].busy);
    assert!(
        busy.abs_diff(240 * MS) < Duration::from_micros(10),
        "{busy:?}"
    );
    assert!(told.notes().heard.is_empty(), "it did not want to hear");
    drop(other);
    assert_at_rest(&service.handle());
}

#[tokio::test(start_paused = true)]
async fn a_tick_tells_of_calls_that_found_no_room() {
    let told = Told::new(2.0, false, Some(MS));
    let script = slow(10 * MS)
        .then(Step::answer("a").after(10 * MS))
        .then(Step::error_with(|| {
            Rejection::new(RejectionKind::TimedOut, "timeout").into()
        }));
    let service = told.over(&script);
    let _ = join_all((0..5).map(|_| call(&service))).await;
    call(&service).await.unwrap();
    let last = *told.notes().ticks.last().unwrap();
    assert_eq!((last.refused, last.completed, last.dropped), (3, 5, 1));
    assert_eq!(last.units, 5);
    assert_at_rest(&service.handle());
}

#[tokio::test(start_paused = true)]
async fn a_drop_that_finds_the_algorithm_taken_is_made_up_for() {
    let told = Told::new(9.0, true, None);
    let failing = Script::new(Step::<&'static str>::error_with(|| {
        Rejection::new(RejectionKind::TimedOut, "timeout").into()
    }))
    .then(Step::answer("a"));
    let service = told.over(&failing);
    call(&service).await.unwrap();
    let handle = service.handle();
    let control = handle.shared().control().unwrap();
    control.while_taken(|| {
        for _ in 0..3 {
            let failed = call(&service).now_or_never().unwrap();
            failed.unwrap_err();
        }
    });
    assert_eq!(told.notes().heard.len(), 1);
    call(&service).await.unwrap_err();
    call(&service).await.unwrap_err();
    let verdicts: Vec<_> = told.notes().heard.iter().map(|it| it.verdict).collect();
    let (done, dropped) = (Verdict::Done, Verdict::Dropped);
    // One for the three, the two themselves.
    assert_eq!(verdicts, [done, dropped, dropped, dropped]);
    assert_eq!(handle.snapshot().dropped, Some(5));
}

#[test]
fn what_an_outcome_says_of_the_limit() {
    use crate::concurrency_limit::control::verdict;
    for (outcome, says) in [
        (Outcome::Success, Verdict::Done),
        (Outcome::Throttled { retry_after: None }, Verdict::Dropped),
        (Outcome::Overloaded { retry_after: None }, Verdict::Dropped),
        (Outcome::Failure(FailureKind::Timeout), Verdict::Dropped),
        (Outcome::Failure(FailureKind::Server), Verdict::Ignored),
        (Outcome::Failure(FailureKind::Interrupted), Verdict::Ignored),
        (Outcome::Failure(FailureKind::Panic), Verdict::Ignored),
        (Outcome::Ignored, Verdict::Ignored),
        (Outcome::Cancelled, Verdict::Ignored),
    ] {
        assert_eq!(verdict(outcome), says, "{outcome:?}");
    }
}
