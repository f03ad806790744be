use std::fmt;

use super::Check;
use crate::{
    BoxError,
    sync::{Mutex, lock},
};

/// Finds in a check what a probe needs: an address, a URI, a client. Every function of a [`Check`] does:
/// `|check: &Check<SocketAddr>| format!("http://{}/health", check.target)`. [`Label`], [`Target`] and [`Same`] are the
/// common ones.
///
/// Where it cannot be found the endpoint is not to blame: the report is [`Unknown`](super::Verdict::Unknown), and says
/// what is missing.
pub trait Find<T>: Send + Sync + 'static {
    /// What is found.
    type Found;

    /// Finds it.
    ///
    /// # Errors
    ///
    /// When the check does not have it. The text of the error goes into the report.
    fn find(&self, check: &Check<T>) -> Result<Self::Found, BoxError>;
}

/// A label of the endpoint, and a path after it.
///
/// With a path it is a URI, and `http://` is put before a label that has no scheme. `http://10.0.0.7:80/v1/` and
/// `/health` make `http://10.0.0.7:80/v1/health`.
///
/// ```
/// use campanile::{Endpoint, health::{Check, Find, Label}};
///
/// let endpoint = Endpoint::builder("eu-1").label("address", "10.0.0.7:80").build().unwrap();
/// let check = Check::new(endpoint, ());
/// assert_eq!(Label::new("address").find(&check).unwrap(), "10.0.0.7:80");
/// assert_eq!(Label::new("address").with_path("/health").find(&check).unwrap(), "http://10.0.0.7:80/health");
/// assert_eq!(Label::new("zone").find(&check).unwrap_err().to_string(), "the endpoint has no label \"zone\"");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    name: String,
    path: Option<String>,
}

/// The target itself: an address, or a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Target;

/// The same for all endpoints: a clone of it.
pub struct Same<C> {
    // Many clients are `Send` and not `Sync`, and probes must be both. Locked only to clone.
    inner: Mutex<C>,
}

// ===== impl Find =====

impl<T, F, R> Find<T> for F
where
    F: Fn(&Check<T>) -> R + Send + Sync + 'static,
{
    type Found = R;

    fn find(&self, check: &Check<T>) -> Result<R, BoxError> {
        Ok(self(check))
    }
}

// ===== impl Label =====

impl Label {
    /// The label of this name, as it stands.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            path: None,
        }
    }

    /// Makes it a URI with this path, which may have a query.
    #[must_use]
    pub fn with_path(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }
}

impl<T> Find<T> for Label {
    type Found = String;

    fn find(&self, check: &Check<T>) -> Result<String, BoxError> {
        let Some(label) = check.endpoint.label(&self.name) else {
            return Err(format!("the endpoint has no label {:?}", self.name).into());
        };
        let Some(path) = &self.path else {
            return Ok(label.to_owned());
        };
        let scheme = if label.contains("://") { "" } else { "http://" };
        let label = label.trim_end_matches('/');
        let path = path.trim_start_matches('/');
        Ok(format!("{scheme}{label}/{path}"))
    }
}

// ===== impl Target =====

impl<T: Clone> Find<T> for Target {
    type Found = T;

    fn find(&self, check: &Check<T>) -> Result<T, BoxError> {
        Ok(check.target.clone())
    }
}

// ===== impl Same =====

impl<C> Same<C> {
    /// A clone of this for each check.
    pub fn new(inner: C) -> Self {
        Self {
            inner: Mutex::new(inner),
        }
    }
}

impl<C: Clone> Same<C> {
    pub(super) fn get(&self) -> C {
        lock(&self.inner).clone()
    }
}

impl<C: Clone> Clone for Same<C> {
    fn clone(&self) -> Self {
        Self::new(self.get())
    }
}

impl<T, C: Clone + Send + 'static> Find<T> for Same<C> {
    type Found = C;

    fn find(&self, _check: &Check<T>) -> Result<C, BoxError> {
        Ok(self.get())
    }
}

impl<C> fmt::Debug for Same<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Same").finish_non_exhaustive()
    }
}
