use std::time::Duration;

use campanile::{config::Invalid, time::human};
use serde::{Deserialize, Serialize};

use super::chunks::MOST;

/// The constants of [`PrefixAware`](super::PrefixAware).
///
/// ```
/// use campanile_llm::route::PrefixConfig;
///
/// let config: PrefixConfig = serde_json::from_str(r#"{ "entries": 1000000, "forget": "30m" }"#).unwrap();
/// assert!(config.build().is_ok());
/// let error = PrefixConfig::default().with_chunk_bytes(0).build().unwrap_err();
/// assert_eq!(error.to_string(), "prefix.chunk_bytes is 0: it must be from 64 to 2^20");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct PrefixConfig {
    /// How long a chunk is, in bytes, 1 MiB at most. 1,024 by default: about 256 tokens.
    pub chunk_bytes: usize,
    /// How many chunks of a prompt are looked at, 64 at most, and by default.
    pub chunks: usize,
    /// How many beginnings are remembered: one for each chunk and member, eight bytes each. 65,536 by default.
    pub entries: usize,
    /// How long a member is believed to hold what it has read. 10 min by default.
    #[serde(with = "human")]
    pub forget: Duration,
    /// What it takes to read a token of a prompt, of what it takes to write one. 0.012 by default.
    pub prefill: f64,
    /// How surely a member still holds what it has read. 0.95 by default.
    pub confidence: f64,
    /// How many other routers send calls to the same members. 0 by default. With others, a prompt of which nothing is known
    /// here is believed to be where all of them would put it.
    pub peers: u32,
    /// How many times as loaded as where load alone would send the call a member may be, for what it holds. 4 by default.
    pub overload: f64,
    /// How many calls in flight a member may have beyond that. 4 by default.
    pub floor: u32,
}

// ===== impl PrefixConfig =====

impl Default for PrefixConfig {
    fn default() -> Self {
        Self {
            chunk_bytes: 1024,
            chunks: MOST,
            entries: 65_536,
            forget: Duration::from_secs(600),
            prefill: 0.012,
            confidence: 0.95,
            peers: 0,
            overload: 4.0,
            floor: 4,
        }
    }
}

impl PrefixConfig {
    /// Sets how long a chunk is, in bytes.
    #[must_use]
    pub const fn with_chunk_bytes(mut self, bytes: usize) -> Self {
        self.chunk_bytes = bytes;
        self
    }

    /// Sets how many chunks of a prompt are looked at.
    #[must_use]
    pub const fn with_chunks(mut self, chunks: usize) -> Self {
        self.chunks = chunks;
        self
    }

    /// Sets how many beginnings are remembered.
    #[must_use]
    pub const fn with_entries(mut self, entries: usize) -> Self {
        self.entries = entries;
        self
    }

    /// Sets how long a member is believed to hold what it has read.
    #[must_use]
    pub const fn with_forget(mut self, forget: Duration) -> Self {
        self.forget = forget;
        self
    }

    /// Sets what it takes to read a token, of what it takes to write one.
    #[must_use]
    pub const fn with_prefill(mut self, prefill: f64) -> Self {
        self.prefill = prefill;
        self
    }

    /// Sets how surely a member still holds what it has read.
    #[must_use]
    pub const fn with_confidence(mut self, confidence: f64) -> Self {
        self.confidence = confidence;
        self
    }

    /// Sets how many other routers send calls to the same members.
    #[must_use]
    pub const fn with_peers(mut self, peers: u32) -> Self {
        self.peers = peers;
        self
    }

    /// Sets how many times as loaded a member may be for what it holds.
    #[must_use]
    pub const fn with_overload(mut self, overload: f64) -> Self {
        self.overload = overload;
        self
    }

    /// Sets how many calls in flight a member may have beyond that.
    #[must_use]
    pub const fn with_floor(mut self, floor: u32) -> Self {
        self.floor = floor;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Names the first field that is out of range.
    pub fn build(self) -> Result<Self, Invalid> {
        let rule = |kept, field, value: &dyn std::fmt::Debug, rule| {
            Invalid::unless(kept, "prefix", field, value, rule)
        };
        let kept = (64..=1 << 20).contains(&self.chunk_bytes);
        rule(
            kept,
            "chunk_bytes",
            &self.chunk_bytes,
            "it must be from 64 to 2^20",
        )?;
        let kept = (1..=MOST).contains(&self.chunks);
        rule(kept, "chunks", &self.chunks, "it must be from 1 to 64")?;
        let kept = (1..=1 << 30).contains(&self.entries);
        rule(kept, "entries", &self.entries, "it must be from 1 to 2^30")?;
        rule(
            !self.forget.is_zero(),
            "forget",
            &self.forget,
            "it must be above 0",
        )?;
        let kept = self.prefill >= 0.0 && self.prefill.is_finite();
        rule(
            kept,
            "prefill",
            &self.prefill,
            "it must be finite and not below 0",
        )?;
        let kept = (0.0..=1.0).contains(&self.confidence);
        rule(
            kept,
            "confidence",
            &self.confidence,
            "it must be from 0 to 1",
        )?;
        let kept = self.overload >= 1.0 && self.overload.is_finite();
        rule(
            kept,
            "overload",
            &self.overload,
            "it must be finite and at least 1",
        )?;
        Ok(self)
    }
}
