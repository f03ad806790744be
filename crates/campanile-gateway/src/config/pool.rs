use std::{collections::BTreeMap, fmt, time::Duration};

use campanile::{
    budget::BudgetConfig,
    circuit_breaker::CircuitBreakerConfig,
    concurrency_limit::ConcurrencyLimitConfig,
    config::seconds,
    hedge::HedgeConfig,
    retry::{RetryAfter, RetryConfig},
    timeout::TimeoutConfig,
};
use campanile_llm::resume::ResumeConfig;
use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, MapAccess, value::MapAccessDeserializer},
};

use super::{LimitsConfig, schema};

/// A pool: its members, who of them gets a call, and what guards each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct PoolConfig {
    /// The members: names of providers, or more about each. All providers by default.
    pub members: Vec<MemberConfig>,
    /// Who gets a call.
    pub strategy: StrategyConfig,
    /// How calls that failed are tried again; elsewhere first. `null` tries none again. Retries may add a fifth to the calls, as
    /// saved up to 200 of them, 100 at first: a provider that dies takes as many calls with it as it had, all at once.
    pub retry: Option<RetryConfig>,
    /// A second copy of a call that takes long. None by default.
    pub hedge: Option<HedgeConfig>,
    /// Continues streams that broke off elsewhere. Not by default.
    pub resume: Option<ResumeConfig>,
    /// Stops calling a member that fails. `null` for none.
    pub breaker: Option<CircuitBreakerConfig>,
    /// How many calls a member gets at once, found while running. `null` leaves it open.
    pub concurrency: Option<ConcurrencyLimitConfig>,
    /// The clocks of each attempt. 60 s to the first content and 60 s between pieces by default.
    pub timeouts: TimeoutConfig,
    /// How members are probed. Not by default: calls tell enough, and probes of paid providers cost.
    pub probe: Option<ProbeConfig>,
    /// How long a call waits for a member when all are closed. 5 s by default.
    #[serde(with = "seconds")]
    #[schemars(with = "Duration")]
    pub patience: Duration,
}

/// A member of a pool.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = schema::by_name)]
#[non_exhaustive]
pub struct MemberConfig {
    /// The provider.
    pub provider: String,
    /// Its share of the traffic, beside 1 for the others. 1 by default.
    #[serde(default = "one")]
    pub weight: f64,
    /// Which tier it belongs to: a higher number is asked only while the lower ones are not well. 0 by default.
    #[serde(default)]
    pub tier: u32,
    /// Labels, for metrics and strategies.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Limits of this member.
    #[serde(default)]
    pub limits: LimitsConfig,
}

/// A member of which more is said than its name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct More {
    provider: String,
    #[serde(default = "one")]
    weight: f64,
    #[serde(default)]
    tier: u32,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    limits: LimitsConfig,
}

const fn one() -> f64 {
    1.0
}

/// Who of a pool's members gets a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StrategyConfig {
    /// By what each has to do and how fast it is, weighed by errors: the best for most.
    #[default]
    Ebw,
    /// By the recent peaks of latency.
    PeakEwma,
    /// Who has the fewest calls.
    LeastLoaded,
    /// One after the other.
    RoundRobin,
    /// By weights alone.
    Weighted,
    /// The cheapest that is quick enough.
    Cheapest,
    /// One conversation, one member: prompts that a provider has cached stay warm.
    Conversation,
    /// Who has read the beginning of a prompt already: for servers of one's own.
    Prefix,
}

/// How members are probed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ProbeConfig {
    /// How often. 15 s by default.
    #[serde(with = "seconds")]
    #[schemars(with = "Duration")]
    pub interval: Duration,
    /// How long a probe may take. 5 s by default.
    #[serde(with = "seconds")]
    #[schemars(with = "Duration")]
    pub timeout: Duration,
    /// The path that is asked, after the base of the provider's address. `/models` by default, with the provider's key.
    pub path: String,
}

// ===== impl PoolConfig =====

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            members: Vec::new(),
            strategy: StrategyConfig::default(),
            retry: Some(
                RetryConfig::default()
                    .with_retry_after(RetryAfter::Elsewhere)
                    .with_budget(Some(
                        BudgetConfig::default().with_cap(200.0).with_initial(100.0),
                    )),
            ),
            hedge: None,
            resume: None,
            breaker: Some(CircuitBreakerConfig::default()),
            concurrency: None,
            timeouts: TimeoutConfig::new()
                .with_first_data(Duration::from_secs(60))
                .with_between_data(Duration::from_secs(60)),
            probe: None,
            patience: Duration::from_secs(5),
        }
    }
}

// ===== impl MemberConfig =====

impl From<&str> for MemberConfig {
    /// The provider of this name.
    fn from(provider: &str) -> Self {
        Self {
            provider: provider.to_owned(),
            weight: 1.0,
            tier: 0,
            labels: BTreeMap::new(),
            limits: LimitsConfig::default(),
        }
    }
}

impl<'de> Deserialize<'de> for MemberConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = MemberConfig;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a provider, or a map with `provider`")
            }

            fn visit_str<E: de::Error>(self, provider: &str) -> Result<MemberConfig, E> {
                Ok(provider.into())
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<MemberConfig, A::Error> {
                let more = More::deserialize(MapAccessDeserializer::new(map))?;
                Ok(MemberConfig {
                    provider: more.provider,
                    weight: more.weight,
                    tier: more.tier,
                    labels: more.labels,
                    limits: more.limits,
                })
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

// ===== impl ProbeConfig =====

impl Default for ProbeConfig {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(15),
            timeout: Duration::from_secs(5),
            path: "/models".to_owned(),
        }
    }
}
