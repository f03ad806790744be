//! What is told, as JSON.

use std::{fmt::Write, time::Duration};

use campanile::{
    Cost, Outcome,
    context::{Attempt, Candidates, Place, Repeat, Trail},
    endpoint::Reason,
    time::Timestamp,
};
use campanile_llm::Error;
use serde::Serialize;

/// Where a call went, and why. Times are in milliseconds. What is not known, or does not apply, is left out.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Story {
    /// The stage where it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<String>,
    /// The pool where it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pool: Option<String>,
    /// How long it has taken.
    ms: f64,
    /// The answer goes on: the rest is told at its end.
    #[serde(skip_serializing_if = "is_false")]
    so_far: bool,
    /// Where it was sent, in order.
    attempts: Vec<Told>,
    /// The pools that had nobody for it, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    refused: Vec<Nobody>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Failure>,
    /// What all attempts together have taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    charged: Option<Taken>,
    /// It is told in part, since the whole would be too long.
    #[serde(skip_serializing_if = "is_false")]
    cut: bool,
}

/// One attempt.
#[derive(Debug, Clone, Default, Serialize)]
struct Told {
    /// The member that it went to.
    to: String,
    /// The stage, if it is not that where the call ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<String>,
    /// The pool, if it is not that where the call ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pool: Option<String>,
    /// Why there was another: `retry`, `hedge`, `fallback`.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<Repeat>,
    /// How it ended: `success`, `failure`, `throttled`, ...; `running` while it has not.
    outcome: &'static str,
    /// Of a failure, its kind: `server`, `timeout`, `interrupted`, ...
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'static str>,
    /// When it began, since the call did.
    #[serde(skip_serializing_if = "Option::is_none")]
    at_ms: Option<f64>,
    /// How long it waited in queues before.
    #[serde(skip_serializing_if = "Option::is_none")]
    waited_ms: Option<f64>,
    /// From its begin to the head of its answer, which streams have with their first content.
    #[serde(skip_serializing_if = "Option::is_none")]
    head_ms: Option<f64>,
    /// From its begin to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    total_ms: Option<f64>,
    /// Among whom it was picked.
    #[serde(skip_serializing_if = "Option::is_none")]
    candidates: Option<Among>,
    /// What it was estimated to take.
    #[serde(skip_serializing_if = "Option::is_none")]
    estimated: Option<Taken>,
    /// What it has taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    charged: Option<Taken>,
}

/// A pool that had nobody.
#[derive(Debug, Clone, Serialize)]
struct Nobody {
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pool: Option<String>,
    at_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    candidates: Option<Among>,
}

/// The members of a pool, as one pick found them.
#[derive(Debug, Clone, Serialize)]
struct Among {
    members: usize,
    open: usize,
    /// How many of them the call had been at before.
    #[serde(skip_serializing_if = "is_zero")]
    tried: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    closed: Vec<Closed>,
}

/// A member that could not be picked.
#[derive(Debug, Clone, Serialize)]
struct Closed {
    member: String,
    reasons: Vec<Why>,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Why {
    reason: Reason,
    /// Seconds until it ends by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    reopens_in_s: Option<f64>,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Taken {
    tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    dollars: Option<f64>,
}

/// Why a call failed. Its words are in the body of the answer.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Failure {
    class: campanile_llm::error::Class,
    /// The layer that refused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused_by: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_s: Option<f64>,
}

/// How long a name is told.
const NAME: usize = 100;

// ===== impl Story =====

impl Story {
    pub(super) fn of(trail: &Trail, failure: Option<&Failure>, so_far: bool) -> Self {
        let now = Timestamp::now();
        let attempts = trail.attempts();
        let refusals = trail.refusals();
        // The very last ones of many are not explained.
        let mut explained = attempts
            .iter()
            .filter_map(|attempt| attempt.explained.as_deref());
        let last = explained.next_back();
        let places = match (last, refusals.last()) {
            // Who refused it came after.
            (Some(explained), Some(refused)) if refused.at > explained.began => &refused.places,
            (Some(explained), _) => &explained.places,
            (None, Some(refused)) => &refused.places,
            (None, None) => &Vec::new(),
        };
        let (stage, pool) = (named(places, "stage"), named(places, "pool"));
        Self {
            ms: trail.began().map_or(0.0, |began| ms(now.since(began))),
            so_far,
            attempts: attempts
                .iter()
                .map(|attempt| Told::of(attempt, stage.as_ref(), pool.as_ref()))
                .collect(),
            refused: refusals
                .iter()
                .map(|refused| Nobody {
                    stage: other(&refused.places, "stage", stage.as_ref()),
                    pool: other(&refused.places, "pool", pool.as_ref()),
                    at_ms: ms(refused.at),
                    candidates: Some(Among::of(&refused.candidates)),
                })
                .collect(),
            error: failure.cloned(),
            charged: Taken::of(trail.charged()),
            stage,
            pool,
            cut: false,
        }
    }

    /// As compact JSON in visible ASCII, of at most so many bytes: what would make it longer is left out, who was closed first.
    pub(super) fn text(mut self, most: usize) -> String {
        for step in 0.. {
            let text = self.json();
            if text.len() <= most {
                return text;
            }
            self.cut = true;
            match step {
                0 => self.each(|among| {
                    if let Some(among) = among {
                        among.closed.clear();
                    }
                }),
                1 => self.each(|among| *among = None),
                2 => {
                    // The first and the latest ones say most.
                    let latest = self.attempts.len().saturating_sub(4);
                    self.attempts.drain(1.min(latest)..latest);
                    self.refused.truncate(1);
                }
                _ => break,
            }
        }
        String::from(r#"{"cut":true}"#)
    }

    fn each(&mut self, change: impl Fn(&mut Option<Among>)) {
        self.attempts
            .iter_mut()
            .for_each(|told| change(&mut told.candidates));
        self.refused
            .iter_mut()
            .for_each(|nobody| change(&mut nobody.candidates));
    }

    fn json(&self) -> String {
        // It has no maps with keys that are no texts, and no type of its own that fails.
        ascii(serde_json::to_string(self).unwrap_or_default())
    }
}

/// The same JSON in visible ASCII. What is beyond it lies in texts, where it can be escaped.
fn ascii(text: String) -> String {
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return text;
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for char in text.chars() {
        if (' '..='~').contains(&char) {
            escaped.push(char);
            continue;
        }
        for unit in char.encode_utf16(&mut [0; 2]) {
            // Writing to a string does not fail.
            let _ = write!(escaped, "\\u{unit:04x}");
        }
    }
    escaped
}

fn named(places: &[Place], what: &str) -> Option<String> {
    let place = places.iter().find(|place| place.what == what)?;
    Some(short(&place.name))
}

/// The same, if it is not this one.
fn other(places: &[Place], what: &str, this: Option<&String>) -> Option<String> {
    named(places, what).filter(|name| Some(name) != this)
}

fn short(name: &str) -> String {
    name.chars().take(NAME).collect()
}

/// To within a microsecond.
fn ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

fn seconds(seconds: f64) -> f64 {
    (seconds * 1e3).round() / 1e3
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
const fn is_false(it: &bool) -> bool {
    !*it
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
const fn is_zero(it: &usize) -> bool {
    *it == 0
}

// ===== impl Told =====

impl Told {
    fn of(attempt: &Attempt, stage: Option<&String>, pool: Option<&String>) -> Self {
        let mut told = Self {
            to: short(attempt.endpoint.key()),
            outcome: attempt.outcome.map_or("running", |outcome| outcome.name()),
            failure: match attempt.outcome {
                Some(Outcome::Failure(kind)) => Some(kind.name()),
                _ => None,
            },
            total_ms: attempt.elapsed.map(ms),
            ..Self::default()
        };
        if let Some(explained) = attempt.explained.as_deref() {
            told.stage = other(&explained.places, "stage", stage);
            told.pool = other(&explained.places, "pool", pool);
            told.why = explained.repeat;
            told.at_ms = Some(ms(explained.began));
            told.waited_ms = explained.waited.map(ms);
            told.head_ms = explained.head.map(ms);
            told.candidates = Some(Among::of(&explained.candidates));
            told.estimated = explained.estimated.and_then(Taken::of);
            told.charged = Taken::of(explained.charged);
        }
        told
    }
}

// ===== impl Among =====

impl Among {
    fn of(candidates: &Candidates) -> Self {
        Self {
            members: candidates.members,
            open: candidates.open,
            tried: candidates.tried,
            closed: candidates
                .closed
                .iter()
                .map(|closed| Closed {
                    member: short(closed.endpoint.key()),
                    reasons: closed
                        .reasons
                        .iter()
                        .map(|closed| Why {
                            reason: closed.reason,
                            reopens_in_s: closed.reopens_in.map(seconds),
                        })
                        .collect(),
                })
                .collect(),
        }
    }
}

// ===== impl Taken =====

impl Taken {
    /// `None` for nothing.
    fn of(cost: Cost) -> Option<Self> {
        #[allow(clippy::cast_precision_loss)] // 2^53 nano-dollars are nine million dollars
        let dollars = (cost.nano_dollars > 0).then(|| cost.nano_dollars as f64 / 1e9);
        (cost.tokens > 0 || dollars.is_some()).then_some(Self {
            tokens: cost.tokens,
            dollars,
        })
    }
}

// ===== impl Failure =====

impl Failure {
    pub(super) fn of(error: &Error) -> Self {
        let rejection = error.rejection();
        Self {
            class: error.class(),
            refused_by: rejection.map(|rejection| rejection.layer()),
            refusal: rejection.map(|rejection| rejection.kind().name()),
            retry_after_s: error
                .retry_after()
                .map(|after| seconds(after.as_secs_f64())),
        }
    }
}
