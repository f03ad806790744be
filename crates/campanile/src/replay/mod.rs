//! Keeps requests, so that they can be sent more than once: what retries and hedges send again.
//!
//! [`Cloned`] keeps a clone of each. HTTP requests whose bodies cannot be cloned are recorded while they are sent, up to
//! a size, by `ReplayBodies` (feature `http`).

#[cfg(feature = "http")]
mod body;
#[cfg(feature = "http")]
mod http;
#[cfg(all(test, feature = "http", feature = "testing", not(campanile_loom)))]
mod tests;

#[cfg(feature = "http")]
pub use self::{
    body::ReplayBody,
    http::{KeptRequest, ReplayBodies},
};

/// Keeps a request, so that it can be sent again.
pub trait Replay<Req> {
    /// What is sent.
    type Request;
    /// What is kept.
    type Kept;

    /// The request for the first attempt, and what is needed for others.
    fn keep(&self, request: Req) -> (Self::Request, Self::Kept);

    /// Whether the request can still be sent again. Asked before a retry waits for its turn.
    fn is_whole(&self, kept: &Self::Kept) -> bool {
        let _ = kept;
        true
    }

    /// Whether another attempt can be made beside the one under way, and take nothing from it. Asked before a call is
    /// hedged.
    fn is_sent(&self, kept: &Self::Kept) -> bool {
        self.is_whole(kept)
    }

    /// The request as it is kept, where it is kept as one: what travels with it need not be kept a second time then. `None` by
    /// default.
    #[inline]
    fn kept<'a>(&self, kept: &'a Self::Kept) -> Option<&'a Self::Request> {
        let _ = kept;
        None
    }

    /// The request for another attempt; `None` when it cannot be sent again.
    fn again(&self, kept: &mut Self::Kept) -> Option<Self::Request>;
}

/// Keeps a clone of each request. The default; made for messages that are cheap to clone, and for HTTP requests with a
/// body such as `Full` or `Empty`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cloned;

// ===== impl Cloned =====

impl<Req: Clone> Replay<Req> for Cloned {
    type Request = Req;
    type Kept = Req;

    #[inline]
    fn keep(&self, request: Req) -> (Req, Req) {
        (request.clone(), request)
    }

    #[inline]
    fn kept<'a>(&self, kept: &'a Req) -> Option<&'a Req> {
        Some(kept)
    }

    fn again(&self, kept: &mut Req) -> Option<Req> {
        Some(kept.clone())
    }
}
