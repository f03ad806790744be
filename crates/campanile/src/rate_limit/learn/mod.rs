//! What an upstream reports of its own limits.

use std::time::Duration;

#[cfg(feature = "http")]
mod http;
#[cfg(feature = "http")]
mod text;

#[cfg(feature = "http")]
pub use self::http::Headers;

/// What an upstream reports of its limits on a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Advice {
    /// It asks to be left alone for so long.
    pub retry_after: Option<Duration>,
    /// Its limit of requests.
    pub requests: Option<Quota>,
    /// Its limit of tokens.
    pub tokens: Option<Quota>,
}

/// An upstream's limit in one unit, as far as it is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quota {
    /// How many in a window.
    pub limit: Option<u64>,
    /// How many are left.
    pub remaining: Option<u64>,
    /// The time until the window ends, or until as many are left as at first.
    pub reset: Option<Duration>,
}

/// Reads an upstream's limits off its responses. A closure does.
///
/// ```
/// use campanile::rate_limit::{Advice, Advise, Quota};
///
/// // A gRPC service, say, that answers with how many calls are left.
/// let advise = |left: &u64| {
///     let requests = Some(Quota { remaining: Some(*left), ..Quota::default() });
///     Some(Advice { requests, ..Advice::default() })
/// };
/// assert_eq!(advise.advice(&7).unwrap().requests.unwrap().remaining, Some(7));
/// ```
pub trait Advise<Res>: Clone {
    /// What the response reports, if anything.
    fn advice(&self, response: &Res) -> Option<Advice>;
}

/// Responses report nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

// ===== impl Advise =====

impl<Res> Advise<Res> for Silent {
    #[inline]
    fn advice(&self, _response: &Res) -> Option<Advice> {
        None
    }
}

impl<Res, F> Advise<Res> for F
where
    F: Fn(&Res) -> Option<Advice> + Clone,
{
    #[inline]
    fn advice(&self, response: &Res) -> Option<Advice> {
        self(response)
    }
}
