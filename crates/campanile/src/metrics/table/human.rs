//! Quantities in five letters, mostly.

use std::fmt;

/// A number of things: `999`, `12.3k`, `4.5M`.
pub(super) struct Count(pub(super) u64);

/// Bytes: `999B`, `1.2kB`.
pub(super) struct Bytes(pub(super) u64);

/// A duration: `850µs`, `12ms`, `1.5s`, `2.5m`, `3.0h`.
pub(super) struct Seconds(pub(super) f64);

/// A share of 1: `99.9%`.
pub(super) struct Percent(pub(super) f64);

/// Nano-dollars: `$0.0012`, `$12.30`, `$1.2k`.
pub(super) struct Dollars(pub(super) u64);

const STEPS: [&str; 7] = ["", "k", "M", "G", "T", "P", "E"];

pub(super) fn shown(quantity: impl fmt::Display) -> String {
    quantity.to_string()
}

/// So many a second.
pub(super) fn rate(rate: f64) -> String {
    if rate == 0.0 {
        "0".to_owned()
    } else if rate < 0.01 {
        "<0.01".to_owned()
    } else if rate < 1.0 {
        format!("{rate:.2}")
    } else {
        scaled(rate)
    }
}

/// Three digits and a letter for thousands.
fn scaled(number: f64) -> String {
    let mut number = number;
    let mut step = 0;
    // What would be rounded to 1,000 is one of the next.
    while number >= 999.5 && step + 1 < STEPS.len() {
        number /= 1_000.0;
        step += 1;
    }
    let step = STEPS[step];
    if number >= 99.95 || number.fract() == 0.0 {
        format!("{number:.0}{step}")
    } else {
        format!("{number:.1}{step}")
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 10_000 {
            self.0.fmt(f)
        } else {
            f.write_str(&scaled(self.0 as f64))
        }
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}B", scaled(self.0 as f64))
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0;
        let (number, unit) = match seconds {
            _ if seconds < 0.000_999_5 => (seconds * 1e6, "µs"),
            _ if seconds < 0.999_5 => (seconds * 1e3, "ms"),
            _ if seconds < 99.95 => (seconds, "s"),
            _ if seconds < 5_997.0 => (seconds / 60.0, "m"),
            _ if seconds < 359_820.0 => (seconds / 3_600.0, "h"),
            _ => (seconds / 86_400.0, "d"),
        };
        if number < 9.95 && unit != "µs" {
            write!(f, "{number:.1}{unit}")
        } else {
            write!(f, "{number:.0}{unit}")
        }
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = self.0 * 100.0;
        // All is said of all alone, and nothing of nothing.
        if self.0 == 1.0 || self.0 == 0.0 {
            write!(f, "{percent:.0}%")
        } else if percent > 99.9 {
            f.write_str(">99.9%")
        } else if percent < 0.1 {
            f.write_str("<0.1%")
        } else {
            write!(f, "{percent:.1}%")
        }
    }
}

impl fmt::Display for Dollars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dollars = self.0 as f64 / 1e9;
        if self.0 == 0 {
            f.write_str("$0")
        } else if dollars < 0.000_1 {
            f.write_str("<$0.0001")
        } else if dollars < 0.995 {
            write!(f, "${dollars:.4}")
        } else if dollars < 999.5 {
            write!(f, "${dollars:.2}")
        } else {
            write!(f, "${}", scaled(dollars))
        }
    }
}
