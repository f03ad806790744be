use std::fmt;

use campanile::Usage;

use crate::chat::Meta;

/// What was seen of an answer that had begun, and failed before anything of it was passed on.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Begun {
    /// Where it came from.
    pub meta: Meta,
    /// What the call had taken, as the last event told it; empty if none did.
    pub usage: Usage,
    /// Whether that is what the provider reported.
    pub reported: bool,
}

// ===== impl Begun =====

impl Begun {
    /// An answer of which nothing is known but its head.
    #[must_use]
    pub fn new(meta: Meta) -> Self {
        Self {
            meta,
            ..Self::default()
        }
    }

    /// Sets what the call had taken, and whether that is what the provider reported.
    #[must_use]
    pub const fn with_usage(mut self, usage: Usage, reported: bool) -> Self {
        self.usage = usage;
        self.reported = reported;
        self
    }
}

/// Nothing that a provider may have repeated in the head of its answer: errors are logged.
impl fmt::Debug for Begun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Begun")
            .field("usage", &self.usage)
            .field("reported", &self.reported)
            .finish_non_exhaustive()
    }
}
