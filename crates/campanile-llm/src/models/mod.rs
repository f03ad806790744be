//! Which models a provider has, in the form of OpenAI's `/v1/models` whatever the provider speaks.
//!
//! A [`Provider`](crate::provider::Provider) is a service of [`Call`](campanile::Call)`<`[`ListModels`]`>` too: a free
//! probe of whether it is there and takes the key. [`Models`] lets every layer of `campanile` read such calls.
//!
//! | interface | path |
//! |---|---|
//! | OpenAI | `/models` |
//! | Anthropic | `/v1/models` |
//! | Gemini | `/v1beta/models` |
//! | Ollama | `/api/tags`: those that are there |

mod list;
mod protocol;
mod service;
#[cfg(test)]
mod tests;

pub use list::{Model, ModelList};
pub use protocol::Models;

/// Asks for a provider's models.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ListModels {
    /// What [`ModelList::next`] said, for what follows a list that was not whole.
    pub page: Option<String>,
}

// ===== impl ListModels =====

impl ListModels {
    /// Asks from the beginning.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for what follows.
    #[must_use]
    pub fn after(page: impl Into<String>) -> Self {
        Self {
            page: Some(page.into()),
        }
    }
}
