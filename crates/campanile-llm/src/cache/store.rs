use std::sync::Arc;

use bytes::BytesMut;
use quick_cache::{Weighter, sync};
use tokio::time::Instant;

use super::{CacheConfig, key::Key};
use crate::chat::{ChatCompletion, ChatEvent, Meta};

/// An answer that is kept.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) meta: Meta,
    pub(super) answer: KeptAnswer,
    bytes: u64,
    /// `None` where that is beyond the reach of the clock.
    until: Option<Instant>,
}

#[derive(Debug, Clone)]
pub(super) enum KeptAnswer {
    Whole(ChatCompletion),
    Events(Arc<[ChatEvent]>),
}

/// The answers that are kept.
#[derive(Debug)]
pub(super) struct Store {
    answers: sync::Cache<Key, Kept, Bytes>,
    config: CacheConfig,
}

#[derive(Debug, Clone)]
struct Bytes;

/// What an answer takes beside its bytes: its place in the store.
const PLACE: u64 = 256;

// ===== impl Store =====

impl Store {
    pub(super) fn new(config: CacheConfig) -> Self {
        let likely = usize::try_from(config.max_bytes / 4096).unwrap_or(usize::MAX);
        Self {
            answers: sync::Cache::with_weighter(likely.clamp(16, 1 << 16), config.max_bytes, Bytes),
            config,
        }
    }

    pub(super) const fn config(&self) -> &CacheConfig {
        &self.config
    }

    /// An answer that is not too old at `now`.
    pub(super) fn get(&self, key: &Key, now: Instant) -> Option<Kept> {
        let kept = self.answers.get(key)?;
        if kept.until.is_some_and(|until| until <= now) {
            self.answers.remove(key);
            return None;
        }
        Some(kept)
    }

    /// Keeps an answer, unless it is too large.
    pub(super) fn keep(&self, key: Key, mut meta: Meta, mut answer: KeptAnswer, now: Instant) {
        let bytes = match &answer {
            KeptAnswer::Whole(whole) => whole.body().len() as u64,
            KeptAnswer::Events(events) => events.iter().map(size).sum(),
        };
        if bytes <= self.config.max_answer {
            answer.pack();
            meta.cached = true;
            // What the provider had to say of its limits is long past.
            meta.limits = None;
            let kept = Kept {
                meta,
                answer,
                bytes,
                until: now.checked_add(self.config.ttl),
            };
            self.answers.insert(key, kept);
        }
    }

    pub(super) fn clear(&self) {
        self.answers.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.answers.len()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.answers.weight()
    }
}

// ===== impl KeptAnswer =====

impl KeptAnswer {
    /// Copies its bytes out of the buffers that they came in: those of a connection may be a hundred times as large, and what
    /// is kept would hold them.
    fn pack(&mut self) {
        match self {
            Self::Whole(whole) => whole.body = bytes::Bytes::copy_from_slice(&whole.body),
            Self::Events(events) => {
                let frames = events.iter().map(|event| event.frame().len());
                let mut all = BytesMut::with_capacity(frames.sum());
                events
                    .iter()
                    .for_each(|event| all.extend_from_slice(event.frame()));
                let mut all = all.freeze();
                let packed = events.iter().map(|event| {
                    let frame = all.split_to(event.frame().len());
                    event.clone().with_frame(frame)
                });
                *events = packed.collect();
            }
        }
    }
}

/// What an event takes.
pub(super) fn size(event: &ChatEvent) -> u64 {
    (event.frame().len() + size_of::<ChatEvent>()) as u64
}

impl Weighter<Key, Kept> for Bytes {
    fn weight(&self, _key: &Key, kept: &Kept) -> u64 {
        kept.bytes.saturating_add(PLACE)
    }
}
