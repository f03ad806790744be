//! What travels with a call: deadline, priority, tenant, conversation, attempt, and where it has been.
//!
//! An [`http::Request`](https://docs.rs/http) carries its [`Context`] in its extensions; other messages travel in the
//! [`Call`] envelope. A request without a context is an ordinary call: every field has a default.

use std::{ops::Add, sync::Arc};

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::{cost::Cost, time::Timestamp};

mod explain;
mod spare;
#[cfg(all(test, not(campanile_loom)))]
mod tests;
mod trail;

// The layers that keep one are features.
#[cfg(feature = "balance")]
pub(crate) use explain::{CLOSED, LOOKED_AT};
pub use explain::{Candidates, ClosedMember, Explained, Place, Refused};
pub use spare::KeepTrail;
#[cfg_attr(
    not(any(
        feature = "retry",
        feature = "hedge",
        feature = "spend_limit",
        feature = "trace"
    )),
    allow(unused_imports)
)]
pub(crate) use spare::SpareTrail;
#[cfg(feature = "spend_limit")]
pub(crate) use trail::Payer;
pub use trail::{Attempt, Trail, TrailEntry};

/// What travels with a call. Clones share the trail.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Context {
    /// When the caller stops waiting.
    pub deadline: Option<Instant>,
    /// How much the call matters.
    pub priority: Priority,
    /// On whose behalf it is made.
    pub tenant: Option<Arc<str>>,
    /// Which conversation it belongs to; calls of one conversation may be kept together.
    pub conversation: Option<Arc<str>>,
    /// What tells the call from others in logs and traces, and stays the same in all its attempts.
    pub id: Option<Arc<str>>,
    /// Which attempt this is, from 0.
    pub attempt: u32,
    /// Why there is another attempt; `None` for the first.
    pub repeat: Option<Repeat>,
    /// Since when this attempt has been on its way to an endpoint: what is waited for in between is waiting in queues.
    /// Somebody who measures sets it; layers that send another attempt set it anew, if it was set.
    pub queued_since: Option<Timestamp>,
    /// What it is estimated to take.
    pub cost: Option<Cost>,
    /// The most that it can take, for budgets that are never to be exceeded; `None` where nobody says, and
    /// [`cost`](Self::cost) is all that is known.
    pub most: Option<Cost>,
    /// Where earlier attempts went. `None` keeps no trail, which saves an allocation.
    pub trail: Option<Trail>,
}

/// Why a call is sent once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Repeat {
    /// The attempt before it failed.
    Retry,
    /// The attempt before it takes long.
    Hedge,
    /// It goes to another service than the one that failed.
    Fallback,
}

/// How much a call matters; the first is served first.
///
/// Where calls wait for a [concurrency limit](crate::concurrency_limit) or a [rate limit](crate::rate_limit), those that
/// matter more are let in first; [load shedding](crate::load_shed) refuses those that matter less first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Priority {
    /// Somebody waits for it and everything else depends on it.
    Critical,
    /// Somebody waits for it.
    #[default]
    Normal,
    /// Nobody waits for it.
    Batch,
    /// May be dropped at any time.
    Sheddable,
}

/// A message with its context.
#[derive(Debug, Clone, Default)]
pub struct Call<T> {
    /// What travels with the message.
    pub context: Context,
    /// The message.
    pub message: T,
}

// ===== impl Context =====

impl Context {
    /// A context with every field at its default.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets when the caller stops waiting.
    #[must_use]
    pub const fn with_deadline(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Sets how much the call matters.
    #[must_use]
    pub const fn with_priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// Sets on whose behalf the call is made.
    #[must_use]
    pub fn with_tenant(mut self, tenant: impl Into<Arc<str>>) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// Sets which conversation the call belongs to.
    #[must_use]
    pub fn with_conversation(mut self, conversation: impl Into<Arc<str>>) -> Self {
        self.conversation = Some(conversation.into());
        self
    }

    /// Sets what tells the call from others.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<Arc<str>>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Sets what the call is estimated to take.
    #[must_use]
    pub const fn with_cost(mut self, cost: Cost) -> Self {
        self.cost = Some(cost);
        self
    }

    /// Sets what the call takes at most.
    #[must_use]
    pub const fn with_most(mut self, most: Cost) -> Self {
        self.most = Some(most);
        self
    }

    /// Keeps a trail, so that later attempts can avoid where earlier ones went.
    #[must_use]
    pub fn with_trail(mut self, trail: Trail) -> Self {
        self.trail = Some(trail);
        self
    }

    /// What is said of several calls together. There is at least one.
    fn of_all(contexts: &[Self]) -> Self {
        let deadlines: Option<Vec<_>> = contexts.iter().map(|context| context.deadline).collect();
        let costs: Option<Vec<_>> = contexts.iter().map(|context| context.cost).collect();
        // Of those of which nobody says the most, what is estimated.
        let most: Option<Vec<_>> = contexts
            .iter()
            .map(|context| context.most.or(context.cost))
            .collect();
        let most = most.filter(|_| contexts.iter().any(|context| context.most.is_some()));
        let sum = |costs: Vec<Cost>| Cost {
            requests: 1,
            ..costs.into_iter().fold(Cost::ZERO, Add::add)
        };
        Self {
            deadline: deadlines.and_then(|deadlines| deadlines.into_iter().max()),
            // The first is served first.
            priority: contexts
                .iter()
                .map(|context| context.priority)
                .min()
                .unwrap_or_default(),
            tenant: common(contexts.iter().map(|context| &context.tenant)),
            conversation: common(contexts.iter().map(|context| &context.conversation)),
            queued_since: contexts
                .iter()
                .filter_map(|context| context.queued_since)
                .min(),
            cost: costs.map(sum),
            most: most.map(sum),
            ..Self::default()
        }
    }

    /// Makes this the context of another attempt.
    #[cfg_attr(
        not(any(feature = "retry", feature = "hedge", feature = "fallback")),
        allow(dead_code)
    )]
    pub(crate) fn repeat(&mut self, attempt: u32, repeat: Repeat) {
        self.attempt = attempt;
        self.repeat = Some(repeat);
        if let Some(since) = &mut self.queued_since {
            *since = Timestamp::now();
        }
    }

    /// The context of a request, if it carries one.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn of<B>(request: &http::Request<B>) -> Option<&Self> {
        request.extensions().get()
    }

    /// The context of a request, which gets a default one if it carries none.
    #[cfg(feature = "http")]
    pub fn of_mut<B>(request: &mut http::Request<B>) -> &mut Self {
        request.extensions_mut().get_or_insert_default()
    }
}

/// What all have, if all have the same.
fn common<'a>(mut each: impl Iterator<Item = &'a Option<Arc<str>>>) -> Option<Arc<str>> {
    let first = each.next()?;
    each.all(|other| other == first)
        .then(|| first.clone())
        .flatten()
}

// ===== impl Call =====

impl<T> Call<T> {
    /// A message with a default context.
    pub fn new(message: T) -> Self {
        Self {
            context: Context::default(),
            message,
        }
    }

    /// The same call with another message.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Call<U> {
        Call {
            context: self.context,
            message: f(self.message),
        }
    }
}

impl<T> Call<Vec<T>> {
    /// One call of many, for services that are sent batches: between a [batch](crate::batch) of calls and a pool that reads
    /// contexts, `map_request(Call::together)`.
    ///
    /// Its context is that of a single call; that of several has their highest priority, their last deadline (until then
    /// somebody waits for it) or none if one of them has none, the tenant and the conversation if all have the same, the
    /// beginning of the longest wait, and of costs the sum, as one request, if all are known. It has no id and no trail:
    /// it is a call of its own.
    #[must_use]
    pub fn together(calls: Vec<Call<T>>) -> Self {
        let (mut contexts, message): (Vec<_>, Vec<_>) = calls
            .into_iter()
            .map(|call| (call.context, call.message))
            .unzip();
        let context = match contexts.len() {
            0 | 1 => contexts.pop().unwrap_or_default(),
            _ => Context::of_all(&contexts),
        };
        Self { context, message }
    }
}

impl<T> From<T> for Call<T> {
    fn from(message: T) -> Self {
        Self::new(message)
    }
}
