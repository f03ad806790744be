//! One error for many callers.

use std::{error::Error, fmt, sync::Arc};

use crate::{BoxError, Rejection};

/// Makes an error for each caller out of the error of the whole call.
#[diagnostic::on_unimplemented(
    message = "nobody knows how callers of a batch share an error of type `{E}`",
    note = "for errors that are `Clone`, use `BatchLayer::cloned_errors`; for others `BatchLayer::share_errors`"
)]
pub trait ShareError<E> {
    /// So many errors.
    fn share(&self, error: E, callers: usize) -> Vec<E>;
}

/// Shares a [`BoxError`] behind a [`SharedError`]; a [`Rejection`] is copied. The default. A single caller gets the
/// error itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Boxed;

/// Gives each caller a clone of the error.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cloning;

/// Gives each caller what a function makes of the error: what
/// [`BatchLayer::share_errors`](super::BatchLayer::share_errors) makes.
#[derive(Clone, Copy)]
pub struct Made<F>(pub(super) F);

/// The error of a batch, in the hands of one of its callers. Its [source](Error::source) is the error itself, so what
/// searches an error's sources ([`Rejection::find`] does) finds what is in there.
#[derive(Clone)]
pub struct SharedError(Arc<BoxError>);

// ===== impl ShareError =====

impl ShareError<BoxError> for Boxed {
    fn share(&self, error: BoxError, callers: usize) -> Vec<BoxError> {
        if callers < 2 {
            return vec![error];
        }
        if let Some(rejection) = error.downcast_ref::<Rejection>() {
            return (0..callers).map(|_| (*rejection).into()).collect();
        }
        // Shared before, by a batch further in.
        let shared = match error.downcast::<SharedError>() {
            Ok(shared) => *shared,
            Err(error) => SharedError(Arc::new(error)),
        };
        (0..callers).map(|_| shared.clone().into()).collect()
    }
}

impl<E: Clone> ShareError<E> for Cloning {
    fn share(&self, error: E, callers: usize) -> Vec<E> {
        vec![error; callers]
    }
}

impl<E, F: Fn(&E) -> E> ShareError<E> for Made<F> {
    fn share(&self, error: E, callers: usize) -> Vec<E> {
        let mut errors: Vec<E> = (1..callers).map(|_| (self.0)(&error)).collect();
        errors.push(error);
        errors
    }
}

impl<F> fmt::Debug for Made<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Made")
    }
}

// ===== impl SharedError =====

impl SharedError {
    /// The error itself, to be downcast.
    #[must_use]
    pub fn get_ref(&self) -> &(dyn Error + Send + Sync + 'static) {
        &**self.0
    }
}

impl fmt::Debug for SharedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SharedError").field(&self.0).finish()
    }
}

impl fmt::Display for SharedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the batch failed: {}", self.0)
    }
}

impl Error for SharedError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.get_ref())
    }
}
