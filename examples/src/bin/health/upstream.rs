//! An upstream that is as well as it is told to be.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Router, routing::get};
use campanile_examples::http::serve;
use http::StatusCode;
use tokio::task::JoinHandle;

#[derive(Debug)]
pub(crate) struct Upstream {
    name: &'static str,
    address: SocketAddr,
    state: Arc<State>,
    server: JoinHandle<()>,
}

/// What is wrong with it.
#[derive(Debug, Default)]
struct State {
    /// It says that it is unwell.
    unwell: AtomicBool,
    /// It fails every call, and says that it is well.
    failing: AtomicBool,
}

// ===== impl Upstream =====

impl Upstream {
    pub(crate) async fn start(name: &'static str) -> anyhow::Result<Self> {
        let state = Arc::new(State::default());
        let (probed, called) = (Arc::clone(&state), Arc::clone(&state));
        let app = Router::new()
            .route(
                "/health",
                get(async move || match probed.unwell.load(Ordering::Relaxed) {
                    true => (StatusCode::SERVICE_UNAVAILABLE, "out of memory"),
                    false => (StatusCode::OK, "well"),
                }),
            )
            .route(
                "/work",
                get(async move || {
                    if called.failing.load(Ordering::Relaxed) {
                        return (StatusCode::INTERNAL_SERVER_ERROR, name);
                    }
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    (StatusCode::OK, name)
                }),
            );
        let (address, server) = serve(app, 0).await?;
        Ok(Self {
            name,
            address,
            state,
            server,
        })
    }

    pub(crate) const fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn set_unwell(&self, unwell: bool) {
        self.state.unwell.store(unwell, Ordering::Relaxed);
    }

    pub(crate) fn set_failing(&self, failing: bool) {
        self.state.failing.store(failing, Ordering::Relaxed);
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.server.abort();
    }
}
