use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use tokio::time::Instant;
use tracing::{Level, Span, field::Empty, level_filters::LevelFilter, span, span_enabled};

use super::LogLevel;
use crate::{
    context::{Context, Priority, Repeat},
    endpoint::Endpoint,
};

/// The target of the spans of calls, and of the lines about them.
pub(super) const CALL: &str = "campanile::call";
const ATTEMPT: &str = "campanile::attempt";
const ENDPOINT: &str = "campanile::endpoint";

/// Where in a stack a layer stands, and so what its spans are of.
#[derive(Clone)]
pub(super) enum Place {
    Stage(Arc<str>),
    Attempt,
    Endpoint(Endpoint),
}

/// What a span or line tells of a call's context.
#[derive(Default)]
pub(super) struct Facts {
    pub(super) id: OnceLock<Arc<str>>,
    pub(super) tenant: Option<Arc<str>>,
    pub(super) conversation: Option<Arc<str>>,
    pub(super) deadline: Option<Instant>,
    priority: Priority,
    attempt: u32,
    repeat: Option<Repeat>,
}

/// A span, whose place says its name, level, target and first fields. All have the same fields for the end.
macro_rules! at {
    ($target:expr, $level:expr, $name:literal, $id:expr, $($fields:tt)*) => {
        span!(
            target: $target,
            $level,
            $name,
            id = $id,
            $($fields)*
            outcome = Empty,
            failure = Empty,
            status = Empty,
            refused_by = Empty,
            refusal = Empty,
            retry_after_s = Empty,
            error = Empty,
            attempts = Empty,
            head_s = Empty,
            first_data_s = Empty,
            elapsed_s = Empty,
            units = Empty,
            input_tokens = Empty,
            output_tokens = Empty,
        )
    };
}

// ===== impl Place =====

impl Place {
    pub(super) const fn stage(&self) -> Option<&Arc<str>> {
        match self {
            Self::Stage(name) => Some(name),
            Self::Attempt | Self::Endpoint(_) => None,
        }
    }

    /// Whether anybody may listen: a comparison with the highest level that anybody listens at.
    #[inline(always)]
    pub(super) fn may_be_on(&self, line: LogLevel) -> bool {
        let current = LevelFilter::current();
        match self {
            Self::Stage(_) => {
                Level::INFO <= current || line.level().is_some_and(|at| at <= current)
            }
            Self::Attempt | Self::Endpoint(_) => Level::DEBUG <= current,
        }
    }

    /// The span of a call here. `identify` is asked for its id only if somebody listens.
    pub(super) fn span(
        &self,
        facts: &Facts,
        identify: impl FnOnce() -> Option<Arc<str>>,
    ) -> (Span, Option<Arc<str>>) {
        let mut id = None;
        let mut identify = Some(identify);
        let mut id_of_call = || {
            id = identify.take().and_then(|identify| identify());
            id.clone()
        };
        let repeat = facts.repeat.map(why);
        let span = match self {
            Self::Stage(name) => at!(
                CALL,
                Level::INFO,
                "call",
                id_of_call().as_deref(),
                stage = &**name,
                tenant = facts.tenant.as_deref(),
                conversation = facts.conversation.as_deref(),
                priority = priority(facts.priority),
            ),
            Self::Attempt => at!(
                ATTEMPT,
                Level::DEBUG,
                "attempt",
                id_of_call().as_deref(),
                attempt = facts.attempt,
                repeat,
            ),
            Self::Endpoint(endpoint) => at!(
                ENDPOINT,
                Level::DEBUG,
                "endpoint",
                id_of_call().as_deref(),
                endpoint = endpoint.key(),
                attempt = facts.attempt,
                repeat,
            ),
        };
        (span, id)
    }
}

/// Whether there may be spans further in.
pub(super) fn inner_spans() -> bool {
    span_enabled!(target: ATTEMPT, Level::DEBUG) || span_enabled!(target: ENDPOINT, Level::DEBUG)
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stage(name) => f.debug_tuple("Stage").field(name).finish(),
            Self::Attempt => f.write_str("Attempt"),
            Self::Endpoint(endpoint) => f.debug_tuple("Endpoint").field(&endpoint.key()).finish(),
        }
    }
}

// ===== impl Facts =====

impl Facts {
    pub(super) fn of(context: &Context) -> Self {
        Self {
            id: context
                .id
                .clone()
                .map_or_else(OnceLock::new, OnceLock::from),
            tenant: context.tenant.clone(),
            conversation: context.conversation.clone(),
            deadline: context.deadline,
            priority: context.priority,
            attempt: context.attempt,
            repeat: context.repeat,
        }
    }
}

const fn priority(priority: Priority) -> &'static str {
    match priority {
        Priority::Critical => "critical",
        Priority::Normal => "normal",
        Priority::Batch => "batch",
        Priority::Sheddable => "sheddable",
    }
}

const fn why(repeat: Repeat) -> &'static str {
    match repeat {
        Repeat::Retry => "retry",
        Repeat::Hedge => "hedge",
        Repeat::Fallback => "fallback",
    }
}
