use std::fmt;

use campanile::config::Invalid;
use tower_layer::Layer;

use super::{Cache, CacheConfig, CacheHandle};

/// Keeps answers, and lets equal requests share one call. See the [module](super).
#[derive(Clone)]
pub struct CacheLayer {
    handle: CacheHandle,
}

// ===== impl CacheLayer =====

impl CacheLayer {
    /// A cache that all services of this layer share.
    ///
    /// # Errors
    ///
    /// When a setting is out of range.
    pub fn new(config: CacheConfig) -> Result<Self, Invalid> {
        CacheHandle::new(config).map(|handle| Self { handle })
    }

    /// The cache of this handle.
    #[must_use]
    pub fn shared(handle: &CacheHandle) -> Self {
        Self {
            handle: handle.clone(),
        }
    }

    /// Its answers, and what it has done.
    #[must_use]
    pub const fn handle(&self) -> &CacheHandle {
        &self.handle
    }
}

impl<S: Clone> Layer<S> for CacheLayer {
    type Service = Cache<S>;

    fn layer(&self, inner: S) -> Cache<S> {
        Cache::new(inner, self.handle.clone())
    }
}

impl fmt::Debug for CacheLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CacheLayer").field(&self.handle).finish()
    }
}
