use std::{
    future::{Future, Ready, ready},
    hint::black_box,
    pin::Pin,
    sync::OnceLock,
    task::{Context, Poll, ready},
};

use campanile::{Call, Usage};
use campanile_llm::{
    Error,
    chat::{Answer, ChatCompletion, ChatEvent, ChatRequest, ChatResponse, Meta, Part},
};
use futures_util::{
    Stream,
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

pub(super) type Events = Once<Ready<Result<ChatEvent, Error>>>;

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

/// The call of a chat.
pub(super) fn call(_number: u64) -> Call<ChatRequest> {
    static REQUEST: OnceLock<ChatRequest> = OnceLock::new();
    let request = REQUEST.get_or_init(|| {
        let request = ChatRequest::new(MODEL).user("Say hello.");
        request.max_tokens(32)
    });
    Call::new(request.clone())
}

// ===== impl Chats =====

impl Service<Call<ChatRequest>> for Chats {
    type Response = ChatResponse<Events>;
    type Error = Error;
    type Future = Ready<Result<ChatResponse<Events>, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call<ChatRequest>) -> Self::Future {
        static WHOLE: OnceLock<ChatCompletion> = OnceLock::new();
        black_box(call);
        let usage = Usage {
            input_tokens: Some(TOKENS.0),
            output_tokens: Some(TOKENS.1),
            ..Usage::default()
        };
        if !self.streamed {
            let whole = WHOLE.get_or_init(|| ChatCompletion::openai("Hello.", usage));
            return ready(Ok(ChatResponse::whole(Meta::default(), whole.clone())));
        }
        let event = ChatEvent::new("data: [DONE]\n\n".into(), 0..0, Part::End);
        let events = stream::once(ready(Ok(event.with_usage(usage, true))));
        ready(Ok(ChatResponse::stream(Meta::default(), events)))
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
                    match response.answer {
                        Answer::Stream(stream) => self.set(Self::Reading { stream, events: 0 }),
                        Answer::Whole(whole) => {
                            black_box(whole);
                            return Poll::Ready(Ok(1));
                        }
                    }
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
