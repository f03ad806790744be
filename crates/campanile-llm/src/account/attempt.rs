use std::sync::Arc;

use campanile::{
    Completion, Cost, Outcome, Usage,
    completion::Observe,
    context::{Context, Trail},
    lane::Share,
    outcome::FailureKind,
    time::Timestamp,
};

use super::{Ledger, counts::Bill, ledger::Whose};
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

/// What an attempt asks for.
#[derive(Debug)]
pub(super) enum Asked {
    /// A chat. Where it is answered as a whole, its prompt is looked through only if nothing is ever told of what it takes.
    Chat(ChatRequest),
    /// A chat of this model that is answered by a stream, with a prompt of so many tokens, if that may be asked.
    Streamed(Arc<str>, u64),
    /// Something else, of a model.
    Of(Arc<str>),
}

/// One attempt until its answer is there. It is small, since every future around it carries it along; what is known only of
/// answers is in [`Answering`]. At its end, whatever that is, it is recorded.
#[derive(Debug)]
#[allow(unreachable_pub)]
pub struct Attempt {
    accounts: Share<Accounts>,
    asked: Asked,
    /// Of a chat, what it may have taken in all if nothing is told: where it asks for a whole answer, that may have been written.
    /// Of anything else its input. 0 where that is not known.
    untold: u64,
    tenant: Option<Arc<str>>,
    trail: Option<Trail>,
    /// It is recorded already.
    recorded: bool,
}

/// What one attempt takes, as its answer goes on. At its end, whatever that is, it is recorded.
#[derive(Debug)]
#[allow(unreachable_pub)]
pub struct Answering {
    /// Recorded here, and not where it ends.
    call: Completion<Attempt>,
    provider: Option<Arc<str>>,
    model: Option<Arc<str>>,
    price: Option<Arc<Price>>,
    /// What the trail has been charged for this attempt.
    charged: Cost,
    usage: Usage,
    reported: bool,
    /// Something was told of its tokens.
    told: bool,
}

// ===== impl Accounts =====

impl Accounts {
    /// Looks at the price of what was answered: of the model that answers, or else of the one that was asked for.
    #[inline]
    fn price<T>(&self, meta: &Meta, asked: &str, look: impl FnOnce(&Arc<Price>) -> T) -> Option<T> {
        let provider = self.provider.as_ref().or(meta.provider.as_ref());
        let models = [meta.model.as_deref(), Some(asked)];
        self.prices
            .first(provider.map(|name| &**name), models, look)
    }
}

// ===== impl Asked =====

impl Asked {
    fn model(&self) -> &Arc<str> {
        match self {
            Self::Chat(request) => request.model_ref(),
            Self::Streamed(model, _) | Self::Of(model) => model,
        }
    }
}

// ===== impl Attempt =====

impl Attempt {
    #[inline]
    pub(super) fn new(
        accounts: Share<Accounts>,
        context: &Context,
        asked: Asked,
        untold: u64,
    ) -> Self {
        Self {
            accounts,
            asked,
            untold,
            tenant: context.tenant.clone(),
            trail: context.trail.clone(),
            recorded: false,
        }
    }

    /// It is answered as a whole, and took so much, which the usage is made to tell in money too. What a provider itself says
    /// that it costs stands.
    #[inline]
    pub(super) fn whole(&mut self, meta: &Meta, usage: &mut Usage, reported: bool) {
        // One that says nothing at all of what it took costs nobody knows what.
        if usage.nano_dollars.is_none()
            && (usage.total_tokens().is_some() || *usage != Usage::default())
        {
            let of = |price: &Arc<Price>| price.of(usage);
            usage.nano_dollars = self.accounts.price(meta, self.asked.model(), of);
        }
        let mut charged = Cost::ZERO;
        charge(self.trail.as_ref(), &mut charged, usage);
        let bill = Bill {
            outcome: Outcome::Success,
            usage,
            reported,
            answered: true,
        };
        self.recorded = true;
        self.record(meta.provider.as_ref(), meta.model.as_ref(), &bill);
    }

    /// Its answer is a stream, which may be long, and its prompt large: of that the size is enough.
    fn let_go(&mut self) {
        if let Asked::Chat(request) = &self.asked {
            let calibrated = self.accounts.unanswered.as_ref();
            let input = calibrated.map_or(0, |calibrated| calibrated.prompt_tokens(request));
            self.asked = Asked::Streamed(request.model_shared(), input);
        }
    }

    /// What it took as far as can be told, if it was given up and that counts.
    #[cold]
    fn guess(&self) -> Option<Usage> {
        let calibrated = self.accounts.unanswered.as_ref()?;
        let output = |input| (self.untold > 0).then(|| self.untold.saturating_sub(input));
        let (input, output_tokens) = match &self.asked {
            Asked::Of(_) => (self.untold, None),
            Asked::Chat(request) => {
                let input = calibrated.prompt_tokens(request);
                (input, output(input))
            }
            Asked::Streamed(_, input) => (*input, output(*input)),
        };
        Some(Usage {
            input_tokens: Some(input),
            output_tokens,
            ..Usage::default()
        })
    }

    #[inline]
    fn record(&self, provider: Option<&Arc<str>>, model: Option<&Arc<str>>, bill: &Bill<'_>) {
        let accounts = &*self.accounts;
        let provider = accounts.provider.as_ref().or(provider);
        let whose = Whose {
            provider: provider.unwrap_or(&accounts.unknown),
            model: model.unwrap_or_else(|| self.asked.model()),
            tenant: self.tenant.as_ref(),
        };
        accounts.ledger.record(whose, bill);
    }

    /// It has no answer.
    #[cold]
    fn unanswered(&mut self, outcome: Outcome) {
        let mut usage = Usage::default();
        let mut answered = false;
        // As budgets do: what failed for another reason before its head was not worked on.
        if let Outcome::Cancelled | Outcome::Failure(FailureKind::Timeout) = outcome
            && let Some(guess) = self.guess()
        {
            usage = guess;
            let of = |price: &Arc<Price>| price.of(&guess);
            usage.nano_dollars = self
                .accounts
                .price(&Meta::default(), self.asked.model(), of);
            let mut charged = Cost::ZERO;
            charge(self.trail.as_ref(), &mut charged, &usage);
            answered = true;
        }
        let bill = Bill {
            outcome,
            usage: &usage,
            reported: false,
            answered,
        };
        self.record(None, None, &bill);
    }
}

/// Has the trail know what the attempt has taken so far. A report may be lower than the estimate before it.
#[inline]
fn charge(trail: Option<&Trail>, charged: &mut Cost, usage: &Usage) {
    let Some(trail) = trail else {
        return;
    };
    let taken = Cost {
        nano_dollars: usage.nano_dollars.unwrap_or(0),
        ..Cost::tokens(usage.total_tokens().unwrap_or(0))
    };
    let (more, less) = (taken - *charged, *charged - taken);
    if more.tokens > 0 || more.nano_dollars > 0 {
        trail.charge(more);
    }
    if less.tokens > 0 || less.nano_dollars > 0 {
        trail.refund(less);
    }
    *charged = taken;
}

impl Observe for Attempt {
    /// What time it is matters to nobody here.
    fn clock(&self) -> Timestamp {
        Timestamp::ZERO
    }

    #[inline]
    fn end(&mut self, _: Timestamp, outcome: Outcome) {
        if !self.recorded {
            self.unanswered(outcome);
        }
    }
}

// ===== impl Answering =====

impl Answering {
    /// An attempt is answered by a stream: now it is known by whom.
    pub(super) fn new(mut call: Completion<Attempt>, meta: &Meta) -> Self {
        call.observer_mut().let_go();
        Self::of(call, meta)
    }

    fn of(call: Completion<Attempt>, meta: &Meta) -> Self {
        let attempt = call.observer();
        let price = attempt
            .accounts
            .price(meta, attempt.asked.model(), Arc::clone);
        Self {
            call,
            provider: meta.provider.clone(),
            model: meta.model.clone(),
            price,
            charged: Cost::ZERO,
            usage: Usage::default(),
            reported: false,
            told: false,
        }
    }

    /// An attempt that was answered further in, and failed before anything of that was passed on.
    #[cold]
    pub(super) fn begun(call: Completion<Attempt>, begun: &Begun) -> Self {
        let mut answering = Self::of(call, &begun.meta);
        let mut usage = begun.usage;
        answering.took(&mut usage, begun.reported);
        answering
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
        self.told |= usage.total_tokens().is_some();
        let trail = self.call.observer().trail.as_ref();
        charge(trail, &mut self.charged, usage);
    }
}

impl Observe for Answering {
    fn clock(&self) -> Timestamp {
        Timestamp::ZERO
    }

    fn end(&mut self, _: Timestamp, outcome: Outcome) {
        self.call.observer_mut().recorded = true;
        let given_up = matches!(
            outcome,
            Outcome::Cancelled | Outcome::Failure(FailureKind::Timeout | FailureKind::Interrupted)
        );
        // Nothing was ever told of what it takes: it is estimated, if it counts.
        if given_up
            && !self.told
            && let Some(mut guess) = self.call.observer().guess()
        {
            self.took(&mut guess, false);
        }
        let bill = Bill {
            outcome,
            usage: &self.usage,
            reported: self.reported,
            answered: true,
        };
        let (provider, model) = (self.provider.as_ref(), self.model.as_ref());
        self.call.observer().record(provider, model, &bill);
    }
}
