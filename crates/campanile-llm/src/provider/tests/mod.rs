use std::{
    convert::Infallible,
    future::Ready,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use campanile::{BoxError, Call};
use futures_util::StreamExt;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use tower::{Service, ServiceExt, service_fn};

use super::*;
use crate::{
    chat::{Answer, ChatEvent, ChatRequest, ChatResponse, Part},
    dialect::{Api, Dialect},
    error::{Class, Error},
};

mod answers;
mod apis;
#[cfg(feature = "client")]
mod net;
mod requests;
mod secrets;
mod streams;

/// A body in pieces, which tells how many were taken, and that it was dropped.
#[derive(Debug, Default)]
struct Pieces {
    left: std::collections::VecDeque<Result<Bytes, BoxError>>,
    taken: Arc<AtomicUsize>,
    dropped: Arc<AtomicUsize>,
    /// Whether it hangs after its pieces.
    hangs: bool,
}

impl Pieces {
    fn of<T: Into<Bytes>>(pieces: impl IntoIterator<Item = T>) -> Self {
        let mut body = Self::default();
        body.left
            .extend(pieces.into_iter().map(|piece| Ok(piece.into())));
        body
    }

    fn then_breaks(mut self) -> Self {
        self.left.push_back(Err("reset by peer".into()));
        self
    }

    const fn then_hangs(mut self) -> Self {
        self.hangs = true;
        self
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.left.pop_front() {
            Some(piece) => {
                self.taken.fetch_add(1, Ordering::Relaxed);
                Poll::Ready(Some(piece.map(Frame::data)))
            }
            None if self.hangs => Poll::Pending,
            None => Poll::Ready(None),
        }
    }
}

impl Drop for Pieces {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

/// An HTTP client that answers this, once.
#[derive(Debug, Clone)]
struct Once(Arc<Mutex<Option<Response<Pieces>>>>);

impl Once {
    fn new(status: u16, kind: &str, body: Pieces) -> Self {
        let mut response = Response::builder().status(status);
        if !kind.is_empty() {
            response = response.header("content-type", kind);
        }
        let response = response.header("x-request-id", "req_9").body(body);
        Self(Arc::new(Mutex::new(Some(response.unwrap()))))
    }
}

impl Service<Request<Full<Bytes>>> for Once {
    type Response = Response<Pieces>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Pieces>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Full<Bytes>>) -> Self::Future {
        let response = self.0.lock().unwrap().take();
        std::future::ready(Ok(response.expect("it answers once")))
    }
}

fn config() -> ProviderConfig {
    ProviderConfig::llama_cpp("http://127.0.0.1:1").with_name("test")
}

fn ask() -> ChatRequest {
    ChatRequest::new("m").user("hi")
}

async fn answer(
    http: Once,
    request: ChatRequest,
) -> Result<ChatResponse<ProviderStream<Pieces>>, Error> {
    let provider = Provider::new(http, &config()).unwrap();
    provider.oneshot(Call::new(request)).await
}

async fn answered(
    status: u16,
    kind: &str,
    body: &str,
    request: ChatRequest,
) -> Result<ChatResponse<ProviderStream<Pieces>>, Error> {
    answer(
        Once::new(status, kind, Pieces::of([body.to_owned()])),
        request,
    )
    .await
}

fn stream<S>(response: ChatResponse<S>) -> S {
    match response.answer {
        Answer::Stream(stream) => stream,
        Answer::Whole(whole) => panic!("it is whole: {whole:?}"),
    }
}

const SSE: &str = "text/event-stream; charset=utf-8";
const JSON: &str = "application/json";
const FIRST: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n";
const LAST: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
const WHOLE: &str = r#"{"id":"c","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Rome"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":1,"total_tokens":10}}"#;
