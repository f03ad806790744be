/// A key of affinity from bytes: a session, a user, the first part of a prompt. The same in every process, of every
/// version, so that routers agree without talking: FNV-1a with the finaliser of SplitMix64.
///
/// ```
/// use campanile::balance::affinity_key;
///
/// assert_eq!(affinity_key("session-1"), affinity_key(b"session-1"));
/// assert_ne!(affinity_key("session-1"), affinity_key("session-2"));
/// ```
#[must_use]
pub fn affinity_key(bytes: impl AsRef<[u8]>) -> u64 {
    let hash = bytes
        .as_ref()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
    mix(hash)
}

/// The finaliser of SplitMix64: every bit of the result depends on every bit of `x`.
#[inline]
pub(super) const fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(GOLDEN);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// The golden ratio's fraction of 2^64.
pub(super) const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
