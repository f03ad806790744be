//! Buckets of durations, 64 to each doubling.

/// How many buckets there are.
pub(in crate::metrics) const BUCKETS: u16 = 2_047;

/// The narrowest bucket, in nanoseconds, as a power of two. Below 64 times that all are as narrow.
const UNIT: u32 = 5;

/// The bucket of a duration; those beyond the last are in the last.
#[inline]
#[allow(clippy::cast_possible_truncation)] // at most `BUCKETS`
pub(in crate::metrics) const fn bucket(nanos: u64) -> u16 {
    let units = nanos >> UNIT;
    if units < 64 {
        return units as u16;
    }
    let octave = 57 - units.leading_zeros();
    let bucket = (octave as u64 * 64) + (units >> octave);
    if bucket < BUCKETS as u64 {
        bucket as u16
    } else {
        BUCKETS - 1
    }
}

/// The shortest duration of a bucket, in nanoseconds, and how wide the bucket is.
const fn range(bucket: u16) -> (u64, u64) {
    let bucket = bucket as u64;
    if bucket < 64 {
        return (bucket << UNIT, 1 << UNIT);
    }
    let octave = bucket / 64 - 1;
    (
        (bucket - octave * 64) << octave << UNIT,
        1 << octave << UNIT,
    )
}

/// What stands for the durations of a bucket, in nanoseconds: its middle, and zero for the first one.
pub(in crate::metrics) const fn middle(bucket: u16) -> u64 {
    let (from, width) = range(bucket);
    if bucket == 0 { 0 } else { from + width / 2 }
}
