use std::{
    fmt,
    hash::BuildHasher,
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use campanile::{config::Invalid, time::Timestamp};
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use serde::{Deserialize, Serialize};

use super::{Counts, Report, counts::Bill};

/// How much a [`Ledger`] keeps apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct LedgerConfig {
    /// How many combinations of provider, model and tenant have an account of their own. Further tenants share one account for
    /// each provider and model, and when those are used up as well, one for each provider: `(other)`. Default 10,000; each takes
    /// about 400 bytes.
    pub most_accounts: usize,
}

/// What calls took, by provider, model and tenant. A handle: clones share it.
///
/// Each attempt is recorded once, when it is over, under one short lock that it shares with one in sixteen others.
#[derive(Clone)]
pub struct Ledger {
    shared: Arc<Shared>,
}

struct Shared {
    shards: [Shard; SHARDS],
    accounts: AtomicUsize,
    most: usize,
    since: AtomicU64,
    hasher: RandomState,
    /// [`OTHER`].
    other: Arc<str>,
}

/// Alone in its cache lines.
#[repr(align(128))]
#[derive(Default)]
struct Shard(Mutex<HashTable<Account>>);

struct Account {
    key: Key,
    counts: Counts,
}

/// Whose account it is.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) provider: Arc<str>,
    pub(super) model: Arc<str>,
    pub(super) tenant: Option<Arc<str>>,
}

/// Likewise, of an attempt that is over: nothing is cloned unless there is a new account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Whose<'a> {
    pub(super) provider: &'a Arc<str>,
    pub(super) model: &'a Arc<str>,
    pub(super) tenant: Option<&'a Arc<str>>,
}

const SHARDS: usize = 16;
/// How many more accounts there may be for the tenants that have none, of a provider and a model each.
const SPARE: usize = 256;
/// What is not told apart any more.
const OTHER: &str = "(other)";
/// Longer names are not kept: they are nobody's.
const LONGEST: usize = 256;

// ===== impl LedgerConfig =====

impl Default for LedgerConfig {
    fn default() -> Self {
        Self {
            most_accounts: 10_000,
        }
    }
}

impl LedgerConfig {
    /// Sets how many accounts are kept.
    #[must_use]
    pub const fn with_most_accounts(mut self, accounts: usize) -> Self {
        self.most_accounts = accounts;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// When one is out of range.
    pub fn build(self) -> Result<Self, Invalid> {
        let most = &self.most_accounts;
        let rule = "it must be at least 1";
        Invalid::unless(*most > 0, "account", "most_accounts", most, rule)?;
        Ok(self)
    }
}

// ===== impl Ledger =====

impl Ledger {
    /// An empty ledger, from now on.
    ///
    /// # Errors
    ///
    /// When a setting is out of range.
    pub fn new(config: LedgerConfig) -> Result<Self, Invalid> {
        let config = config.build()?;
        Ok(Self {
            shared: Arc::new(Shared {
                shards: Default::default(),
                accounts: AtomicUsize::new(0),
                most: config.most_accounts,
                since: AtomicU64::new(Timestamp::now().as_nanos()),
                hasher: RandomState::default(),
                other: OTHER.into(),
            }),
        })
    }

    /// What has been recorded so far: of the calls that are over.
    #[must_use]
    pub fn report(&self) -> Report {
        let now = Timestamp::now();
        let mut report = Report::new(now.since(self.since()));
        for shard in &self.shared.shards {
            shard
                .lock()
                .iter()
                .for_each(|account| report.add(&account.key, &account.counts));
        }
        report
    }

    /// What has been recorded so far; the ledger begins anew. Each call is in one such report and in no other.
    #[must_use]
    pub fn take(&self) -> Report {
        let now = Timestamp::now();
        let since = self.shared.since.swap(now.as_nanos(), Ordering::Relaxed);
        let mut report = Report::new(now.since(Timestamp::from_nanos(since)));
        for shard in &self.shared.shards {
            let accounts = mem::take(&mut *shard.lock());
            let number = accounts.len();
            self.shared.accounts.fetch_sub(number, Ordering::Relaxed);
            accounts
                .iter()
                .for_each(|account| report.add(&account.key, &account.counts));
        }
        report
    }

    /// All of it together.
    #[must_use]
    pub fn total(&self) -> Counts {
        let mut total = Counts::default();
        for shard in &self.shared.shards {
            let accounts = shard.lock();
            accounts
                .iter()
                .for_each(|account| total.merge(&account.counts));
        }
        total
    }

    fn since(&self) -> Timestamp {
        Timestamp::from_nanos(self.shared.since.load(Ordering::Relaxed))
    }

    /// An attempt is over.
    pub(super) fn record<'a>(&'a self, mut whose: Whose<'a>, bill: &Bill<'_>) {
        let Shared { other, most, .. } = &*self.shared;
        let long = |name: &Arc<str>| name.len() > LONGEST;
        if long(whose.model) {
            whose.model = other;
        }
        if whose.tenant.is_some_and(long) {
            whose.tenant = Some(other);
        }
        if self.try_record(&whose, bill, *most) {
            return;
        }
        whose.tenant = Some(other);
        if self.try_record(&whose, bill, most.saturating_add(SPARE)) {
            return;
        }
        whose.model = other;
        // As many as there are providers, which are in the settings and not in requests.
        self.try_record(&whose, bill, usize::MAX);
    }

    /// Records it in its account, which is made if there are fewer than so many.
    fn try_record(&self, whose: &Whose<'_>, bill: &Bill<'_>, most: usize) -> bool {
        let hasher = &self.shared.hasher;
        let hash = hasher.hash_one(whose);
        // By other bits than those by which a table finds its place.
        let shard = &self.shared.shards[(hash >> 32) as usize % SHARDS];
        let mut accounts = shard.lock();
        if let Some(account) = accounts.find_mut(hash, |account| account.key.whose() == *whose) {
            account.counts.add(bill);
            return true;
        }
        let room =
            self.shared
                .accounts
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |number| {
                    (number < most).then_some(number + 1)
                });
        if room.is_err() {
            return false;
        }
        let mut account = Account {
            key: whose.key(),
            counts: Counts::default(),
        };
        account.counts.add(bill);
        accounts.insert_unique(hash, account, |account| {
            hasher.hash_one(account.key.whose())
        });
        true
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger")
            .field("accounts", &self.shared.accounts.load(Ordering::Relaxed))
            .field("most", &self.shared.most)
            .finish_non_exhaustive()
    }
}

// ===== impl Key =====

impl Key {
    fn whose(&self) -> Whose<'_> {
        Whose {
            provider: &self.provider,
            model: &self.model,
            tenant: self.tenant.as_ref(),
        }
    }
}

// ===== impl Whose =====

impl Whose<'_> {
    fn key(&self) -> Key {
        Key {
            provider: Arc::clone(self.provider),
            model: Arc::clone(self.model),
            tenant: self.tenant.cloned(),
        }
    }
}

// ===== impl Shard =====

impl Shard {
    fn lock(&self) -> MutexGuard<'_, HashTable<Account>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
