//! Money as people write it, and as it is counted: whole nano-dollars, so that nothing is rounded away.

use std::fmt::{self, Write};

use serde::{Deserializer, Serializer, de};

/// Nano-dollars of a dollar.
const DOLLAR: u64 = 1_000_000_000;

const RULE: &str = "an amount of dollars has digits, and at most nine of them after a point";

/// Nano-dollars of an amount of dollars in decimal digits, to the last of nine decimals.
pub(super) fn parse(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?}: {RULE}");
    let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let fraction = fraction.trim_end_matches('0');
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || fraction.len() > 9 || !digits(whole) || !digits(fraction) {
        return Err(wrong());
    }
    let dollars: u64 = whole.parse().map_err(|_| wrong())?;
    let nanos: u64 = format!("{fraction:0<9}").parse().map_err(|_| wrong())?;
    dollars
        .checked_mul(DOLLAR)
        .and_then(|amount| amount.checked_add(nanos))
        .ok_or_else(wrong)
}

/// Dollars in decimal digits.
pub(super) fn text(nano_dollars: u64) -> String {
    let mut text = (nano_dollars / DOLLAR).to_string();
    let rest = nano_dollars % DOLLAR;
    if rest > 0 {
        // Writing to a string cannot fail.
        let _ = write!(text, ".{rest:09}");
        text.truncate(text.trim_end_matches('0').len());
    }
    text
}

/// Dollars, for people and metrics.
pub(super) fn dollars(nano_dollars: u64) -> f64 {
    nano_dollars as f64 / DOLLAR as f64
}

/// An amount, in digits, however it was written.
pub(super) fn digits<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    struct Digits;

    impl de::Visitor<'_> for Digits {
        type Value = String;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an amount, as a number or as text")
        }

        fn visit_u64<E: de::Error>(self, amount: u64) -> Result<String, E> {
            Ok(amount.to_string())
        }

        fn visit_i64<E: de::Error>(self, amount: i64) -> Result<String, E> {
            Ok(amount.to_string())
        }

        /// The shortest digits that are this number: what somebody wrote.
        fn visit_f64<E: de::Error>(self, amount: f64) -> Result<String, E> {
            Ok(amount.to_string())
        }

        fn visit_str<E: de::Error>(self, amount: &str) -> Result<String, E> {
            Ok(amount.to_owned())
        }
    }

    deserializer.deserialize_any(Digits)
}

/// Writes nano-dollars as dollars.
#[allow(clippy::trivially_copy_pass_by_ref)] // serde says so
pub(super) fn serialize<S: Serializer>(
    nano_dollars: &u64,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&text(*nano_dollars))
}

/// Reads dollars.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    parse(&digits(deserializer)?).map_err(de::Error::custom)
}
