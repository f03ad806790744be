//! The one error of every layer that refuses a call.
//!
//! A layer that refuses asks `S::Error: From<Rejection>` and keeps `type Error = S::Error`, so error types do not nest:
//! [`BoxError`] works by itself, a user's own enum with one `From`.
//!
//! ```
//! use campanile::{BoxError, Rejection, rejection::RejectionKind};
//! use std::time::Duration;
//!
//! let refused = Rejection::new(RejectionKind::Unavailable, "balance").with_retry_after(Duration::from_secs(3));
//! let boxed: BoxError = refused.into();
//! let found = Rejection::find(&*boxed).unwrap();
//! assert_eq!(found.kind(), RejectionKind::Unavailable);
//! assert_eq!(found.status(), 503);
//! ```

use std::{any::Any, error::Error, fmt, io, iter, time::Duration};

use serde::{Deserialize, Serialize};

use crate::BoxError;

#[cfg(all(test, not(campanile_loom)))]
mod tests;

/// Why a layer refused a call: which layer, why, and when to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rejection {
    kind: RejectionKind,
    layer: &'static str,
    retry_after: Option<Duration>,
    shortage: Option<Shortage>,
}

/// What there was too little of for a call: of a limit or a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shortage {
    /// The limit or the budget: `tokens_per_minute`.
    pub what: &'static str,
    /// Whether amounts are nano-dollars; they are requests or tokens otherwise, as [`what`](Self::what) says.
    pub is_money: bool,
    /// How much the call may take.
    pub needs: u64,
    /// How much is left.
    pub left: u64,
    /// How much there is at most.
    pub limit: u64,
    /// Why it does not fit.
    pub lack: Lack,
}

/// Why a call does not fit into a limit or a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Lack {
    /// It needs more than there ever is: the same call never passes.
    TooLarge,
    /// Too much is used.
    UsedUp,
    /// Too much is reserved for calls under way, of which some may come back when they end.
    Reserved,
}

/// The reason of a [`Rejection`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RejectionKind {
    /// The pool has no member at all.
    Empty,
    /// The pool has members, and every one of them is closed by its gate.
    Unavailable,
    /// A member is open, and none became ready within the pool's patience.
    NotReady,
    /// The call's own deadline passed before it was sent anywhere.
    DeadlineExceeded,
    /// A circuit breaker is open.
    CircuitOpen,
    /// A rate limit is used up.
    RateLimited,
    /// A concurrency limit is reached.
    ConcurrencyLimited,
    /// A budget is used up.
    BudgetExhausted,
    /// Load was shed.
    Shed,
    /// One of the call's clocks ran out, which the layer's name says.
    TimedOut,
    /// The work was given up before its end: what did it panicked, or is shut down.
    Aborted,
    /// The upstream's answer does not fit what it was asked, so that nobody can tell which part of it is whose.
    Mismatched,
}

// ===== impl RejectionKind =====

impl RejectionKind {
    /// Its name: lower case, words joined by underscores, as in its serialised form.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Unavailable => "unavailable",
            Self::NotReady => "not_ready",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::CircuitOpen => "circuit_open",
            Self::RateLimited => "rate_limited",
            Self::ConcurrencyLimited => "concurrency_limited",
            Self::BudgetExhausted => "budget_exhausted",
            Self::Shed => "shed",
            Self::TimedOut => "timed_out",
            Self::Aborted => "aborted",
            Self::Mismatched => "mismatched",
        }
    }
}

// ===== impl Rejection =====

impl Rejection {
    /// A rejection by `layer`, which is the name of the concern: `balance`, `rate_limit`.
    #[must_use]
    pub const fn new(kind: RejectionKind, layer: &'static str) -> Self {
        Self {
            kind,
            layer,
            retry_after: None,
            shortage: None,
        }
    }

    /// Says what there was too little of.
    #[must_use]
    pub const fn with_shortage(mut self, shortage: Shortage) -> Self {
        self.shortage = Some(shortage);
        self
    }

    /// Says when to try again, counted from now.
    #[must_use]
    pub const fn with_retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// Why the call was refused.
    #[must_use]
    pub const fn kind(&self) -> RejectionKind {
        self.kind
    }

    /// Which layer refused it.
    #[must_use]
    pub const fn layer(&self) -> &'static str {
        self.layer
    }

    /// When to try again, counted from the refusal, if the layer knows.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// What there was too little of, if the layer counts something.
    #[must_use]
    pub const fn shortage(&self) -> Option<&Shortage> {
        self.shortage.as_ref()
    }

    /// Why the call was refused and when to try again, in words, without the name of the layer.
    #[must_use]
    pub fn reason(&self) -> impl fmt::Display + use<> {
        Reason(*self)
    }

    /// Whether it kept the call from its service. One that ran out of time did not: the upstream may well have worked.
    #[cfg_attr(
        not(any(feature = "rate_limit", feature = "retry", feature = "spend_limit")),
        allow(dead_code)
    )]
    pub(crate) fn kept_back(&self) -> bool {
        self.kind != RejectionKind::TimedOut
    }

    /// Finds the rejection in an error or among its sources, behind boxes too.
    #[must_use]
    pub fn find<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        chain(error).find_map(|error| error.downcast_ref())
    }

    /// Finds the rejection in an error of any type that is one, or is a [`BoxError`] or an [`io::Error`] around one. A type
    /// of the user's own is not searched.
    #[must_use]
    pub fn within<E: 'static>(error: &E) -> Option<&Self> {
        let error: &dyn Any = error;
        if let Some(error) = error.downcast_ref::<BoxError>() {
            return Self::find(&**error);
        }
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Self::find(error);
        }
        error.downcast_ref()
    }

    /// The HTTP status of this refusal: 429 where the caller used up its share, 504 when time ran out, 502 where the
    /// upstream's answer makes no sense, otherwise 503.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self.kind {
            RejectionKind::RateLimited | RejectionKind::BudgetExhausted => 429,
            RejectionKind::DeadlineExceeded | RejectionKind::TimedOut => 504,
            RejectionKind::Mismatched => 502,
            _ => 503,
        }
    }

    /// The HTTP answer to this refusal: [`status`](Self::status), `Retry-After` in whole seconds rounded up, and the
    /// message as body.
    #[cfg(feature = "http")]
    pub fn to_response<B: From<String>>(&self) -> http::Response<B> {
        let mut response = http::Response::new(B::from(self.to_string()));
        *response.status_mut() = http::StatusCode::from_u16(self.status())
            .unwrap_or(http::StatusCode::SERVICE_UNAVAILABLE);
        if let Some(after) = self.retry_after {
            let seconds = after
                .as_secs()
                .saturating_add(u64::from(after.subsec_nanos() > 0));
            response
                .headers_mut()
                .insert(http::header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// An error and its sources. An [`io::Error`] names as its source the source of the error within it, and not that error
/// itself, so it is opened.
pub(crate) fn chain<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| {
        let error: &'a (dyn Error + 'static) = *error;
        match error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
        {
            Some(within) => Some(within as &(dyn Error + 'static)),
            None => error.source(),
        }
    })
}

/// The words of a [`Rejection`].
struct Reason(Rejection);

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.layer, self.reason())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(rejection) = self;
        let why = match rejection.kind {
            RejectionKind::Empty => "the pool has no members",
            RejectionKind::Unavailable => "every member of the pool is closed",
            RejectionKind::NotReady => "no member of the pool became ready in time",
            RejectionKind::DeadlineExceeded => "the deadline of the call passed before it was sent",
            RejectionKind::CircuitOpen => "the circuit breaker is open",
            RejectionKind::RateLimited => "the rate limit is used up",
            RejectionKind::ConcurrencyLimited => "the concurrency limit is reached",
            RejectionKind::BudgetExhausted => "the budget is used up",
            RejectionKind::Shed => "the load was shed",
            RejectionKind::TimedOut => "the call took too long",
            RejectionKind::Aborted => "the work was given up before its end",
            RejectionKind::Mismatched => "the answer does not fit the request",
        };
        match &rejection.shortage {
            Some(shortage) => write!(f, "{shortage}")?,
            None => f.write_str(why)?,
        }
        match rejection.retry_after {
            Some(after) => write!(f, "; try again in {}", Wait(after)),
            None => Ok(()),
        }
    }
}

impl Error for Rejection {}

// ===== impl Shortage =====

impl Shortage {
    /// A shortage of what is counted in tokens or requests; [`is_money`](Self::is_money) is to be set for money.
    #[must_use]
    pub const fn new(what: &'static str, lack: Lack) -> Self {
        Self {
            what,
            is_money: false,
            needs: 0,
            left: 0,
            limit: 0,
            lack,
        }
    }
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let amount = |number| Amount {
            number,
            is_money: self.is_money,
        };
        let (what, needs) = (self.what, amount(self.needs));
        let (left, limit) = (amount(self.left), amount(self.limit));
        match self.lack {
            Lack::TooLarge => write!(
                f,
                "{what} is too small for the call: it may take {needs}, and the limit is {limit}"
            ),
            Lack::UsedUp => write!(
                f,
                "{what} is used up: the call may take {needs}, and {left} of {limit} is left"
            ),
            Lack::Reserved => write!(
                f,
                "{what} is reserved by calls under way: this one may take {needs}, and {left} of {limit} is left"
            ),
        }
    }
}

/// An amount, as people read it.
struct Amount {
    number: u64,
    is_money: bool,
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DOLLAR: u64 = 1_000_000_000;
        let number = self.number;
        if !self.is_money {
            return write!(f, "{number}");
        }
        let digits = format!("{:09}", number % DOLLAR);
        // Cents at least, and what is beyond them.
        let digits = format!("{:0<2}", digits.trim_end_matches('0'));
        write!(f, "${}.{digits}", number / DOLLAR)
    }
}

/// A time as exact as people want it, rounded up.
struct Wait(Duration);

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let up = |nanos: u128| self.0.as_nanos().div_ceil(nanos);
        let (millis, seconds) = (up(1_000_000), up(1_000_000_000));
        let minutes = up(60_000_000_000);
        match seconds {
            _ if millis < 1_000 => write!(f, "{millis}ms"),
            0..120 => write!(f, "{seconds}s"),
            120..7_200 => write!(f, "{minutes}m"),
            _ => write!(f, "{}h {}m", minutes / 60, minutes % 60),
        }
    }
}
