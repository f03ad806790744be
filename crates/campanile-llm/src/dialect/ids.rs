//! Names of what providers leave nameless.

use std::hash::{BuildHasher, DefaultHasher, Hasher, RandomState};

#[cfg(test)]
mod tests;

/// Names an answer and the calls of tools in it. Unique within an answer, and over answers as far as 64 random bits are, so
/// that a conversation never has two calls of one name. No longer than 40 bytes of letters, digits, `_` and `-`, which every
/// dialect takes.
#[derive(Debug, Default)]
pub(super) struct Ids {
    answer: Option<u64>,
    calls: u32,
}

// ===== impl Ids =====

impl Ids {
    /// Names that are the same each time that this answer is read.
    pub(super) fn of(body: &[u8]) -> Self {
        let mut hasher = DefaultHasher::new();
        hasher.write(body);
        Self {
            answer: Some(hasher.finish()),
            calls: 0,
        }
    }

    /// The name of the answer.
    pub(super) fn answer(&mut self) -> String {
        format!("chatcmpl-{:016x}", self.bits())
    }

    /// The same as Anthropic names messages.
    pub(super) fn message(&mut self) -> String {
        format!("msg_{:016x}", self.bits())
    }

    /// The number of the next call of a tool, and its name: the provider's, where it has one.
    pub(super) fn call(&mut self, id: Option<String>) -> (u32, String) {
        let index = self.calls;
        self.calls = index.saturating_add(1);
        let id = match id {
            Some(id) if !id.is_empty() => id,
            _ => format!("call_{:016x}_{index}", self.bits()),
        };
        (index, id)
    }

    /// How many tools were called.
    pub(super) const fn calls(&self) -> u32 {
        self.calls
    }

    fn bits(&mut self) -> u64 {
        // The keys of the standard library's hashers are random, and no two are the same.
        *self
            .answer
            .get_or_insert_with(|| RandomState::new().hash_one(0))
    }
}
