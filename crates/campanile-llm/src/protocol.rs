use std::task::Poll;

use campanile::{
    Call, Completion, Context, Outcome, Rejection,
    completion::{GuardedStream, Meter, Observe, Reading},
    cost::Cost,
    protocol::Protocol,
    rate_limit::{Advice, Advise},
    time::Timestamp,
    timeout::{Clocked, Countdown, Counts, TimedStream},
};

use crate::{
    chat::{Answer, ChatEvent, ChatRequest, ChatResponse, Part},
    error::Error,
};

pub(crate) mod single;
#[cfg(test)]
mod tests;

/// How the layers of `campanile` read chats: put it into their `protocol` method.
///
/// The context is that of the [`Call`]. A whole answer ends the call, a streamed one does with its last event, or with the
/// error that it ends in. Errors mean what their [class](crate::error::Class) says, of a call and at the end of a stream that
/// has begun.
///
/// ```
/// use campanile::concurrency_limit::{ConcurrencyLimitConfig, ConcurrencyLimitLayer};
/// use campanile_llm::Chat;
///
/// let layer = ConcurrencyLimitLayer::new(ConcurrencyLimitConfig::fixed(20)).unwrap().protocol(Chat);
/// # let _ = layer;
/// ```
///
/// A rate limit learns from the headers of answers where it is told to:
///
/// ```
/// use campanile::rate_limit::{Limit, RateLimitConfig, RateLimitLayer};
/// use campanile_llm::Chat;
///
/// let limit = RateLimitConfig::requests(Limit::per_minute(500.0));
/// let layer = RateLimitLayer::new(limit).unwrap().protocol(Chat).advise(Chat);
/// # let _ = layer;
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Chat;

/// Has the clocks of a [`TimeoutLayer`](campanile::timeout::TimeoutLayer) count only events with content, and the last one, as
/// data: the role that a stream begins with, pings and comments leave them running. For its
/// [`counting`](campanile::timeout::TimeoutLayer::counting) method.
///
/// ```
/// use campanile::timeout::{TimeoutConfig, TimeoutLayer};
/// use campanile_llm::{Chat, ContentData};
/// use std::time::Duration;
///
/// let clocks = TimeoutConfig::new().with_first_data(Duration::from_secs(20)).with_between_data(Duration::from_secs(30));
/// let layer = TimeoutLayer::new(clocks).unwrap().protocol(Chat).counting(ContentData);
/// # let _ = layer;
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct ContentData;

/// Reads usage and work off events, and what errors mean off their class.
#[derive(Debug, Clone, Copy, Default)]
pub struct EventMeter;

// ===== impl Chat =====

impl<S> Protocol<Call<ChatRequest>, ChatResponse<S>, Error> for Chat {
    type Response<O: Observe> = ChatResponse<GuardedStream<S, O, EventMeter>>;

    #[inline]
    fn context<'a>(&self, request: &'a Call<ChatRequest>) -> Option<&'a Context> {
        Some(&request.context)
    }

    #[inline]
    fn context_mut<'a>(&self, request: &'a mut Call<ChatRequest>) -> Option<&'a mut Context> {
        Some(&mut request.context)
    }

    fn cost(&self, request: &Call<ChatRequest>) -> Cost {
        // The crudest of estimates, where nobody made a better one: four bytes a token, and an answer as long as it may be.
        let output = request.message.most_tokens().unwrap_or(0);
        Cost::tokens((request.message.prompt_bytes() / 4).saturating_add(output))
    }

    fn bytes(&self, request: &Call<ChatRequest>) -> u64 {
        request.message.prompt_bytes()
    }

    #[inline]
    fn classify(&self, result: Result<&ChatResponse<S>, &Error>) -> Outcome {
        result.map_or_else(Error::outcome, |_| Outcome::Success)
    }

    fn status(&self, _response: &ChatResponse<S>) -> Option<u16> {
        Some(200)
    }

    fn rejection<'a>(&self, error: &'a Error) -> Option<&'a Rejection> {
        error.rejection()
    }

    fn complete<O: Observe>(
        &self,
        result: Result<ChatResponse<S>, Error>,
        completion: Completion<O>,
        now: Timestamp,
    ) -> Result<Self::Response<O>, Error> {
        let mut completion = Some(completion);
        Protocol::<Call<ChatRequest>, _, _>::arrived(self, &result, &mut completion, now);
        Protocol::<Call<ChatRequest>, _, _>::complete_in(self, result, &mut completion, now)
    }

    /// Whatever is no stream is over with this.
    #[inline(always)]
    fn arrived<O: Observe>(
        &self,
        result: &Result<ChatResponse<S>, Error>,
        completion: &mut Option<Completion<O>>,
        now: Timestamp,
    ) {
        let Some(call) = completion else {
            return;
        };
        match result {
            Ok(response) => {
                call.head(now);
                let Answer::Whole(whole) = &response.answer else {
                    return;
                };
                let usage = whole.usage();
                call.data(now, usage.output_tokens.unwrap_or(1));
                call.usage(usage);
                call.end_in_place(now, Outcome::Success);
            }
            Err(error) => call.end_in_place(now, error.outcome()),
        }
        *completion = None;
    }

    #[inline(always)]
    fn complete_in<O: Observe>(
        &self,
        result: Result<ChatResponse<S>, Error>,
        completion: &mut Option<Completion<O>>,
        now: Timestamp,
    ) -> Result<Self::Response<O>, Error> {
        let polled = Poll::Ready(result);
        match Protocol::<Call<ChatRequest>, _, _>::hand_on(self, polled, completion, now) {
            Poll::Ready(result) => result,
            Poll::Pending => unreachable!("it is ready"),
        }
    }

    // An answer in each arm, so that one that is whole is not moved as large as a stream is with all that hangs on it.
    #[inline(always)]
    fn hand_on<O: Observe>(
        &self,
        polled: Poll<Result<ChatResponse<S>, Error>>,
        completion: &mut Option<Completion<O>>,
        _now: Timestamp,
    ) -> Poll<Result<Self::Response<O>, Error>> {
        match polled {
            Poll::Ready(Ok(ChatResponse {
                meta,
                answer: Answer::Whole(whole),
            })) => Poll::Ready(Ok(ChatResponse {
                meta,
                answer: Answer::Whole(whole),
            })),
            Poll::Ready(Ok(ChatResponse {
                meta,
                answer: Answer::Stream(stream),
            })) => {
                let Some(call) = completion.take() else {
                    unreachable!("a stream goes on");
                };
                let stream = GuardedStream::new(stream, call, EventMeter, Outcome::Success);
                Poll::Ready(Ok(ChatResponse {
                    meta,
                    answer: Answer::Stream(stream),
                }))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    }

    #[inline(always)]
    fn pass(
        &self,
        polled: Poll<Result<ChatResponse<S>, Error>>,
    ) -> Poll<Result<ChatResponse<S>, Error>> {
        match polled {
            Poll::Ready(Ok(ChatResponse {
                meta,
                answer: Answer::Whole(whole),
            })) => Poll::Ready(Ok(ChatResponse {
                meta,
                answer: Answer::Whole(whole),
            })),
            other => other,
        }
    }
}

impl<S> Clocked<ChatResponse<S>> for Chat {
    type Response<N> = ChatResponse<TimedStream<S, N>>;

    fn clocked<N>(response: ChatResponse<S>, countdown: Countdown<N>) -> Self::Response<N> {
        response.map_stream(|stream| TimedStream::new(stream, countdown))
    }
}

// ===== impl ContentData =====

impl Counts<ChatEvent> for ContentData {
    #[inline]
    fn counts(&mut self, event: &ChatEvent) -> bool {
        event.part() != Part::Idle
    }
}

/// What a provider reports of its limits in the headers of its answers, for the `advise` method of a rate limit.
impl<S> Advise<ChatResponse<S>> for Chat {
    fn advice(&self, response: &ChatResponse<S>) -> Option<Advice> {
        response.meta.limits.as_deref().copied()
    }
}

// ===== impl EventMeter =====

impl Meter<ChatEvent, Error> for EventMeter {
    #[inline]
    fn read(&mut self, event: &ChatEvent) -> Reading {
        Reading {
            units: u64::from(event.units()),
            usage: Some(*event.usage()),
            ended: event.part() == Part::End,
            ..Reading::default()
        }
    }

    fn error(&mut self, error: &Error) -> Outcome {
        error.outcome()
    }
}
