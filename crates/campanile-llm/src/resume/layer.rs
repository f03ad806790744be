use std::sync::Arc;

use campanile::config::Invalid;
use tower_layer::Layer;

use super::{Resume, ResumeConfig};

/// Goes on elsewhere when an answer breaks off in the middle. See the [module](super).
#[derive(Debug, Clone, Default)]
pub struct ResumeLayer {
    config: Arc<ResumeConfig>,
}

// ===== impl ResumeLayer =====

impl ResumeLayer {
    /// Resumes answers as these settings say.
    ///
    /// # Errors
    ///
    /// When a setting is out of range.
    pub fn new(config: ResumeConfig) -> Result<Self, Invalid> {
        Ok(Self {
            config: Arc::new(config.build()?),
        })
    }
}

impl<S: Clone + 'static> Layer<S> for ResumeLayer {
    type Service = Resume<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Resume::new(inner, Arc::clone(&self.config))
    }
}
