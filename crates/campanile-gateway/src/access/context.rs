//! What travels with a call, as its head says it.

use std::{sync::Arc, time::Duration};

use campanile::{Context, context::Priority};
use campanile_llm::{Error, error::Class};
use http::HeaderValue;
use tokio::time::Instant;

use super::{Caller, Said};

/// How long the name of a conversation may be, in bytes: it is kept by pools.
const LONGEST_NAME: usize = 128;

/// The longest wait that is understood as one: a year. What is longer has no end.
const LONGEST_WAIT: Duration = Duration::from_secs(365 * 86_400);

// ===== impl Caller =====

impl Caller {
    /// What travels with a call of this caller.
    ///
    /// # Errors
    ///
    /// When a header of the gateway's own cannot be what it says.
    pub(crate) fn context(&self, said: &Said<'_>) -> Result<Context, Error> {
        let mut context = Context::new()
            .with_tenant(Arc::clone(&self.tenant))
            .with_priority(self.priority(said)?);
        if let Some(wait) = said.timeout {
            let wait = seconds(wait).ok_or_else(|| {
                let rule =
                    "x-campanile-timeout is a number of seconds above 0, or as `30s` or `1m 30s`";
                invalid(rule, "x-campanile-timeout")
            })?;
            context.deadline = deadline(wait);
        }
        if let Some(name) = said.conversation.and_then(|name| name.to_str().ok())
            && !name.is_empty()
        {
            let name: Arc<str> = match name.len() {
                ..=LONGEST_NAME => name.into(),
                _ => blake3::hash(name.as_bytes()).to_hex().as_str().into(),
            };
            context.conversation = Some(name);
        }
        Ok(context)
    }

    fn priority(&self, said: &Said<'_>) -> Result<Priority, Error> {
        let Some(asked) = said.priority else {
            return Ok(self.priority);
        };
        let asked = match asked.as_bytes() {
            b"critical" => Priority::Critical,
            b"normal" => Priority::Normal,
            b"batch" => Priority::Batch,
            b"sheddable" => Priority::Sheddable,
            _ => {
                let rule = "x-campanile-priority is critical, normal, batch or sheddable";
                return Err(invalid(rule, "x-campanile-priority"));
            }
        };
        // The first is served first.
        if asked < self.priority && !self.may_raise_priority {
            let rule =
                "this key may ask for a lower priority than its own, and not for a higher one";
            return Err(invalid(rule, "x-campanile-priority")
                .with_status(403)
                .with_code("priority_not_allowed"));
        }
        Ok(asked)
    }
}

impl Said<'_> {
    /// How long an SDK waits for a whole answer: it sends its time limit along, which ends with the head of an answer, or begins
    /// anew with each of its bytes. So it tells nothing of streams.
    pub(crate) fn patience(&self) -> Option<Instant> {
        self.patience.and_then(seconds).and_then(deadline)
    }
}

fn deadline(wait: Duration) -> Option<Instant> {
    (wait <= LONGEST_WAIT).then(|| Instant::now() + wait)
}

/// `30`, `2.5`, `30s`, `1m 30s`.
fn seconds(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    let wait = match text.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok()?,
        Err(_) => humantime::parse_duration(text).ok()?,
    };
    (!wait.is_zero()).then_some(wait)
}

fn invalid(rule: &str, header: &str) -> Error {
    Error::new(Class::Request, rule)
        .with_status(400)
        .with_kind("invalid_request_error")
        .with_param(header)
}
