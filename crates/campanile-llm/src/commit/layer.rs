use campanile::config::Invalid;
use tower_layer::Layer;

use super::{Commit, CommitConfig};

/// Passes nothing of an answer on before its first content. See the [module](super).
#[derive(Debug, Clone, Default)]
pub struct CommitLayer {
    config: CommitConfig,
}

// ===== impl CommitLayer =====

impl CommitLayer {
    /// Holds answers as these settings say.
    ///
    /// # Errors
    ///
    /// When a setting is out of range.
    pub fn new(config: CommitConfig) -> Result<Self, Invalid> {
        Ok(Self {
            config: config.build()?,
        })
    }
}

impl<S> Layer<S> for CommitLayer {
    type Service = Commit<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Commit::new(inner, self.config.clone())
    }
}
