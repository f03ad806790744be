use std::time::Duration;

use crate::time::nanos;

/// How fast a meter runs: parts of a unit per nanosecond, as `factor / 2^shift`. The factor fills 63 bits, so that ten
/// years at a rate are off by less than a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    factor: u64,
    shift: u32,
}

/// Bits by which the numerator is moved up before it is divided: the 53 bits of an `f64` then fill 127.
const WIDEN: i32 = 74;

/// Parts per nanosecond at the highest rate, as a power of two: fine enough to tell nanoseconds apart at a sixteenth of
/// it, coarse enough that a bucket may lie untouched for years before its meter comes round.
const FINENESS: i32 = 4;

/// The most bits of a burst and of what it is owed.
const MOST_BITS: u32 = 60;

/// How finely a unit is divided, as a power of two, for rates up to `most` per `per` and bursts up to `burst`.
pub(crate) fn scale(most: f64, per: Duration, burst: u64) -> u32 {
    let per_nano = most / nanos(per).max(1) as f64;
    let fine = FINENESS - per_nano.log2().floor().clamp(-1e3, 1e3) as i32;
    let room = MOST_BITS.saturating_sub(u64::BITS - burst.leading_zeros());
    u32::try_from(fine).unwrap_or(0).min(room)
}

// ===== impl Rate =====

impl Rate {
    /// `units` per `per`, where a unit has `2^scale` parts. Rounded up, by less than one part in 2^61, so that what is
    /// due at a whole nanosecond is there at that nanosecond.
    pub(crate) fn new(units: f64, per: Duration, scale: u32) -> Self {
        // What a checked configuration cannot hold is the slowest rate, not a panic.
        let units = if units.is_finite() {
            units.max(f64::MIN_POSITIVE)
        } else {
            f64::MIN_POSITIVE
        };
        let bits = units.to_bits();
        let mantissa = (bits & ((1 << 52) - 1)) | (1 << 52);
        let exponent = ((bits >> 52) & 0x7ff) as i32 - 1_075;
        let quotient = (u128::from(mantissa) << WIDEN).div_ceil(u128::from(nanos(per).max(1)));
        let down = (u128::BITS - quotient.leading_zeros()).saturating_sub(63);
        let factor = quotient.div_ceil(1 << down);
        let shift = WIDEN - exponent - down as i32 - scale as i32;
        Self {
            factor: factor as u64,
            shift: shift.clamp(0, 127) as u32,
        }
    }

    pub(crate) const fn from_parts(factor: u64, shift: u32) -> Self {
        Self { factor, shift }
    }

    pub(crate) const fn parts(self) -> (u64, u32) {
        (self.factor, self.shift)
    }

    /// How far the meter runs in so many nanoseconds; it goes round at the end.
    #[inline]
    pub(crate) const fn run(self, nanos: u64) -> u64 {
        ((nanos as u128 * self.factor as u128) >> self.shift) as u64
    }

    /// How many nanoseconds it takes at least to run so far.
    pub(crate) fn time_for(self, parts: u64) -> u64 {
        let parts = u128::from(parts);
        // A slow rate is rounded down where the product would not fit: later rather than earlier.
        let most = parts.leading_zeros().min(127);
        let (factor, shift) = if self.shift > most {
            ((self.factor >> (self.shift - most).min(63)).max(1), most)
        } else {
            (self.factor, self.shift)
        };
        let time = (parts << shift).div_ceil(u128::from(factor.max(1)));
        u64::try_from(time).unwrap_or(u64::MAX)
    }
}
