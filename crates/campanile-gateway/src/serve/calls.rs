//! Requests of a connection.

use std::{
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, atomic::AtomicUsize},
    task::{Context, Poll},
};

use axum::{Router, extract::ConnectInfo};
use bytes::Bytes;
use campanile::{BoxError, time::Timestamp};
use campanile_llm::{Error, dialect::Dialect, error::Class};
use http::{Request, Response, StatusCode};
use http_body::Body as HttpBody;
use hyper::{
    body::Incoming,
    service::{HttpService, service_fn},
};
use pin_project_lite::pin_project;

use super::{
    Audience, answer,
    body::Body,
    clocks::Clocks,
    follow::{Follow, Followed, Watched},
    refuse,
    stop::Stop,
};
use crate::{
    gateway::Gateway,
    operate::{About, Called, LoggedBody, REQUEST_ID_OF_ANTHROPIC},
};

/// What all connections of a listener share.
pub(super) struct Served {
    pub(super) gateway: Gateway,
    pub(super) audience: Audience,
    /// What is not for callers.
    pub(super) operate: Router,
    pub(super) stop: Stop,
    /// How many bytes the bodies of requests have together that were put together.
    pub(super) bodies: Arc<AtomicUsize>,
}

/// What a connection shares with its calls. One count of owners for each connection: that of what all share would be written by
/// every core for each request.
pub(super) struct Link {
    pub(super) served: Arc<Served>,
    pub(super) clocks: Clocks,
    peer: Option<SocketAddr>,
}

pin_project! {
    /// An answer to come: a panic becomes a 500, and at the end of a stop it is waited for no longer.
    struct Answering<F> {
        #[pin]
        future: F,
        // Gone once it is there.
        call: Option<(Called, Follow)>,
    }
}

/// Answers a request of any server's.
pub(super) async fn one<B>(served: &Served, request: Request<B>) -> Response<LoggedBody<Body>>
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let called = Called::new(served.gateway.present().access(), &request);
    let response = answer::answer(served, None, called.id(), request).await;
    called.answered(response)
}

/// Answers the requests of a connection.
pub(super) fn of_connection(
    link: Arc<Link>,
) -> impl HttpService<
    Incoming,
    ResBody: HttpBody<Data = Bytes, Error = BoxError> + Send,
    Error = Infallible,
    Future: Send,
> + Send {
    service_fn(move |request: Request<Incoming>| {
        link.clocks.begin_call();
        let called = Called::new(link.served.gateway.present().access(), &request);
        let follow = Follow {
            link: Arc::clone(&link),
            dialect: answer::dialect_of(request.uri().path()),
            id: Arc::clone(called.id().text()),
        };
        let mut request = request.map(|body| Watched::new(body, Arc::clone(&link)));
        // Of operators it is logged who they are; calls are spared it.
        if let Some(peer) = link.peer
            && request.uri().path().starts_with("/admin")
        {
            request.extensions_mut().insert(ConnectInfo(peer));
        }
        let (link, id) = (Arc::clone(&link), called.id().clone());
        Answering {
            future: async move { answer::answer(&link.served, Some(&link.clocks), &id, request).await },
            call: Some((called, follow)),
        }
    })
}

// ===== impl Served =====

impl Served {
    pub(super) fn new(gateway: Gateway, audience: Audience) -> Self {
        Self {
            operate: super::operate(gateway.clone(), audience),
            audience,
            gateway,
            stop: Stop::default(),
            bodies: Arc::default(),
        }
    }
}

// ===== impl Link =====

impl Link {
    pub(super) fn new(served: Arc<Served>, peer: Option<SocketAddr>) -> Self {
        Self {
            served,
            clocks: Clocks::new(Timestamp::now()),
            peer,
        }
    }
}

// ===== impl Answering =====

impl<F> Future for Answering<F>
where
    F: Future<Output = Response<Body>>,
{
    type Output = Result<Response<Followed<Body>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Some((called, follow)) = this.call else {
            return Poll::Pending;
        };
        let response = if follow.is_cut() {
            follow.cut();
            let error = refuse::cut(follow.link.clocks.was_sent());
            ended(error, StatusCode::SERVICE_UNAVAILABLE, called, follow)
        } else {
            match catch_unwind(AssertUnwindSafe(|| this.future.poll(cx))) {
                Ok(Poll::Pending) => return Poll::Pending,
                Ok(Poll::Ready(response)) => response,
                Err(_) => {
                    follow.panicked();
                    let status = StatusCode::INTERNAL_SERVER_ERROR;
                    ended(refuse::broken(), status, called, follow)
                }
            }
        };
        match this.call.take() {
            Some((called, follow)) => {
                let response = called.answered(response);
                Poll::Ready(Ok(response.map(|body| Followed::new(body, follow))))
            }
            None => Poll::Pending,
        }
    }
}

/// The answer to a call that ends here and now, whatever was working on it.
#[cold]
fn ended(error: Error, status: StatusCode, called: &Called, follow: &Follow) -> Response<Body> {
    let class = error.class();
    let id = called.id();
    let mut response = refuse::answer(error, follow.dialect, id);
    *response.status_mut() = status;
    if class == Class::Overload {
        refuse::come_again(&mut response);
    }
    if follow.dialect == Dialect::Anthropic {
        let headers = response.headers_mut();
        headers.insert(REQUEST_ID_OF_ANTHROPIC, id.header());
    }
    if id.logs() {
        let error = Some(class);
        response.extensions_mut().insert(About {
            error,
            ..About::default()
        });
    }
    let standing = &follow.link.served.gateway.kept().standing;
    let status = status.as_u16();
    standing.refusals.count(Arc::default(), status, class);
    response
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_answered_with_500_and_the_calls_name() {
        let loaded = crate::config::load("providers: { sim: { simulated: {} } }");
        let gateway = Gateway::new(loaded.unwrap().config).unwrap();
        let link = Arc::new(Link::new(
            Arc::new(Served::new(gateway, Audience::Everybody)),
            None,
        ));
        let request = Request::post("/v1/messages")
            .header("x-request-id", "mine")
            .body(())
            .unwrap();
        let called = Called::new(crate::config::AccessLog::Off, &request);
        let follow = Follow {
            link: Arc::clone(&link),
            dialect: Dialect::Anthropic,
            id: Arc::clone(called.id().text()),
        };
        let answering = Answering {
            future: async { panic!("on purpose") },
            call: Some((called, follow)),
        };
        let Ok(response) = answering.await;
        assert_eq!(response.status(), 500);
        for name in ["x-request-id", "request-id"] {
            assert_eq!(response.headers()[name], "mine");
        }
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["request_id"], "mine");
        assert_eq!(link.served.gateway.kept().standing.refusals.total(), 1);
    }
}
