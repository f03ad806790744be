use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    account::LARGEST,
    money,
    period::{Period, Schedule, Window},
    unit::SpendUnit,
};
use crate::{config::Invalid, context::KeepTrail};

#[cfg(all(test, not(campanile_loom)))]
mod tests;
mod written;

use written::Written;

/// How many budgets one layer has at most.
pub(super) const BUDGETS: usize = 4;

/// At how many parts of a budget somebody is told, at most.
const WARNINGS: usize = 4;

/// Which budgets there are, and how calls are counted in them.
///
/// ```
/// use campanile::spend_limit::{Period, SpendLimitConfig};
///
/// let config: SpendLimitConfig = serde_json::from_str(
///     r#"{
///         "budgets": [
///             { "unit": "tokens", "limit": 200000, "period": "minute" },
///             { "unit": "money", "limit": "25.50", "period": "month", "warn_at": [0.5, 0.8] }
///         ]
///     }"#,
/// )
/// .unwrap();
/// let config = config.build().unwrap();
/// assert_eq!(config.budgets[1].limit, 25_500_000_000);
/// assert_eq!(config.budgets[1].period, Period::Month);
/// assert_eq!(config.budgets[1].name(), "money_per_month");
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct SpendLimitConfig {
    /// The budgets, from one to four. A call is admitted when there is room in each; it then takes from all.
    pub budgets: Vec<SpendBudget>,
    /// How many tokens are reserved for a call of which nobody knows, or the whole limit where that is less. 1,000 by
    /// default.
    pub assumed_tokens: u64,
    /// How many nano-dollars are reserved for a call of which nobody knows, or the whole limit where that is less. Written
    /// in dollars. One cent by default.
    #[serde(with = "money")]
    pub assumed_money: u64,
    /// What a call is taken to have used when nobody has reported it. As much as was estimated, by default.
    pub unreported: Unreported,
    /// What becomes of a call that is estimated to take more than the whole limit. Refused by default.
    pub oversize: Oversize,
    /// How many keys are told apart at once, where budgets are by key. 100,000 by default.
    pub max_keys: usize,
    /// What becomes of the keys beyond them. They share a budget, by default.
    pub beyond: Beyond,
    /// Which calls get a [`Trail`](crate::context::Trail), so that attempts which are given up are charged. Those with a
    /// context, by default.
    pub trail: KeepTrail,
}

/// A budget: so much of one unit in each period.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
#[non_exhaustive]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SpendBudget {
    /// What it is called in snapshots, metrics and events. `None` for the unit and the period: `tokens_per_minute`.
    pub name: Option<String>,
    /// What is counted.
    pub unit: SpendUnit,
    /// How much: tokens, or nano-dollars. Written in tokens, or in dollars with up to nine decimals.
    pub limit: u64,
    /// In which time.
    pub period: Period,
    /// When that begins. With the calendar's, in UTC, by default.
    pub window: Window,
    /// Whether calls are refused. They are, by default.
    pub enforce: Enforce,
    /// At which parts of the limit an event says so, once in each period, as it is spent. From above 0 to 1, four at most.
    /// 0.8 and 1 by default.
    pub warn_at: Vec<f64>,
}

/// What becomes of a call for which there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Enforce {
    /// It is refused: a hard limit.
    #[default]
    Refuse,
    /// It goes, and is counted: a soft limit, of which only events tell.
    Warn,
}

/// What a call has used of which nobody has reported it, although it may well have been worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Unreported {
    /// What it was estimated to take, which is what was reserved for it, unless the most was that it can take.
    #[default]
    Reserved,
    /// Nothing.
    Nothing,
}

/// What becomes of a call that is estimated to take more than the whole limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Oversize {
    /// It is refused, by a rejection without `retry_after`: it would never succeed.
    #[default]
    Refuse,
    /// It goes when nothing else is taken in the period. The limit is exceeded by one call then.
    Alone,
}

/// What becomes of calls of a key for which there is no room among those that are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Beyond {
    /// All of them have one budget together.
    #[default]
    Share,
    /// They are refused.
    Refuse,
}

const CONCERN: &str = "spend_limit";

// ===== impl SpendLimitConfig =====

impl Default for SpendLimitConfig {
    fn default() -> Self {
        Self {
            budgets: Vec::new(),
            assumed_tokens: 1_000,
            assumed_money: 10_000_000,
            unreported: Unreported::default(),
            oversize: Oversize::default(),
            max_keys: 100_000,
            beyond: Beyond::default(),
            trail: KeepTrail::WithContext,
        }
    }
}

impl SpendLimitConfig {
    /// One budget.
    #[must_use]
    pub fn new(budget: SpendBudget) -> Self {
        Self::default().with_budget(budget)
    }

    /// Adds a budget.
    #[must_use]
    pub fn with_budget(mut self, budget: SpendBudget) -> Self {
        self.budgets.push(budget);
        self
    }

    /// Sets how many tokens are reserved for a call of which nobody knows.
    #[must_use]
    pub const fn with_assumed_tokens(mut self, tokens: u64) -> Self {
        self.assumed_tokens = tokens;
        self
    }

    /// Sets how many nano-dollars are reserved for a call of which nobody knows.
    #[must_use]
    pub const fn with_assumed_money(mut self, nano_dollars: u64) -> Self {
        self.assumed_money = nano_dollars;
        self
    }

    /// Sets what a call is taken to have used when nobody has reported it.
    #[must_use]
    pub const fn with_unreported(mut self, unreported: Unreported) -> Self {
        self.unreported = unreported;
        self
    }

    /// Sets what becomes of a call that is estimated to take more than the whole limit.
    #[must_use]
    pub const fn with_oversize(mut self, oversize: Oversize) -> Self {
        self.oversize = oversize;
        self
    }

    /// Sets how many keys are told apart at once.
    #[must_use]
    pub const fn with_max_keys(mut self, keys: usize) -> Self {
        self.max_keys = keys;
        self
    }

    /// Sets what becomes of the keys beyond them.
    #[must_use]
    pub const fn with_beyond(mut self, beyond: Beyond) -> Self {
        self.beyond = beyond;
        self
    }

    /// Sets which calls get a trail.
    #[must_use]
    pub const fn with_trail(mut self, trail: KeepTrail) -> Self {
        self.trail = trail;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Names the first field that is out of range.
    pub fn build(self) -> Result<Self, Invalid> {
        let budgets = self.budgets.len();
        let rule = "there must be from 1 to 4; more go into a layer of their own";
        let some = (1..=BUDGETS).contains(&budgets);
        Invalid::unless(some, CONCERN, "budgets", &budgets, rule)?;
        for (index, budget) in self.budgets.iter().enumerate() {
            budget.check()?;
            let name = budget.name();
            let twice = self.budgets[..index]
                .iter()
                .any(|other| other.name() == name);
            let rule = "another budget has this name, or the same unit and period and no name";
            Invalid::unless(!twice, CONCERN, "budgets.name", &name, rule)?;
        }
        let tokens = self.assumed_tokens;
        check_amount("assumed_tokens", tokens)?;
        check_amount("assumed_money", self.assumed_money)?;
        let keys = self.max_keys;
        Invalid::unless(
            keys > 0,
            CONCERN,
            "max_keys",
            &keys,
            "it must be at least 1",
        )?;
        Ok(self)
    }
}

pub(super) fn check_amount(field: &'static str, amount: u64) -> Result<(), Invalid> {
    let rule = "it must be at most 2^55 tokens or nano-dollars";
    Invalid::unless(amount <= LARGEST, CONCERN, field, &amount, rule)
}

// ===== impl SpendBudget =====

impl SpendBudget {
    /// So many tokens in each period.
    #[must_use]
    pub fn tokens(limit: u64, period: Period) -> Self {
        Self::new(SpendUnit::Tokens, limit, period)
    }

    /// So many dollars in each period, as exactly as their decimal digits say, to the nano-dollar. What is no amount is
    /// found when the settings are [checked](SpendLimitConfig::build).
    #[must_use]
    pub fn dollars(limit: f64, period: Period) -> Self {
        let limit = money::parse(&limit.to_string()).unwrap_or(u64::MAX);
        Self::nano_dollars(limit, period)
    }

    /// So many nano-dollars in each period.
    #[must_use]
    pub fn nano_dollars(limit: u64, period: Period) -> Self {
        Self::new(SpendUnit::Money, limit, period)
    }

    fn new(unit: SpendUnit, limit: u64, period: Period) -> Self {
        Self {
            name: None,
            unit,
            limit,
            period,
            window: Window::default(),
            enforce: Enforce::default(),
            warn_at: vec![0.8, 1.0],
        }
    }

    /// Sets what it is called.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets when its periods begin.
    #[must_use]
    pub const fn with_window(mut self, window: Window) -> Self {
        self.window = window;
        self
    }

    /// Sets whether calls are refused.
    #[must_use]
    pub const fn with_enforce(mut self, enforce: Enforce) -> Self {
        self.enforce = enforce;
        self
    }

    /// Sets at which parts of the limit an event says so.
    #[must_use]
    pub fn with_warn_at(mut self, parts: impl Into<Vec<f64>>) -> Self {
        self.warn_at = parts.into();
        self
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> String {
        if let Some(name) = &self.name {
            return name.clone();
        }
        match self.period {
            Period::Forever => format!("{}_forever", self.unit),
            period => format!("{}_per_{period}", self.unit),
        }
    }

    pub(super) const fn schedule(&self) -> Schedule {
        Schedule {
            period: self.period,
            window: self.window,
        }
    }

    fn check(&self) -> Result<(), Invalid> {
        check_amount("budgets.limit", self.limit)?;
        let name = self.name();
        let rule = "it must be from 1 to 64 bytes long";
        let named = (1..=64).contains(&name.len());
        Invalid::unless(named, CONCERN, "budgets.name", &name, rule)?;
        if let Period::Every(time) = self.period {
            let range = Duration::from_secs(1)..=Duration::from_secs(100 * 365 * 86_400);
            let rule = "it must be from one second to 100 years, or forever";
            let within = range.contains(&time);
            Invalid::unless(within, CONCERN, "budgets.period", &time, rule)?;
        }
        let parts = &self.warn_at;
        let rule = "each must be above 0 and at most 1, and there are at most 4";
        let within = parts.iter().all(|part| *part > 0.0 && *part <= 1.0);
        let kept = within && parts.len() <= WARNINGS;
        Invalid::unless(kept, CONCERN, "budgets.warn_at", parts, rule)
    }
}
