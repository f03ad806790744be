//! What a call is estimated to take, and what it turned out to take.

use std::ops::{Add, AddAssign, Sub};

use serde::{Deserialize, Serialize};

#[cfg(all(test, not(campanile_loom)))]
mod tests;

/// The estimate for a call, made before it is sent: it is reserved, then settled against [`Usage`], then refunded.
///
/// The default is one request of unknown size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cost {
    /// Requests; 1 unless one message stands for several.
    pub requests: u32,
    /// Tokens, of the prompt and of the answer together. 0 where unknown.
    pub tokens: u64,
    /// Money in nano-dollars, so that a token of a cheap model does not round to nothing. 0 where unknown.
    pub nano_dollars: u64,
}

/// What a finished call took, as its upstream reported it. Parts that nobody reported are `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Usage {
    /// Tokens read, cached ones included.
    pub input_tokens: Option<u64>,
    /// Tokens written.
    pub output_tokens: Option<u64>,
    /// Tokens of the input that came from the upstream's cache.
    pub cached_tokens: Option<u64>,
    /// Tokens of the input that were written to the upstream's cache, where that costs more than reading them.
    pub cache_write_tokens: Option<u64>,
    /// Those of them that stay there for longer than others, where that costs more still: Anthropic's, for an hour.
    pub cache_write_long_tokens: Option<u64>,
    /// Tokens of the output that were thought and not said.
    pub reasoning_tokens: Option<u64>,
    /// Money in nano-dollars.
    pub nano_dollars: Option<u64>,
}

/// What was reported so far, each part by the last report that had it: of [`Usage`] what is settled, in few bytes, since
/// every call carries it along.
#[cfg(any(feature = "rate_limit", feature = "spend_limit"))]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reported {
    input: Told,
    output: Told,
    nano_dollars: Told,
}

/// A number, or that there is none.
#[cfg(any(feature = "rate_limit", feature = "spend_limit"))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Told(u64);

// ===== impl Cost =====

impl Default for Cost {
    fn default() -> Self {
        Self {
            requests: 1,
            tokens: 0,
            nano_dollars: 0,
        }
    }
}

impl Cost {
    /// Nothing at all.
    pub const ZERO: Self = Self {
        requests: 0,
        tokens: 0,
        nano_dollars: 0,
    };

    /// One request of `tokens` tokens.
    #[must_use]
    pub const fn tokens(tokens: u64) -> Self {
        Self {
            requests: 1,
            tokens,
            nano_dollars: 0,
        }
    }

    /// What is left of this estimate once `usage` is known: the refund. Parts that nobody reported refund nothing, and
    /// a part that took more than estimated refunds nothing.
    #[must_use]
    pub fn refund(&self, usage: &Usage) -> Self {
        Self {
            requests: 0,
            tokens: usage
                .total_tokens()
                .map_or(0, |used| self.tokens.saturating_sub(used)),
            nano_dollars: usage
                .nano_dollars
                .map_or(0, |used| self.nano_dollars.saturating_sub(used)),
        }
    }
}

impl Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            requests: self.requests.saturating_add(other.requests),
            tokens: self.tokens.saturating_add(other.tokens),
            nano_dollars: self.nano_dollars.saturating_add(other.nano_dollars),
        }
    }
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Cost {
    type Output = Self;

    /// Never below zero.
    fn sub(self, other: Self) -> Self {
        Self {
            requests: self.requests.saturating_sub(other.requests),
            tokens: self.tokens.saturating_sub(other.tokens),
            nano_dollars: self.nano_dollars.saturating_sub(other.nano_dollars),
        }
    }
}

// ===== impl Usage =====

impl Usage {
    /// Input and output tokens together, if either was reported.
    #[must_use]
    pub fn total_tokens(&self) -> Option<u64> {
        match (self.input_tokens, self.output_tokens) {
            (None, None) => None,
            (input, output) => Some(input.unwrap_or(0).saturating_add(output.unwrap_or(0))),
        }
    }
}

// ===== impl Reported =====

#[cfg(any(feature = "rate_limit", feature = "spend_limit"))]
impl Reported {
    pub(crate) const NOTHING: Self = Self {
        input: Told::NOTHING,
        output: Told::NOTHING,
        nano_dollars: Told::NOTHING,
    };

    #[inline]
    pub(crate) fn report(&mut self, usage: &Usage) {
        self.input.tell(usage.input_tokens);
        self.output.tell(usage.output_tokens);
        self.nano_dollars.tell(usage.nano_dollars);
    }

    /// Whether nothing was reported.
    #[cfg_attr(not(feature = "rate_limit"), allow(dead_code))]
    #[inline(always)]
    pub(crate) fn is_nothing(&self) -> bool {
        self.input == Told::NOTHING
            && self.output == Told::NOTHING
            && self.nano_dollars == Told::NOTHING
    }

    /// Input and output tokens together, if either was reported.
    #[inline]
    pub(crate) fn tokens(&self) -> Option<u64> {
        match (self.input.get(), self.output.get()) {
            (None, None) => None,
            (input, output) => Some(input.unwrap_or(0).saturating_add(output.unwrap_or(0))),
        }
    }

    #[inline]
    pub(crate) fn nano_dollars(&self) -> Option<u64> {
        self.nano_dollars.get()
    }
}

// ===== impl Told =====

#[cfg(any(feature = "rate_limit", feature = "spend_limit"))]
impl Told {
    const NOTHING: Self = Self(u64::MAX);

    #[inline]
    fn tell(&mut self, number: Option<u64>) {
        if let Some(number) = number {
            self.0 = number.min(u64::MAX - 1);
        }
    }

    #[inline]
    fn get(self) -> Option<u64> {
        (self != Self::NOTHING).then_some(self.0)
    }
}
