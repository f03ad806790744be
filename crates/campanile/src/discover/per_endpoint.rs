use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use pin_project_lite::pin_project;
use tower::discover::{Change, Discover};
use tower_layer::Layer;

use super::{Key, Known};
use crate::endpoint::Endpoint;

/// Builds each endpoint's own stack, inside discovery: `Discover` of targets to `Discover` of services.
///
/// The function gets the endpoint, whose gate its layers close and open, and what discovery found: a client, an
/// address. It runs once for each insertion.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), campanile::BoxError> {
/// use campanile::discover::{PerEndpointLayer, Roster};
/// use std::time::Duration;
/// use tower::{Layer, ServiceBuilder};
///
/// let roster = Roster::new();
/// roster.insert("eu-1", "http://eu-1.example")?;
/// let members = PerEndpointLayer::new(|endpoint: &campanile::Endpoint, url: &'static str| {
///     let name = endpoint.key().to_owned();
///     ServiceBuilder::new()
///         .concurrency_limit(8)
///         .service(tower::service_fn(move |path: String| {
///             let answer = format!("{name}: {url}{path}");
///             async move { Ok::<_, campanile::BoxError>(answer) }
///         }))
/// })
/// .layer(roster.changes());
/// # let _ = members; Ok(()) }
/// ```
#[derive(Clone, Copy)]
pub struct PerEndpointLayer<F> {
    build: F,
}

pin_project! {
    /// Discovery whose members are built by a function; made by [`PerEndpointLayer`].
    pub struct PerEndpoint<D, F> {
        #[pin]
        discover: D,
        build: F,
        known: Known,
    }
}

// ===== impl PerEndpointLayer =====

impl<F> PerEndpointLayer<F> {
    /// Builds each member's service with `build`.
    pub const fn new(build: F) -> Self {
        Self { build }
    }
}

impl<D, F: Clone> Layer<D> for PerEndpointLayer<F> {
    type Service = PerEndpoint<D, F>;

    fn layer(&self, discover: D) -> Self::Service {
        PerEndpoint {
            discover,
            build: self.build.clone(),
            known: Known::default(),
        }
    }
}

impl<F> fmt::Debug for PerEndpointLayer<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PerEndpointLayer").finish_non_exhaustive()
    }
}

// ===== impl PerEndpoint =====

impl<D, F, S> Stream for PerEndpoint<D, F>
where
    D: Discover,
    D::Key: Key,
    F: FnMut(&Endpoint, D::Service) -> S,
{
    type Item = Result<Change<Endpoint, S>, D::Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.project();
        let change = match ready!(this.discover.poll_discover(cx)) {
            None => return Poll::Ready(None),
            Some(Err(error)) => return Poll::Ready(Some(Err(error))),
            Some(Ok(change)) => change,
        };
        Poll::Ready(Some(Ok(match change {
            Change::Insert(key, target) => {
                let endpoint = this.known.insert(&key);
                let service = (this.build)(&endpoint, target);
                Change::Insert(endpoint, service)
            }
            Change::Remove(key) => Change::Remove(this.known.remove(&key)),
        })))
    }
}

impl<D: fmt::Debug, F> fmt::Debug for PerEndpoint<D, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PerEndpoint")
            .field("discover", &self.discover)
            .finish_non_exhaustive()
    }
}
