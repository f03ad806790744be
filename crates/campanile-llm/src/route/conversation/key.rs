use serde::Deserialize;
use std::borrow::Cow;

use crate::chat::ChatRequest;

/// How much of a chat's beginning tells it from others, in bytes of JSON.
const BEGINNING: usize = 8 * 1024;

/// How much of Anthropic's `system` does.
const SYSTEM: usize = 2 * 1024;

/// The golden ratio's fraction of 2^64, and another odd number of random bits.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
const ODD: u64 = 0xd6e8_feb8_6659_fd93;

/// A number for a chat, which stays the same as the chat goes on: a hash of the model, of what the system is told, and of the
/// messages up to the first of the user; of 8 KiB at most. The same in every process. `None` of a chat that is empty.
///
/// Chats that begin alike have the same number, whoever makes them, as their prompts share what a provider caches.
///
/// ```
/// use campanile_llm::{chat::ChatRequest, route::conversation_key};
///
/// let first = ChatRequest::new("m").system("Be brief.").user("The capital of Italy?");
/// let later = first.clone().assistant("Rome.").user("And of France?");
/// assert_eq!(conversation_key(&first), conversation_key(&later));
/// assert_ne!(conversation_key(&first), conversation_key(&ChatRequest::new("m").user("And of France?")));
/// ```
#[must_use]
pub fn conversation_key(request: &ChatRequest) -> Option<u64> {
    let object = request.object();
    let beginning = beginning(object.get("messages")?);
    let system = object.get("system").map(|system| &system[..]);
    let system = system.unwrap_or_default();
    if beginning.is_empty() && system.is_empty() {
        return None;
    }
    let key = hash(0, request.model().as_bytes());
    let key = hash(key, &system[..system.len().min(SYSTEM)]);
    Some(hash(key, beginning))
}

/// The messages up to the first of the user, or as much as counts of them.
fn beginning(messages: &[u8]) -> &[u8] {
    let messages = &messages[..messages.len().min(BEGINNING)];
    let (mut depth, mut quoted, mut escaped) = (0_u32, false, false);
    let mut start = 0;
    let mut last = 0;
    for (at, byte) in messages.iter().enumerate() {
        if quoted {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => quoted = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => quoted = true,
            b'{' | b'[' => {
                depth += 1;
                if depth == 2 {
                    start = at;
                }
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 1 {
                    last = at + 1;
                    if is_user(&messages[start..last]) {
                        return &messages[..last];
                    }
                }
                if depth == 0 {
                    // Nobody has asked anything: what there is.
                    return &messages[..last];
                }
            }
            _ => {}
        }
    }
    messages
}

fn is_user(message: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Said<'a> {
        #[serde(borrow)]
        role: Cow<'a, str>,
    }
    serde_json::from_slice::<Said<'_>>(message).is_ok_and(|said| said.role == "user")
}

/// A hash of bytes that follow others whose hash is `seed`. Eight bytes at a time: a multiplication and a turn for each; the
/// same in every process, of every version. Not for where somebody gains by two that are equal.
pub(in crate::route) fn hash(seed: u64, bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let step = |hash: u64, word: u64| {
        (hash ^ word.wrapping_mul(ODD))
            .rotate_left(29)
            .wrapping_mul(GOLDEN)
    };
    let hash = words.iter().fold(seed ^ GOLDEN, |hash, word| {
        step(hash, u64::from_le_bytes(*word))
    });
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    let hash = step(hash, u64::from_le_bytes(last));
    mix(hash ^ bytes.len() as u64)
}

/// The finaliser of SplitMix64: every bit of the result depends on every bit of `x`.
pub(in crate::route) const fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(GOLDEN);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
