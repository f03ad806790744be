use std::sync::Arc;

use campanile::Endpoint;
use tower_layer::Layer;

use super::{Account, Ledger, attempt::Accounts};
use crate::{price::Prices, tokens::Calibrated};

/// Records what each attempt takes, in tokens and money. See the [module](super).
#[derive(Debug, Clone)]
pub struct AccountLayer {
    accounts: Arc<Accounts>,
}

// ===== impl AccountLayer =====

impl AccountLayer {
    /// Records in this ledger, at these prices.
    #[must_use]
    pub fn new(ledger: &Ledger, prices: &Prices) -> Self {
        Self {
            accounts: Arc::new(Accounts {
                ledger: ledger.clone(),
                prices: prices.clone(),
                provider: None,
                unknown: "(unknown)".into(),
                unanswered: Some(Calibrated::default()),
            }),
        }
    }

    /// For a member of a pool: its provider is what its label `provider` says, or else its key. Without this or
    /// [`provider`](Self::provider), it is what answers say, and attempts without an answer are those of `(unknown)`.
    #[must_use]
    pub fn endpoint(self, endpoint: &Endpoint) -> Self {
        let name = endpoint.label("provider").unwrap_or(endpoint.key());
        self.provider(name)
    }

    /// The provider, by which prices are looked up and calls are grouped.
    #[must_use]
    pub fn provider(self, name: impl Into<Arc<str>>) -> Self {
        self.change(|accounts| accounts.provider = Some(name.into()))
    }

    /// Estimates by this, which others teach, what calls have taken that are given up before anything is known of it. By
    /// default it is four bytes a token.
    #[must_use]
    pub fn unanswered(self, calibrated: &Calibrated) -> Self {
        self.change(|accounts| accounts.unanswered = Some(calibrated.clone()))
    }

    /// Counts such calls as calls, and with nothing taken: for providers that ask nothing for what was not answered.
    #[must_use]
    pub fn without_unanswered(self) -> Self {
        self.change(|accounts| accounts.unanswered = None)
    }

    fn change(self, change: impl FnOnce(&mut Accounts)) -> Self {
        let shared = &self.accounts;
        let mut accounts = Accounts {
            ledger: shared.ledger.clone(),
            prices: shared.prices.clone(),
            provider: shared.provider.clone(),
            unknown: Arc::clone(&shared.unknown),
            unanswered: shared.unanswered.clone(),
        };
        change(&mut accounts);
        Self {
            accounts: Arc::new(accounts),
        }
    }
}

impl<S> Layer<S> for AccountLayer {
    type Service = Account<S>;

    fn layer(&self, inner: S) -> Account<S> {
        Account::new(inner, Arc::clone(&self.accounts))
    }
}
