//! Sends a second copy of a call that takes long, elsewhere, and answers with whichever is first.
//!
//! A call that has no first data after a [delay](Delay) is called again on another instance of the service, which in a
//! pool whose strategy is [`AvoidTried`](crate::balance::AvoidTried) is another endpoint. Whoever has first data first
//! is the answer, and the other is dropped. The delay is learned by default: the 95th percentile of the time to first
//! data, so that one call in twenty is hedged, namely those that something is wrong with.
//!
//! Only slowness is hedged. A call that fails before the delay is answered as it is, so an error that comes at once is
//! not multiplied. While both copies are under way the failure of one is kept, and the other awaited; if both fail, the
//! answer is that of the first.
//!
//! **State.** A [`Budget`](crate::budget::Budget): each call earns a share of a hedge (0.1), so that hedges are never
//! more than that share of all calls, or of their tokens, and when an upstream as a whole slows down the load on it
//! does not double. A call's own attempts are spent too. Where the delay is learned, two histograms that take turns, an
//! atomic add a call. A call counts with the time until the caller had first data: a hedge that wins makes its call
//! count with more than the delay, which leaves the percentile where it is, and its own time is not learned.
//!
//! **Readiness.** That of the inner service; nothing is reserved. The hedge calls a clone that was polled ready for it.
//! It never waits: if that clone is not ready at once there is no hedge.
//!
//! **Cancellation.** The copy that loses is dropped when the other has its first data, before the answer is handed out:
//! everything further in counts it as [`Cancelled`](crate::Outcome::Cancelled), neither success nor failure, and
//! settles its cost. Dropping the future drops both.
//!
//! **Streaming.** What decides is the [`Signal`]: the head for whole answers, the first frame of a body
//! ([`OnFirstFrame`]) or the first item of a stream ([`OnFirstItem`]) for others. LLM upstreams send their heads at
//! once, so those of both copies are held while their first data are awaited; the answer then begins with what has been
//! read. An HTTP body that breaks off before that is marked
//! [`FirstDataFailed`](crate::outcome::FirstDataFailed), and so a retry around this layer tries the call again.
//!
//! **Requests** are cloned before the first copy is sent, hedged or not: the original is gone by then. Bodies that cannot
//! be cloned are recorded while they are sent, up to a size ([`ReplayBodies`]); a call is hedged once its body was sent.
//!
//! **Sharing.** All clones of a [`Hedge`] share the budget and what was learned. A layer that is applied twice makes
//! two, unless it was [given a budget](HedgeLayer::budget). A call that is answered at once reads no clock, arms no
//! timer, clones no service and allocates nothing.
//!
//! **Errors.** Those of the inner service; the layer has none of its own.
//!
//! # Example
//!
//! ```
//! # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> Result<(), campanile::BoxError> {
//! use campanile::hedge::{Delay, HedgeConfig, HedgeLayer};
//! use std::{sync::atomic::{AtomicU32, Ordering}, time::Duration};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! static CALLS: AtomicU32 = AtomicU32::new(0);
//! let stalls = service_fn(|()| async {
//!     if CALLS.fetch_add(1, Ordering::Relaxed) == 10 {
//!         std::future::pending::<()>().await;
//!     }
//!     Ok::<_, campanile::BoxError>("hello")
//! });
//!
//! let config = HedgeConfig::default().with_delay(Delay::fixed(Duration::from_millis(50)));
//! let service = ServiceBuilder::new().layer(HedgeLayer::new(config.build()?).unwrap()).service(stalls);
//! // Ten calls earn one hedge, which the eleventh needs.
//! for _ in 0..11 {
//!     assert_eq!(service.clone().oneshot(()).await?, "hello");
//! }
//! assert_eq!(service.snapshot().won, 1);
//! # Ok(()) }
//! ```

mod collect;
mod config;
mod future;
mod handle;
mod layer;
mod leg;
mod service;
mod signal;
mod state;
#[cfg(all(test, feature = "testing", not(campanile_loom)))]
mod tests;

#[cfg(feature = "http")]
pub use crate::replay::{KeptRequest, ReplayBodies, ReplayBody};
pub use crate::{
    context::KeepTrail,
    replay::{Cloned, Replay},
};
pub use config::{Delay, HedgeConfig, Unit};
pub use future::HedgeFuture;
pub use handle::{HedgeHandle, HedgeSnapshot};
pub use layer::HedgeLayer;
pub use service::Hedge;
#[cfg(feature = "http")]
pub use signal::{FirstFrame, OnFirstFrame};
pub use signal::{FirstItem, OnFirstItem, OnHead, Signal};
