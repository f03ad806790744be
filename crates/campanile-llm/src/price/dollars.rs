use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An amount of dollars, exact to the nano-dollar: a decimal with nine digits behind its point at most.
///
/// It is written as a decimal, as a number or as text: `2.5`, `"0.075"`. A number that was read as floating point is taken
/// for the shortest decimal that means it, which is the one that was written, up to 15 digits.
///
/// ```
/// use campanile_llm::price::Dollars;
///
/// let price: Dollars = "0.075".parse()?;
/// assert_eq!(price.as_nanos(), 75_000_000);
/// assert_eq!(serde_json::from_str::<Dollars>("0.075")?, price);
/// assert_eq!(price.to_string(), "0.075");
/// assert!("1e3".parse::<Dollars>().is_err());
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Dollars(u64);

/// A text that is no [amount of dollars](Dollars).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no amount of dollars: {rule}")]
pub struct NotDollars {
    text: String,
    rule: &'static str,
}

const NANOS: u64 = 1_000_000_000;
const DIGITS: usize = 9;

// ===== impl Dollars =====

impl Dollars {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// An amount of nano-dollars.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// The amount in nano-dollars.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }
}

impl FromStr for Dollars {
    type Err = NotDollars;

    fn from_str(text: &str) -> Result<Self, NotDollars> {
        let wrong = |rule| NotDollars {
            // What somebody put into a file of prices by mistake is not repeated at length.
            text: text.chars().take(40).collect(),
            rule,
        };
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) {
            return Err(wrong("it is a decimal of 0 or more, such as 2.5"));
        }
        let fraction = fraction.trim_end_matches('0');
        if fraction.len() > DIGITS {
            return Err(wrong("it has at most nine digits behind its point"));
        }
        let nanos = format!("{fraction:0<DIGITS$}").parse().unwrap_or(0);
        let whole: Option<u64> = whole.parse().ok();
        whole
            .and_then(|whole| whole.checked_mul(NANOS)?.checked_add(nanos))
            .map(Self)
            .ok_or_else(|| wrong("it is below 18 thousand millions"))
    }
}

impl fmt::Display for Dollars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (self.0 / NANOS, self.0 % NANOS);
        if fraction == 0 {
            return write!(f, "{whole}");
        }
        let fraction = format!("{fraction:0DIGITS$}");
        write!(f, "{whole}.{}", fraction.trim_end_matches('0'))
    }
}

impl Serialize for Dollars {
    /// As text, which no reader rounds.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Dollars {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Visitor)
    }
}

struct Visitor;

// ===== impl Visitor =====

impl de::Visitor<'_> for Visitor {
    type Value = Dollars;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an amount of dollars, such as 2.5")
    }

    fn visit_u64<E: de::Error>(self, dollars: u64) -> Result<Dollars, E> {
        self.visit_str(&dollars.to_string())
    }

    fn visit_i64<E: de::Error>(self, dollars: i64) -> Result<Dollars, E> {
        self.visit_str(&dollars.to_string())
    }

    fn visit_f64<E: de::Error>(self, dollars: f64) -> Result<Dollars, E> {
        // Never with an exponent: `Display` of a float writes all digits.
        self.visit_str(&dollars.to_string())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Dollars, E> {
        text.parse().map_err(E::custom)
    }
}
