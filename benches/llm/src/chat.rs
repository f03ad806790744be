use std::{
    future::{Future, Ready, ready},
    hint::black_box,
    pin::Pin,
    task::{Context, Poll, ready},
};

use campanile::{Call, Usage};
use campanile_llm::{
    Error,
    chat::{Answer, ChatCompletion, ChatEvent, ChatRequest, ChatResponse, Meta, Part},
};
use futures_util::{
    Stream,
    future::{Lazy, lazy},
    stream::{self, Once},
};
use pin_project_lite::pin_project;
use tower::Service;

use super::{MODEL, TOKENS};

/// A provider that answers at once, as a whole or by a stream of one event, either of which reports what the call took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chats {
    pub(super) streamed: bool,
}

pub(super) type Answers = fn(&mut Context<'_>) -> Result<ChatResponse<Events>, Error>;

pub(super) type Events = Once<Ready<Result<ChatEvent, Error>>>;

/// Takes whole answers.
#[derive(Debug, Clone)]
pub(super) struct Take<S>(pub(super) S);

pin_project! {
    pub(super) struct Taking<F> {
        #[pin]
        call: F,
    }
}

/// Reads the streams of a service to their ends.
#[derive(Debug, Clone)]
pub(super) struct Drain<S>(pub(super) S);

pin_project! {
    #[project = DrainingProj]
    pub(super) enum Draining<F, T> {
        Calling { #[pin] call: F },
        Reading { #[pin] stream: T, events: u64 },
    }
}

thread_local! {
    // Of each thread, since callers on several do not ask the same: clones of a request count themselves in it.
    static REQUEST: ChatRequest = ChatRequest::new(MODEL).user("Say hello.").max_tokens(32);
    static WHOLE: ChatCompletion = ChatCompletion::openai("Hello.", USAGE);
}

/// The call of a chat.
pub(super) fn call(_number: u64) -> Call<ChatRequest> {
    Call::new(REQUEST.with(Clone::clone))
}

// ===== impl Chats =====

impl Service<Call<ChatRequest>> for Chats {
    type Response = ChatResponse<Events>;
    type Error = Error;
    // Small, and makes the answer when it is polled: before that a provider has none to be moved about.
    type Future = Lazy<Answers>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call<ChatRequest>) -> Self::Future {
        black_box(call);
        let answers: Answers = if self.streamed { streamed } else { whole };
        lazy(answers)
    }
}

const USAGE: Usage = Usage {
    input_tokens: Some(TOKENS.0),
    output_tokens: Some(TOKENS.1),
    cached_tokens: None,
    cache_write_tokens: None,
    cache_write_long_tokens: None,
    reasoning_tokens: None,
    nano_dollars: None,
};

fn whole(_: &mut Context<'_>) -> Result<ChatResponse<Events>, Error> {
    let whole = WHOLE.with(Clone::clone);
    Ok(ChatResponse::whole(Meta::default(), whole))
}

fn streamed(_: &mut Context<'_>) -> Result<ChatResponse<Events>, Error> {
    let event = ChatEvent::new("data: [DONE]\n\n".into(), 0..0, Part::End);
    let events = stream::once(ready(Ok(event.with_usage(USAGE, true))));
    Ok(ChatResponse::stream(Meta::default(), events))
}

// ===== impl Take =====

impl<S, T> Service<Call<ChatRequest>> for Take<S>
where
    S: Service<Call<ChatRequest>, Response = ChatResponse<T>, Error = Error>,
{
    type Response = u64;
    type Error = Error;
    type Future = Taking<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, call: Call<ChatRequest>) -> Self::Future {
        Taking {
            call: self.0.call(call),
        }
    }
}

impl<F, T> Future for Taking<F>
where
    F: Future<Output = Result<ChatResponse<T>, Error>>,
{
    type Output = Result<u64, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Looked at where it lies.
        let polled = self.project().call.poll(cx);
        black_box(&polled);
        match polled {
            Poll::Ready(Ok(_)) => Poll::Ready(Ok(1)),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    }
}

// ===== impl Drain =====

impl<S, T> Service<Call<ChatRequest>> for Drain<S>
where
    S: Service<Call<ChatRequest>, Response = ChatResponse<T>, Error = Error>,
    T: Stream<Item = Result<ChatEvent, Error>>,
{
    type Response = u64;
    type Error = Error;
    type Future = Draining<S::Future, T>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, call: Call<ChatRequest>) -> Self::Future {
        Draining::Calling {
            call: self.0.call(call),
        }
    }
}

impl<F, T> Future for Draining<F, T>
where
    F: Future<Output = Result<ChatResponse<T>, Error>>,
    T: Stream<Item = Result<ChatEvent, Error>>,
{
    type Output = Result<u64, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match self.as_mut().project() {
                DrainingProj::Calling { call } => {
                    let response = ready!(call.poll(cx))?;
                    let Answer::Stream(stream) = response.answer else {
                        unreachable!("it was asked for a stream");
                    };
                    self.set(Self::Reading { stream, events: 0 });
                }
                DrainingProj::Reading { mut stream, events } => {
                    while let Some(event) = ready!(stream.as_mut().poll_next(cx)) {
                        black_box(event?);
                        *events += 1;
                    }
                    return Poll::Ready(Ok(*events));
                }
            }
        }
    }
}
