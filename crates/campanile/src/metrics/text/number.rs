//! Numbers as text. Whole ones are most of a scrape, and are written without the machinery of formatting.

use std::{
    fmt::{self, Write},
    time::Duration,
};

const NANO_DIGITS: usize = 9;

/// A whole number.
#[inline]
pub(super) fn whole<W: Write>(out: &mut W, number: u64) -> fmt::Result {
    let mut digits = [0; 20];
    out.write_str(decimal(&mut digits, number, 1))
}

/// A number of billionths, in units: exact, without zeros at its end.
pub(super) fn billionths<W: Write>(out: &mut W, number: u64) -> fmt::Result {
    let (units, rest) = (number / 1_000_000_000, number % 1_000_000_000);
    whole(out, units)?;
    fraction(out, rest)
}

/// A duration in seconds, exactly.
pub(super) fn seconds<W: Write>(out: &mut W, duration: Duration) -> fmt::Result {
    whole(out, duration.as_secs())?;
    fraction(out, duration.subsec_nanos().into())
}

/// Any number.
pub(super) fn float<W: Write>(out: &mut W, number: f64) -> fmt::Result {
    /// Up to here every whole number has a place of its own.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.is_nan() {
        out.write_str("NaN")
    } else if number.is_infinite() {
        out.write_str(if number > 0.0 { "+Inf" } else { "-Inf" })
    } else if number.fract() == 0.0 && (0.0..EXACT).contains(&number) {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // as the line above says
        whole(out, number as u64)
    } else if number != 0.0 && !(1e-5..1e17).contains(&number.abs()) {
        write!(out, "{number:e}")
    } else {
        write!(out, "{number}")
    }
}

fn fraction<W: Write>(out: &mut W, billionths: u64) -> fmt::Result {
    if billionths == 0 {
        return Ok(());
    }
    let mut digits = [0; 20];
    out.write_char('.')?;
    out.write_str(decimal(&mut digits, billionths, NANO_DIGITS).trim_end_matches('0'))
}

/// A number in at least so many digits.
fn decimal(digits: &mut [u8; 20], mut number: u64, least: usize) -> &str {
    let mut start = digits.len();
    while number > 0 || digits.len() - start < least {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
    }
    str::from_utf8(&digits[start..]).unwrap_or("0")
}
