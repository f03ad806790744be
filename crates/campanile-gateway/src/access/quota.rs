//! What a key has left of its limits, in the headers that SDKs know.

use std::time::{Duration, SystemTime};

use campanile::rate_limit::{Limit, RateLimitHandle, Unit};
use campanile_llm::dialect::Dialect;
use http::{HeaderMap, HeaderName, HeaderValue};

/// The names of one unit's headers: limit, remaining, reset.
type Names = [HeaderName; 3];

static OPENAI: [(Unit, Names); 2] = [
    (
        Unit::Requests,
        [
            HeaderName::from_static("x-ratelimit-limit-requests"),
            HeaderName::from_static("x-ratelimit-remaining-requests"),
            HeaderName::from_static("x-ratelimit-reset-requests"),
        ],
    ),
    (
        Unit::Tokens,
        [
            HeaderName::from_static("x-ratelimit-limit-tokens"),
            HeaderName::from_static("x-ratelimit-remaining-tokens"),
            HeaderName::from_static("x-ratelimit-reset-tokens"),
        ],
    ),
];

static ANTHROPIC: [(Unit, Names); 2] = [
    (
        Unit::Requests,
        [
            HeaderName::from_static("anthropic-ratelimit-requests-limit"),
            HeaderName::from_static("anthropic-ratelimit-requests-remaining"),
            HeaderName::from_static("anthropic-ratelimit-requests-reset"),
        ],
    ),
    (
        Unit::Tokens,
        [
            HeaderName::from_static("anthropic-ratelimit-tokens-limit"),
            HeaderName::from_static("anthropic-ratelimit-tokens-remaining"),
            HeaderName::from_static("anthropic-ratelimit-tokens-reset"),
        ],
    ),
];

/// Adds what is left of these limits now.
pub(crate) fn tell(rate: &RateLimitHandle, dialect: Dialect, headers: &mut HeaderMap) {
    let units = match dialect {
        Dialect::Anthropic => &ANTHROPIC,
        _ => &OPENAI,
    };
    for (unit, [limit_name, left_name, reset_name]) in units {
        let (Some(limit), Some(left)) = (rate.limit(*unit), rate.left(*unit)) else {
            continue;
        };
        let reset = until_full(&limit, left);
        let reset = match dialect {
            Dialect::Anthropic => moment(SystemTime::now() + reset),
            _ => span(reset),
        };
        headers.insert(limit_name, whole(limit.rate).into());
        headers.insert(left_name, whole(left).into());
        if let Ok(reset) = HeaderValue::try_from(reset) {
            headers.insert(reset_name, reset);
        }
    }
}

/// Whole units, none below 0.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a cast of floats keeps within the range
fn whole(units: f64) -> u64 {
    units.floor() as u64
}

/// When everything may be taken again.
fn until_full(limit: &Limit, left: f64) -> Duration {
    #[allow(clippy::cast_precision_loss)]
    let missing = (limit.burst() as f64 - left).max(0.0);
    Duration::try_from_secs_f64(missing / limit.rate * limit.per.as_secs_f64())
        .unwrap_or(Duration::MAX)
}

/// As OpenAI writes it: `120ms`, `6.5s`, `1m30s`.
fn span(time: Duration) -> String {
    let (minutes, rest) = (time.as_secs() / 60, time.as_millis() % 60_000);
    match (minutes, rest) {
        (0, ..1_000) => format!("{rest}ms"),
        (0, _) => format!("{}s", seconds(rest)),
        (1..60, _) => format!("{minutes}m{}s", seconds(rest)),
        (_, _) => format!("{}h{}m{}s", minutes / 60, minutes % 60, seconds(rest)),
    }
}

/// Milliseconds as seconds.
fn seconds(millis: u128) -> String {
    match millis % 1_000 {
        0 => (millis / 1_000).to_string(),
        rest => {
            let digits = format!("{}.{rest:03}", millis / 1_000);
            digits.trim_end_matches('0').to_owned()
        }
    }
}

/// As Anthropic writes it: RFC 3339.
fn moment(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_sdks_read_them() {
        for (millis, expected) in [
            (0, "0ms"),
            (120, "120ms"),
            (1_000, "1s"),
            (6_500, "6.5s"),
            (90_000, "1m30s"),
            (360_000, "6m0s"),
            (3_661_001, "1h1m1.001s"),
        ] {
            assert_eq!(span(Duration::from_millis(millis)), expected);
        }
    }

    #[test]
    fn a_bucket_is_full_again_when_what_was_taken_has_come_in() {
        let limit = Limit::per_minute(60.0);
        assert_eq!(until_full(&limit, 60.0), Duration::ZERO);
        assert_eq!(until_full(&limit, 30.0), Duration::from_secs(30));
        assert_eq!(until_full(&limit, -60.0), Duration::from_secs(120));
        assert_eq!((whole(2.9), whole(-3.0)), (2, 0));
    }
}
