use std::time::{Duration, SystemTime};

use http::{HeaderMap, Response, StatusCode};

use super::{Advice, Advise, Quota, text};
use crate::outcome::retry_after;

/// Reads the limits that providers of language models report in headers.
///
/// | header | value |
/// |---|---|
/// | `retry-after-ms`, `retry-after`, on a 429 | milliseconds; seconds or a date |
/// | `x-ratelimit-{limit,remaining}-{requests,tokens}` | a number |
/// | `x-ratelimit-reset-{requests,tokens}` | a duration as `6m0s`, `120ms`, `1.5s`; a bare number is seconds |
/// | `anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-{limit,remaining}` | a number |
/// | `anthropic-ratelimit-…-reset` | a time as `2026-01-31T12:00:00Z` (RFC 3339) |
///
/// Where Anthropic reports input and output tokens alone, their sums count; of either exhausted, nothing remains. A
/// header that is missing or cannot be read is as if it were not there.
#[derive(Debug, Clone, Copy, Default)]
pub struct Headers;

/// The longest wait: whoever applies it caps it.
const LONGEST: Duration = Duration::from_secs(u32::MAX as u64);

// ===== impl Headers =====

impl<B> Advise<Response<B>> for Headers {
    fn advice(&self, response: &Response<B>) -> Option<Advice> {
        let throttled = response.status() == StatusCode::TOO_MANY_REQUESTS;
        self.read(throttled, response.headers(), SystemTime::now)
    }
}

impl Headers {
    /// What these headers report. The time of day is read only for what is told in it.
    fn read(
        self,
        throttled: bool,
        headers: &HeaderMap,
        now: impl Fn() -> SystemTime,
    ) -> Option<Advice> {
        let openai = |unit: [&'static str; 3]| {
            let [limit, remaining, reset] = unit.map(|name| value(headers, name));
            quota(limit, remaining, reset.and_then(text::go_duration))
        };
        let anthropic = |unit: [&'static str; 3]| {
            let [limit, remaining, reset] = unit.map(|name| value(headers, name));
            let reset = reset.and_then(text::rfc3339);
            let reset = reset.map(|at| at.duration_since(now()).unwrap_or_default());
            quota(limit, remaining, reset)
        };
        let requests = openai(names::REQUESTS).or_else(|| anthropic(names::ANTHROPIC_REQUESTS));
        let tokens = openai(names::TOKENS)
            .or_else(|| anthropic(names::ANTHROPIC_TOKENS))
            .or_else(|| {
                sum(
                    anthropic(names::ANTHROPIC_INPUT),
                    anthropic(names::ANTHROPIC_OUTPUT),
                )
            });
        let advice = Advice {
            retry_after: throttled.then(|| retry_after(headers, LONGEST)).flatten(),
            requests,
            tokens,
        };
        (advice != Advice::default()).then_some(advice)
    }
}

mod names {
    macro_rules! names {
        ($name:ident, $limit:literal, $remaining:literal, $reset:literal) => {
            pub(super) const $name: [&str; 3] = [$limit, $remaining, $reset];
        };
    }

    names!(
        REQUESTS,
        "x-ratelimit-limit-requests",
        "x-ratelimit-remaining-requests",
        "x-ratelimit-reset-requests"
    );
    names!(
        TOKENS,
        "x-ratelimit-limit-tokens",
        "x-ratelimit-remaining-tokens",
        "x-ratelimit-reset-tokens"
    );
    names!(
        ANTHROPIC_REQUESTS,
        "anthropic-ratelimit-requests-limit",
        "anthropic-ratelimit-requests-remaining",
        "anthropic-ratelimit-requests-reset"
    );
    names!(
        ANTHROPIC_TOKENS,
        "anthropic-ratelimit-tokens-limit",
        "anthropic-ratelimit-tokens-remaining",
        "anthropic-ratelimit-tokens-reset"
    );
    names!(
        ANTHROPIC_INPUT,
        "anthropic-ratelimit-input-tokens-limit",
        "anthropic-ratelimit-input-tokens-remaining",
        "anthropic-ratelimit-input-tokens-reset"
    );
    names!(
        ANTHROPIC_OUTPUT,
        "anthropic-ratelimit-output-tokens-limit",
        "anthropic-ratelimit-output-tokens-remaining",
        "anthropic-ratelimit-output-tokens-reset"
    );
}

fn value<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

fn quota(limit: Option<&str>, remaining: Option<&str>, reset: Option<Duration>) -> Option<Quota> {
    let quota = Quota {
        limit: limit.and_then(|text| text.parse().ok()),
        remaining: remaining.and_then(|text| text.parse().ok()),
        reset,
    };
    (quota != Quota::default()).then_some(quota)
}

/// Two limits that hold at once, as one of both together.
fn sum(input: Option<Quota>, output: Option<Quota>) -> Option<Quota> {
    let (Some(input), Some(output)) = (input, output) else {
        return input.or(output);
    };
    let both = |a: Option<u64>, b: Option<u64>| Some(a?.saturating_add(b?));
    if let Some(exhausted) = [input, output]
        .into_iter()
        .filter(|quota| quota.remaining == Some(0))
        .max_by_key(|quota| quota.reset)
    {
        return Some(Quota {
            limit: both(input.limit, output.limit),
            ..exhausted
        });
    }
    Some(Quota {
        limit: both(input.limit, output.limit),
        remaining: both(input.remaining, output.remaining),
        reset: input.reset.max(output.reset),
    })
}

#[cfg(test)]
mod tests;
