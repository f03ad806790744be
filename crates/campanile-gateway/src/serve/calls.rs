//! Requests of a connection.

use std::{
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{Router, extract::ConnectInfo};
use bytes::Bytes;
use campanile::{BoxError, time::Timestamp};
use http::{Request, Response};
use http_body::Body as HttpBody;
use hyper::{
    body::Incoming,
    service::{HttpService, service_fn},
};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::{
    answer,
    body::Body,
    clocks::{Clocks, Stage},
    follow::{Follow, Followed, Watched},
    refuse,
    stop::Stop,
};
use crate::{gateway::Gateway, operate::CallsLayer};

/// What all connections share.
pub(super) struct Served {
    pub(super) gateway: Gateway,
    /// What is not for callers.
    pub(super) operate: Router,
    pub(super) stop: Arc<Stop>,
}

pin_project! {
    /// An answer to come: a panic becomes a 500, and at the end of a stop it is waited for no longer.
    struct Answering<F> {
        #[pin]
        future: F,
        follow: Option<Follow>,
    }
}

/// Answers requests of any connection, and of any server.
pub(super) fn all<B>(
    served: Arc<Served>,
) -> impl Service<
    Request<B>,
    Response = Response<impl HttpBody<Data = Bytes, Error = BoxError> + From<Body> + Send>,
    Error = Infallible,
    Future: Send,
> + Clone
+ Send
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let layer = CallsLayer::new(served.gateway.clone());
    layer.layer(tower::service_fn(move |request| {
        let served = Arc::clone(&served);
        async move {
            let (gateway, operate) = (&served.gateway, &served.operate);
            Ok(answer::answer(gateway, operate, request).await)
        }
    }))
}

/// Answers the requests of a connection.
pub(super) fn of_connection(
    served: &Arc<Served>,
    clocks: Arc<Clocks>,
    peer: Option<SocketAddr>,
) -> impl HttpService<
    Incoming,
    ResBody: HttpBody<Data = Bytes, Error = BoxError> + Send,
    Error = Infallible,
    Future: Send,
> + Send
+ use<> {
    let stop = Arc::clone(&served.stop);
    let service = all::<Watched<Incoming>>(Arc::clone(served));
    service_fn(move |request: Request<Incoming>| {
        clocks.enter(Stage::Call, Timestamp::now());
        let follow = Follow {
            clocks: Arc::clone(&clocks),
            stop: Arc::clone(&stop),
            dialect: answer::dialect_of(request.uri().path()),
        };
        let mut request = request.map(|body| Watched::new(body, Arc::clone(&clocks)));
        // Of operators it is logged who they are; calls are spared it.
        if let Some(peer) = peer
            && request.uri().path().starts_with("/admin")
        {
            request.extensions_mut().insert(ConnectInfo(peer));
        }
        Answering {
            future: service.clone().call(request),
            follow: Some(follow),
        }
    })
}

// ===== impl Answering =====

impl<F, B> Future for Answering<F>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
    B: From<Body>,
{
    type Output = Result<Response<Followed<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Some(follow) = this.follow else {
            return Poll::Pending;
        };
        let response = if follow.is_cut() {
            follow.clocks.cut();
            refuse::stopping(follow.dialect).map(B::from)
        } else {
            match catch_unwind(AssertUnwindSafe(|| this.future.poll(cx))) {
                Ok(Poll::Pending) => return Poll::Pending,
                Ok(Poll::Ready(Ok(response))) => response,
                Ok(Poll::Ready(Err(never))) => match never {},
                Err(_) => {
                    tracing::error!("what worked on a request panicked; it is answered with 500");
                    refuse::broken(follow.dialect).map(B::from)
                }
            }
        };
        match this.follow.take() {
            Some(follow) => Poll::Ready(Ok(response.map(|body| Followed::new(body, follow)))),
            None => Poll::Pending,
        }
    }
}
