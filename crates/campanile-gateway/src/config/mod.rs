//! The settings: one YAML file.
//!
//! Every struct is plain, has a `Default`, and refuses what it does not know. [`Config::default`] has no providers; what is
//! said of one in the file is checked when the file is read, with the place in the file.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use campanile::config::seconds;
use campanile_llm::provider::{HttpConfig, Secret};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod check;
mod complete;
mod digest;
mod key;
mod limits;
mod listen;
mod load;
mod log;
mod names;
mod overrides;
mod pool;
mod provider;
mod read;
mod routes;
mod schema;
mod server;
mod stage;
#[cfg(test)]
mod tests;
mod warning;
mod workflow;

pub use digest::Digest;
pub use key::KeyConfig;
pub use limits::LimitsConfig;
pub use listen::address;
#[cfg(test)]
pub(crate) use load::load_in;
pub use load::{Loaded, load, read, read_without_secrets};
pub use log::{AccessLog, LogConfig, LogFormat};
pub use overrides::{OVERRIDES, Override};
pub use pool::{MemberConfig, PoolConfig, ProbeConfig, StrategyConfig};
pub use provider::{Preset, ProviderSection, SimulatedConfig};
pub use read::problem::{LoadError, Problem};
pub(crate) use routes::{Offer, Offers, routes};
pub use schema::schema;
pub use server::ServerConfig;
pub use stage::StageConfig;
pub use warning::Warning;
pub use workflow::{ParallelConfig, WorkflowConfig, WorkflowStage};

/// The whole file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// Where it listens: `127.0.0.1:8080`, `:8080` for all addresses of the machine, or a port alone. `127.0.0.1:8080` by default;
    /// port 0 takes any that is free.
    #[serde(deserialize_with = "listen::deserialize")]
    #[schemars(schema_with = "schema::listen")]
    pub listen: SocketAddr,
    /// Limits of connections, heads and bodies, and how it stops.
    pub server: ServerConfig,
    /// What operators may do.
    pub admin: AdminConfig,
    /// What is logged, and how.
    pub log: LogConfig,
    /// How connections to providers are made.
    pub http: HttpConfig,
    /// The file with prices of models. Without one nothing costs anything.
    pub prices: Option<PathBuf>,
    /// How many tokens an answer may have, where neither the request nor the model's price says so: as many are reserved in
    /// budgets that refuse. 131,072 by default.
    pub most_output: u64,
    /// The providers, by name. The name of a [preset](Preset) is one of that preset, unless it says otherwise.
    pub providers: BTreeMap<String, ProviderSection>,
    /// The pools, by name. Without any there is one, `default`, of all providers.
    pub pools: BTreeMap<String, PoolConfig>,
    /// The stages: which models go to which pool, within which limits. Without any there is one for each pool, of the pool's
    /// name, which takes the models of its members.
    pub stages: BTreeMap<String, StageConfig>,
    /// Other names of models.
    pub aliases: BTreeMap<String, String>,
    /// The stage that takes every model that no other has. Without one such a model is refused; the only stage of a file
    /// that names none takes them all, where some member says nothing of its models.
    pub default_stage: Option<String>,
    /// Who may call, by name. Without any everybody may.
    pub keys: BTreeMap<String, KeyConfig>,
    /// Limits of all calls together.
    pub limits: LimitsConfig,
    /// How long a call may take altogether, all attempts included, where its stage does not say. Open by default.
    #[serde(with = "seconds::optional", alias = "timeout_seconds")]
    #[schemars(with = "Option<Duration>")]
    pub deadline: Option<Duration>,
    /// Stages as another system writes them: each becomes a stage and a pool of its name.
    pub workflow: Option<WorkflowConfig>,
}

/// What operators may do.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct AdminConfig {
    /// What operators send as `authorization: Bearer`. Without one there are no operators' actions, and `/status` and `/metrics`
    /// are open to those who reach the address; with one they need it too, unless [`open`](Self::open) says otherwise.
    pub token: Option<Secret>,
    /// Where operators are listened to, as [`Config::listen`] is written: a listener of their own, with places that callers do not
    /// take. `/healthz` and `/readyz` are at both then; `/status`, `/metrics` and the actions there alone, and callers are not served
    /// there. One listener for all by default.
    #[serde(deserialize_with = "listen::optional")]
    #[schemars(schema_with = "schema::optional_listen")]
    pub listen: Option<SocketAddr>,
    /// Whether `/status` and `/metrics` are open to all, though there is a token. They are not by default.
    pub open: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 8080).into(),
            server: ServerConfig::default(),
            admin: AdminConfig::default(),
            log: LogConfig::default(),
            http: HttpConfig::default(),
            prices: None,
            most_output: 131_072,
            providers: BTreeMap::new(),
            pools: BTreeMap::new(),
            stages: BTreeMap::new(),
            aliases: BTreeMap::new(),
            default_stage: None,
            keys: BTreeMap::new(),
            limits: LimitsConfig::default(),
            deadline: None,
            workflow: None,
        }
    }
}
