use std::sync::atomic::{AtomicU64, Ordering};

/// How many bytes are a token, learned from calls whose tokens were reported: bytes and tokens of the last so many tokens, in
/// one word. Of two calls that are learned at once one may be lost, of an estimate.
#[derive(Debug)]
pub(super) struct Ratio(AtomicU64);

/// Where it begins: four bytes a token.
const START: f32 = 4.0;
/// How many tokens the beginning counts for.
const PRIOR: f32 = 200.0;
/// How many tokens are remembered: more are scaled down to so many, so that what is older fades.
const WINDOW: f32 = 20_000.0;
/// The most of them that one call counts for.
const CALL: f32 = 5_000.0;
/// What cannot be is not learned: a token is a byte at least, and hardly ever more than a long word.
const LEAST: f32 = 0.5;
const MOST: f32 = 32.0;

// ===== impl Ratio =====

impl Default for Ratio {
    fn default() -> Self {
        Self(AtomicU64::new(pack(START * PRIOR, PRIOR)))
    }
}

impl Ratio {
    pub(super) fn get(&self) -> f32 {
        let (bytes, tokens) = unpack(self.0.load(Ordering::Relaxed));
        bytes / tokens
    }

    pub(super) fn learn(&self, bytes: u64, tokens: u64) {
        let (mut bytes, mut tokens) = (bytes as f32, tokens as f32);
        // What is no number is not within these either.
        if !(bytes >= LEAST * tokens && bytes <= MOST * tokens && tokens > 0.0) {
            return;
        }
        if tokens > CALL {
            bytes *= CALL / tokens;
            tokens = CALL;
        }
        let (known_bytes, known_tokens) = unpack(self.0.load(Ordering::Relaxed));
        bytes += known_bytes;
        tokens += known_tokens;
        if tokens > WINDOW {
            bytes *= WINDOW / tokens;
            tokens = WINDOW;
        }
        self.0.store(pack(bytes, tokens), Ordering::Relaxed);
    }
}

fn pack(bytes: f32, tokens: f32) -> u64 {
    u64::from(bytes.to_bits()) << 32 | u64::from(tokens.to_bits())
}

fn unpack(packed: u64) -> (f32, f32) {
    let part = |bits: u64| f32::from_bits(bits as u32);
    (part(packed >> 32), part(packed))
}
