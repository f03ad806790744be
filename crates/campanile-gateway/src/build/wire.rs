use std::{
    collections::BTreeMap,
    fmt,
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use campanile::{BoxError, config::Invalid};
use campanile_llm::provider::{HttpBody, HttpClient, HttpConfig, HttpFuture};
use http::{Request, Response};
use http_body_util::{Either, Full};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::{
    config::ProviderSection,
    simulated::{Simulated, SimulatedBody, SimulatedFuture},
};

/// How a provider is reached.
#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant)] // the large one is the one in earnest: it shall not be a step further away
pub(crate) enum Wire {
    /// Over HTTP.
    Http(HttpClient),
    /// In memory.
    Simulated(Simulated),
}

/// How all providers are reached.
pub(crate) struct Wires {
    config: HttpConfig,
    client: HttpClient,
    simulated: Mutex<BTreeMap<String, Simulated>>,
}

pin_project! {
    /// An answer on its way over a [`Wire`].
    #[project = WireFutureProj]
    #[must_use = "futures do nothing unless polled"]
    pub(crate) enum WireFuture {
        Http { #[pin] future: HttpFuture },
        Simulated { #[pin] future: SimulatedFuture },
    }
}

/// The body of an answer over a [`Wire`].
pub(crate) type WireBody = Either<HttpBody, SimulatedBody>;

// ===== impl Wires =====

impl Wires {
    /// By these settings; with the connections of `before`, where they are equal.
    pub(super) fn new(config: HttpConfig, before: Option<&Self>) -> Result<Self, Invalid> {
        let same = before.filter(|before| before.config == config);
        let servers = before.map(|before| before.servers().clone());
        Ok(Self {
            client: match same {
                Some(before) => before.client.clone(),
                None => HttpClient::new(config.clone())?,
            },
            config,
            simulated: Mutex::new(servers.unwrap_or_default()),
        })
    }

    /// The way to a provider of this name, and what it depends on.
    pub(super) fn of(&self, name: &str, section: &ProviderSection) -> (Wire, HttpConfig) {
        let Some(config) = &section.simulated else {
            return (Wire::Http(self.client.clone()), self.config.clone());
        };
        let server = Simulated::new(name, config);
        let mut servers = self.servers();
        let known = servers.get(name).filter(|known| **known == server).cloned();
        let server = known.unwrap_or(server);
        servers.insert(name.to_owned(), server.clone());
        (Wire::Simulated(server), HttpConfig::default())
    }

    fn servers(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Simulated>> {
        self.simulated
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Wires {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wires")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

// ===== impl Wire =====

impl Service<Request<Full<Bytes>>> for Wire {
    type Response = Response<WireBody>;
    type Error = BoxError;
    type Future = WireFuture;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match self {
            Self::Http(client) => client.poll_ready(cx).map_err(Into::into),
            Self::Simulated(server) => server.poll_ready(cx).map_err(Into::into),
        }
    }

    #[inline]
    fn call(&mut self, request: Request<Full<Bytes>>) -> WireFuture {
        match self {
            Self::Http(client) => WireFuture::Http {
                future: client.call(request),
            },
            Self::Simulated(server) => WireFuture::Simulated {
                future: server.call(request),
            },
        }
    }
}

// ===== impl WireFuture =====

impl Future for WireFuture {
    type Output = Result<Response<WireBody>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Ok(match self.project() {
            WireFutureProj::Http { future } => ready!(future.poll(cx))?.map(Either::Left),
            WireFutureProj::Simulated { future } => ready!(future.poll(cx))?.map(Either::Right),
        }))
    }
}

impl fmt::Debug for WireFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WireFuture").finish_non_exhaustive()
    }
}
