use serde::{Deserialize, Serialize};

use super::{Enforce, SpendBudget};
use crate::spend_limit::{
    money,
    period::{Period, Window},
    unit::SpendUnit,
};

/// A budget as people write it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(super) struct Written {
    /// What it is called in snapshots, metrics and events. The unit and the period by default: `tokens_per_minute`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// What is counted.
    unit: SpendUnit,
    /// How much: tokens, or dollars with up to nine decimals.
    #[serde(deserialize_with = "money::digits")]
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Amount"))]
    limit: String,
    /// In which time: `minute`, `hour`, `day`, `week`, `month`, `forever`, or a duration such as `36h`.
    period: Period,
    /// When that begins. With the calendar's, in UTC, by default.
    #[serde(default)]
    window: Window,
    /// Whether calls are refused. They are, by default.
    #[serde(default)]
    enforce: Enforce,
    /// At which parts of the limit an event says so, once in each period: from above 0 to 1, four at most. 0.8 and 1 by default.
    #[serde(default)]
    warn_at: Option<Vec<f64>>,
}

impl TryFrom<Written> for SpendBudget {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let limit = match written.unit {
            SpendUnit::Money => money::parse(&written.limit)?,
            SpendUnit::Tokens => written
                .limit
                .parse()
                .map_err(|_| format!("{:?} is no whole number of tokens", written.limit))?,
        };
        let budget = Self::new(written.unit, limit, written.period);
        Ok(Self {
            name: written.name,
            window: written.window,
            enforce: written.enforce,
            warn_at: written.warn_at.unwrap_or(budget.warn_at),
            ..budget
        })
    }
}

impl From<SpendBudget> for Written {
    fn from(budget: SpendBudget) -> Self {
        Self {
            name: budget.name,
            unit: budget.unit,
            limit: match budget.unit {
                SpendUnit::Money => money::text(budget.limit),
                SpendUnit::Tokens => budget.limit.to_string(),
            },
            period: budget.period,
            window: budget.window,
            enforce: budget.enforce,
            warn_at: Some(budget.warn_at),
        }
    }
}
