use std::{collections::HashMap, hash::BuildHasher};

use http::HeaderValue;

use super::Said;

/// What is known of a caller's secret: its hash. That a guess begins as the secret does tells nothing of where its hash is,
/// so looking it up tells nothing by how long it takes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Fingerprint([u8; 32]);

// ===== impl Fingerprint =====

impl Fingerprint {
    pub(super) fn of(secret: &[u8]) -> Self {
        Self(*blake3::hash(secret).as_bytes())
    }
}

/// Looks up who sends a request. `authorization: Bearer` comes first, as OpenAI's SDKs send it, then `x-api-key`, as
/// Anthropic's do; some clients send both, of which one is for somebody else.
pub(super) fn find<'a, T, S: BuildHasher>(
    keys: &'a HashMap<Fingerprint, T, S>,
    said: &Said<'_>,
) -> Result<&'a T, Absent> {
    let given = [
        said.authorization.and_then(bearer),
        said.api_key.map(HeaderValue::as_bytes),
    ];
    let mut absent = Absent::NoKey;
    for secret in given.into_iter().flatten() {
        match keys.get(&Fingerprint::of(secret.trim_ascii())) {
            Some(found) => return Ok(found),
            None => absent = Absent::Unknown,
        }
    }
    Err(absent)
}

/// Why nobody is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Absent {
    /// The request has no key.
    NoKey,
    /// It has one that is nobody's.
    Unknown,
}

/// The secret of `Bearer SECRET`, whatever the case of the scheme.
fn bearer(value: &HeaderValue) -> Option<&[u8]> {
    let (scheme, rest) = value.as_bytes().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(rest)
}
