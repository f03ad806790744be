//! Connections, requests and answers.

use std::{io, net::SocketAddr, sync::Arc};

use axum::{
    Extension, Router,
    body::{Body, Bytes},
    extract::State,
    response::Response,
    routing::post,
};
use campanile::Call;
use campanile_llm::{chat::ChatRequest, dialect::Dialect, front};
use http::HeaderMap;
use tokio::net::TcpListener;
use tower::ServiceExt;

use crate::{
    gateway::Gateway,
    operate::{self, CallsLayer, RequestId},
    trail::{self, Told},
};

/// A gateway and its listener.
#[derive(Debug)]
pub struct Server {
    gateway: Gateway,
    listener: TcpListener,
}

/// How it stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stopped {
    /// How many answers were cut, because they were not over in time.
    pub cut: usize,
}

// ===== impl Server =====

impl Server {
    /// Listens where the settings say.
    ///
    /// # Errors
    ///
    /// When the address cannot be had.
    pub async fn bind(gateway: Gateway) -> io::Result<Self> {
        let listen = gateway.live().config.listen;
        let listener = TcpListener::bind(listen).await?;
        Ok(Self { gateway, listener })
    }

    /// Where it listens.
    ///
    /// # Errors
    ///
    /// When the system does not tell.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop` is ready, then ends what is under way.
    pub async fn run(self, stop: impl Future<Output = ()> + Send + 'static) -> io::Result<Stopped> {
        let app = routes(self.gateway);
        axum::serve(self.listener, app)
            .with_graceful_shutdown(stop)
            .await?;
        Ok(Stopped { cut: 0 })
    }
}

/// Everything that is served.
pub(crate) fn routes(gateway: Gateway) -> Router {
    Router::new()
        .route("/v1/chat/completions", post(openai))
        .merge(operate::routes())
        .layer(CallsLayer)
        .with_state(gateway)
}

async fn openai(
    State(gateway): State<Gateway>,
    Extension(id): Extension<RequestId>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let dialect = Dialect::OpenAi;
    let caller = gateway.live().access.caller(&headers, dialect);
    let mut told = Told::default();
    let result = match (caller, ChatRequest::parse(dialect, body)) {
        (Ok(caller), Ok(message)) => {
            let mut context = caller.context().with_id(Arc::clone(id.text()));
            told = Told::begin(&headers, &mut context);
            caller
                .chats
                .clone()
                .oneshot(Call { context, message })
                .await
        }
        (Err(error), _) | (_, Err(error)) => Err(error),
    };
    let result = told.follow(result);
    let mut response = front::answer(result, dialect).map(Body::new);
    trail::header(&told, response.headers_mut());
    response
}
