use std::sync::Arc;

use campanile::{
    Cost, Outcome, Usage,
    completion::Observe,
    context::{Context, Trail},
    outcome::FailureKind,
    time::Timestamp,
};

use super::{Ledger, counts::Bill, ledger::Key};
use crate::{
    chat::{ChatRequest, Meta},
    error::Begun,
    price::{Price, Prices},
    tokens::Calibrated,
};

/// What all calls of a layer share.
#[derive(Debug)]
pub(super) struct Accounts {
    pub(super) ledger: Ledger,
    pub(super) prices: Prices,
    /// The provider's name, if the layer was told.
    pub(super) provider: Option<Arc<str>>,
    /// Of calls that end before anybody has said whose they are.
    pub(super) unknown: Arc<str>,
    /// By what is estimated what calls have taken that are given up before anything is known of them, if they count.
    pub(super) unanswered: Option<Calibrated>,
}

/// What a call may have taken of which nothing was ever told.
#[derive(Debug)]
pub(super) enum Untold {
    /// A chat. Its prompt is looked through only if it comes to that.
    Chat {
        request: ChatRequest,
        /// What the call was estimated to take, if it asks for a whole answer: that may have been written.
        whole: Option<u64>,
    },
    /// So many tokens of input.
    Input(u64),
}

/// What one attempt takes, as it goes on. At its end, whatever that is, it is recorded.
#[derive(Debug)]
#[allow(unreachable_pub)]
pub struct Attempt {
    accounts: Arc<Accounts>,
    provider: Option<Arc<str>>,
    model: Arc<str>,
    tenant: Option<Arc<str>>,
    trail: Option<Trail>,
    /// What the trail has been charged for this attempt.
    charged: Cost,
    price: Option<Arc<Price>>,
    usage: Usage,
    reported: bool,
    answered: bool,
    /// Until something is told of what it takes; `None` where that does not count.
    untold: Option<Untold>,
}

// ===== impl Attempt =====

impl Attempt {
    pub(super) fn new(accounts: &Arc<Accounts>, context: &Context, model: Arc<str>) -> Self {
        Self {
            provider: accounts.provider.clone(),
            accounts: Arc::clone(accounts),
            model,
            tenant: context.tenant.clone(),
            trail: context.trail.clone(),
            charged: Cost::ZERO,
            price: None,
            usage: Usage::default(),
            reported: false,
            answered: false,
            untold: None,
        }
    }

    /// It counts also if nothing is ever told of what it takes.
    pub(super) fn untold(&mut self, untold: Untold) {
        self.untold = Some(untold);
    }

    /// It is answered: now it is known by whom.
    pub(super) fn answered(&mut self, meta: &Meta) {
        self.answered = true;
        self.provider = self.provider.take().or_else(|| meta.provider.clone());
        let find = |model: &str| self.accounts.prices.find(self.provider.as_deref(), model);
        self.price = meta.model.as_deref().and_then(find);
        if self.price.is_none() {
            self.price = find(&self.model);
        }
        if let Some(model) = &meta.model {
            self.model = Arc::clone(model);
        }
    }

    /// It was answered further in, and failed before anything of that was passed on.
    pub(super) fn begun(&mut self, begun: &Begun) {
        self.answered(&begun.meta);
        let mut usage = begun.usage;
        self.took(&mut usage, begun.reported);
    }

    /// It has taken so much so far, which the usage is made to tell in money too. What a provider itself says that it costs
    /// stands.
    pub(super) fn took(&mut self, usage: &mut Usage, reported: bool) {
        let known = Usage {
            nano_dollars: usage.nano_dollars.or(self.usage.nano_dollars),
            ..*usage
        };
        self.reported = reported;
        if usage.nano_dollars.is_none() && known == self.usage {
            // As before: an event that says nothing.
            *usage = known;
            return;
        }
        if usage.nano_dollars.is_none() {
            usage.nano_dollars = self.price.as_ref().map(|price| price.of(usage));
        }
        self.usage = *usage;
        if usage.total_tokens().is_some() {
            self.untold = None;
        }
        self.charge();
    }

    /// It was given up, and nothing is known of what it took: it is estimated, if it counts.
    fn guess(&mut self) {
        let (Some(untold), Some(calibrated)) = (self.untold.take(), &self.accounts.unanswered)
        else {
            return;
        };
        let (input, output) = match untold {
            Untold::Input(tokens) => (tokens, None),
            Untold::Chat { request, whole } => {
                let input = calibrated.prompt_tokens(&request);
                (input, whole.map(|whole| whole.saturating_sub(input)))
            }
        };
        if !self.answered {
            self.answered(&Meta::default());
        }
        let mut usage = Usage {
            input_tokens: Some(input),
            output_tokens: output,
            ..Usage::default()
        };
        self.took(&mut usage, false);
    }

    /// Has the trail know what the attempt has taken so far. A report may be lower than the estimate before it.
    fn charge(&mut self) {
        let Some(trail) = &self.trail else {
            return;
        };
        let taken = Cost {
            nano_dollars: self.usage.nano_dollars.unwrap_or(0),
            ..Cost::tokens(self.usage.total_tokens().unwrap_or(0))
        };
        let (more, less) = (taken - self.charged, self.charged - taken);
        if more.tokens > 0 || more.nano_dollars > 0 {
            trail.charge(more);
        }
        if less.tokens > 0 || less.nano_dollars > 0 {
            trail.refund(less);
        }
        self.charged = taken;
    }
}

impl Observe for Attempt {
    /// What time it is matters to nobody here.
    fn clock(&self) -> Timestamp {
        Timestamp::ZERO
    }

    fn end(&mut self, _: Timestamp, outcome: Outcome) {
        // As budgets do: what failed for another reason before its head was not worked on.
        let given_up = match outcome {
            Outcome::Cancelled | Outcome::Failure(FailureKind::Timeout) => true,
            Outcome::Failure(FailureKind::Interrupted) => self.answered,
            _ => false,
        };
        if given_up {
            self.guess();
        }
        let unknown = || Arc::clone(&self.accounts.unknown);
        let key = Key {
            provider: self.provider.take().unwrap_or_else(unknown),
            model: Arc::clone(&self.model),
            tenant: self.tenant.take(),
        };
        let bill = Bill {
            outcome,
            usage: self.usage,
            reported: self.reported,
            answered: self.answered,
        };
        self.accounts.ledger.record(key, &bill);
    }
}
