use std::sync::Arc;

use campanile_llm::error::Class;

/// What a handler tells of a call to those who log it: put into the extensions of its answer, where
/// [the access log](super::access_log) wants to know.
#[derive(Debug, Clone, Default)]
pub(crate) struct About {
    /// The name of the caller's key.
    pub(crate) key: Option<Arc<str>>,
    pub(crate) tenant: Option<Arc<str>>,
    /// The model that was asked for, as the caller wrote it.
    pub(crate) model: Option<Arc<str>>,
    /// Who answered.
    pub(crate) provider: Option<Arc<str>>,
    /// What the provider calls the call.
    pub(crate) provider_request_id: Option<Box<str>>,
    /// What was wrong.
    pub(crate) error: Option<Class>,
}
