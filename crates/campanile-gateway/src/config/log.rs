use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct LogConfig {
    /// What: `info`, `warn,campanile=debug`, as `tracing`'s filters are written. `info` by default.
    pub filter: String,
    /// How lines are written.
    pub format: LogFormat,
    /// Which calls have a line of their own in the access log: target `campanile::access`, level `info`, once their answers
    /// have come to their end. `off` by default; what fails is logged apart, by the target `campanile::call`, and
    /// what is refused before it comes to a stage has its line whether this is on or off.
    pub access: AccessLog,
}

/// Which calls have a line in the access log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AccessLog {
    /// None.
    #[default]
    Off,
    /// Those whose status is no success, and those that broke off or were given up.
    Failed,
    /// All of them.
    All,
}

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One object of JSON a line.
    Json,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            filter: "info".to_owned(),
            format: LogFormat::Text,
            access: AccessLog::Off,
        }
    }
}
