use std::sync::Arc;

use campanile::{
    Cost, Outcome, Usage,
    completion::Observe,
    context::{Context, Trail},
    time::Timestamp,
};

use super::{Ledger, counts::Bill, ledger::Key};
use crate::{
    chat::Meta,
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
    /// By what the prompts are estimated of calls that are given up before their head, if they count.
    pub(super) unanswered: Option<Calibrated>,
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
    /// What the prompt is estimated to be, if it counts without an answer.
    prompt: Option<u64>,
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
            prompt: None,
        }
    }

    /// The prompt counts also if the call is given up before its head.
    pub(super) const fn prompt(&mut self, tokens: u64) {
        self.prompt = Some(tokens);
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
        self.charge();
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
        if let (Some(tokens), Outcome::Cancelled, false) = (self.prompt, outcome, self.answered) {
            self.answered(&Meta::default());
            let mut usage = Usage {
                input_tokens: Some(tokens),
                ..Usage::default()
            };
            self.took(&mut usage, false);
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
