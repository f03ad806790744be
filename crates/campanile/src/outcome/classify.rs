use std::{any::Any, error::Error, io};

use tokio::time::error::Elapsed;

use super::{FailureKind, Outcome};
use crate::{
    BoxError, Rejection,
    rejection::{RejectionKind, chain},
};

/// Judges a call by its response head or its error. What happens to a body afterwards is added by the
/// [`Completion`](crate::Completion): a body that breaks off turns [`Outcome::Success`] into a failure, or into what a
/// [meter](crate::completion::Meter::error) makes of its error.
///
/// Errors are owned (`'static`), so that they can be asked what they are. The method says so and not the trait: as a bound
/// of an impl it would keep async blocks that await a pool over a [`BoxError`] from being `Send`.
///
/// A closure is a classifier:
///
/// ```
/// use campanile::outcome::{Classify, FailureKind, Outcome};
///
/// let classify = |result: Result<&u32, &std::io::Error>| match result {
///     Ok(0) | Err(_) => Outcome::Failure(FailureKind::Error),
///     Ok(_) => Outcome::Success,
/// };
/// assert!(classify.classify(Ok(&7)).is_success());
/// ```
pub trait Classify<Res, Err> {
    /// What this result means.
    fn classify(&self, result: Result<&Res, &Err>) -> Outcome
    where
        Err: 'static;
}

/// The plainest classifier: `Ok` is a success, and an error is what [`classify_error`] says of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct ClassifyResult;

/// What an error means when nothing is known of its type: a failure, or a timeout if it is one of the standard library's
/// or tokio's; unless it is a [`Rejection`] from a layer of this stack, which says nothing bad about the endpoint behind
/// it, save that a call [`TimedOut`](RejectionKind::TimedOut), or that its answer is [`Mismatched`](RejectionKind::Mismatched).
/// [`BoxError`]s, [`io::Error`]s and their sources are searched; a type of your own is not, so classify it yourself.
pub fn classify_error<E: 'static>(error: &E) -> Outcome {
    let error: &dyn Any = error;
    if let Some(rejection) = error.downcast_ref::<Rejection>() {
        return classify_rejection(rejection);
    }
    if let Some(error) = error.downcast_ref::<BoxError>() {
        return classify_chain(&**error);
    }
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return classify_chain(error);
    }
    if error.is::<Elapsed>() {
        return Outcome::Failure(FailureKind::Timeout);
    }
    Outcome::Failure(FailureKind::Error)
}

fn classify_chain(error: &(dyn Error + 'static)) -> Outcome {
    if let Some(rejection) = Rejection::find(error) {
        return classify_rejection(rejection);
    }
    let timeout = chain(error).any(|error| {
        error.is::<Elapsed>()
            || error
                .downcast_ref::<io::Error>()
                .is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
    });
    Outcome::Failure(if timeout {
        FailureKind::Timeout
    } else {
        FailureKind::Error
    })
}

fn classify_rejection(rejection: &Rejection) -> Outcome {
    let retry_after = rejection.retry_after();
    match rejection.kind() {
        RejectionKind::RateLimited | RejectionKind::BudgetExhausted => {
            Outcome::Throttled { retry_after }
        }
        RejectionKind::DeadlineExceeded => Outcome::Ignored,
        // The kinds that do say something of the endpoint behind it.
        RejectionKind::TimedOut => Outcome::Failure(FailureKind::Timeout),
        RejectionKind::Mismatched => Outcome::Failure(FailureKind::Error),
        _ => Outcome::Overloaded { retry_after },
    }
}

// ===== impl ClassifyResult =====

impl<Res, Err> Classify<Res, Err> for ClassifyResult {
    #[inline]
    fn classify(&self, result: Result<&Res, &Err>) -> Outcome
    where
        Err: 'static,
    {
        match result {
            Ok(_) => Outcome::Success,
            Err(error) => classify_error(error),
        }
    }
}

// ===== impl Fn =====

impl<F, Res, Err> Classify<Res, Err> for F
where
    F: Fn(Result<&Res, &Err>) -> Outcome,
{
    #[inline]
    fn classify(&self, result: Result<&Res, &Err>) -> Outcome
    where
        Err: 'static,
    {
        self(result)
    }
}
