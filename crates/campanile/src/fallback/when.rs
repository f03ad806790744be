use super::FallbackConfig;
use crate::{
    outcome::Outcome,
    rejection::{Rejection, RejectionKind},
};

/// Tells which calls are answered from elsewhere, by the outcome that the protocol's classifier found and by the answer
/// itself: a [`FallbackConfig`], the kinds of a [`Rejected`], or a closure. It is not asked about successes; what is none is for the classifier to say.
///
/// ```
/// use campanile::{BoxError, Outcome, fallback::When, outcome::FailureKind};
///
/// let when = |outcome: Outcome, result: Result<&String, &BoxError>| {
///     outcome.is_refusal() || result.is_err_and(|error| error.is::<std::io::Error>())
/// };
/// let error: BoxError = std::io::Error::other("reset").into();
/// assert!(when.falls_back(Outcome::Failure(FailureKind::Error), Err(&error)));
/// ```
pub trait When<Res, Err> {
    /// Whether a call of this outcome and with this answer is answered from elsewhere.
    fn falls_back(&self, outcome: Outcome, result: Result<&Res, &Err>) -> bool
    where
        Err: 'static;
}

/// Only calls that a layer of this stack refused for one of these reasons are answered from elsewhere.
///
/// ```
/// use campanile::{fallback::{FallbackLayer, Rejected}, rejection::RejectionKind};
///
/// let layer = FallbackLayer::<_, String>::value("come back later")
///     .when(Rejected(vec![RejectionKind::Empty, RejectionKind::Unavailable]));
/// # let _ = layer;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected(pub Vec<RejectionKind>);

impl<Res, Err> When<Res, Err> for FallbackConfig {
    #[inline]
    fn falls_back(&self, outcome: Outcome, _result: Result<&Res, &Err>) -> bool
    where
        Err: 'static,
    {
        self.falls_back(outcome)
    }
}

impl<Res, Err> When<Res, Err> for Rejected {
    fn falls_back(&self, _outcome: Outcome, result: Result<&Res, &Err>) -> bool
    where
        Err: 'static,
    {
        let rejection = result.err().and_then(Rejection::within);
        rejection.is_some_and(|rejection| self.0.contains(&rejection.kind()))
    }
}

impl<F, Res, Err> When<Res, Err> for F
where
    F: Fn(Outcome, Result<&Res, &Err>) -> bool,
{
    #[inline]
    fn falls_back(&self, outcome: Outcome, result: Result<&Res, &Err>) -> bool
    where
        Err: 'static,
    {
        self(outcome, result)
    }
}
