use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use campanile::{
    circuit_breaker::{CircuitBreakerConfig, CircuitBreakerHandle, CircuitBreakerLayer},
    outcome::FailureKind,
    rejection::RejectionKind,
};
use futures_util::{FutureExt, StreamExt, stream};
use tower::{Layer, ServiceExt, service_fn};

use super::*;
use crate::{chat::Meta, error::Class};

/// Writes down how calls end.
#[derive(Debug, Clone, Default)]
struct Ends(Arc<Mutex<Vec<Outcome>>>);

impl Observe for Ends {
    fn end(&mut self, _: Timestamp, outcome: Outcome) {
        self.0.lock().unwrap().push(outcome);
    }
}

/// An answer that says a word and breaks off with this error.
fn breaks(
    error: Error,
) -> ChatResponse<impl futures_core::Stream<Item = Result<ChatEvent, Error>>> {
    let word = ChatEvent::new("data: {}\n\n".into(), 6..8, Part::Content);
    ChatResponse::stream(Meta::default(), stream::iter([Ok(word), Err(error)]))
}

/// How a call counts whose stream has begun, and breaks off with this error.
fn counted(error: Error) -> Outcome {
    let ends = Ends::default();
    let protocol = &Chat;
    let guarded = Protocol::<Call<ChatRequest>, _, _>::complete(
        protocol,
        Ok(breaks(error)),
        Completion::new(ends.clone()),
        Timestamp::ZERO,
    );
    let Answer::Stream(events) = guarded.unwrap().answer else {
        unreachable!("it is streamed");
    };
    assert_eq!(events.count().now_or_never(), Some(2));
    let ends = ends.0.lock().unwrap();
    assert_eq!(ends.len(), 1);
    ends[0]
}

#[test]
fn an_error_amid_a_stream_means_what_its_class_says() {
    for class in Class::ALL {
        let outcome = counted(Error::new(class, "no"));
        assert_eq!(outcome, class.outcome(None), "{class:?}");
    }
    // As the table says, so that this does not only say that two functions agree.
    let of = |class| counted(Error::new(class, "no").with_retry_after(Duration::from_secs(7)));
    let retry_after = Some(Duration::from_secs(7));
    assert_eq!(of(Class::Rate), Outcome::Throttled { retry_after });
    assert_eq!(of(Class::Overload), Outcome::Overloaded { retry_after });
    assert_eq!(of(Class::Request), Outcome::Ignored);
    let interrupted = Outcome::Failure(FailureKind::Interrupted);
    assert_eq!(of(Class::Interrupted), interrupted);
    assert_eq!(of(Class::Server), Outcome::Failure(FailureKind::Server));
}

#[test]
fn a_clock_that_runs_out_amid_a_stream_is_a_failure_and_a_deadline_is_not() {
    let refused = |kind| counted(Rejection::new(kind, "timeout").into());
    let late = refused(RejectionKind::TimedOut);
    assert_eq!(late, Outcome::Failure(FailureKind::Timeout));
    assert_eq!(refused(RejectionKind::DeadlineExceeded), Outcome::Ignored);
}

#[tokio::test(start_paused = true)]
async fn a_breaker_counts_an_overload_amid_streams_softly_and_keeps_to_the_hints_of_limits() {
    let breaker = CircuitBreakerHandle::new(CircuitBreakerConfig::default()).unwrap();
    let ask = async |error: Error| {
        let provider = service_fn(move |_: Call<ChatRequest>| {
            std::future::ready(Ok::<_, Error>(breaks(error.clone())))
        });
        let layer = CircuitBreakerLayer::shared(&breaker).protocol(Chat);
        let call = Call::new(ChatRequest::new("m").user("hi").streamed());
        let answer = layer.layer(provider).oneshot(call).await.unwrap().answer;
        let Answer::Stream(events) = answer else {
            unreachable!("it is streamed");
        };
        assert_eq!(events.count().await, 2);
        breaker.snapshot()
    };
    let overload = ask(Error::new(Class::Overload, "too much work")).await;
    assert!((overload.failures_in_a_row - 0.5).abs() < 1e-6);
    let faulty = ask(Error::new(Class::ContextWindow, "too long")).await;
    assert!((faulty.failures_in_a_row - 0.5).abs() < 1e-6);
    let hint = Error::new(Class::Rate, "slow down").with_retry_after(Duration::from_secs(7));
    let throttled = ask(hint).await;
    assert!((throttled.failures_in_a_row - 0.5).abs() < 1e-6);
    assert_eq!(throttled.parked_for, Some(7.0));
    assert_eq!(throttled.trips, 0);
}
