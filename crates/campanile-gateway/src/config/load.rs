use std::{fmt, fs, path::Path};

use thiserror::Error;

use super::{Config, PoolConfig, StageConfig};

/// Settings that were read, complete, and what is to be said of them.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Loaded {
    /// The settings, with the pools and stages that the file left out.
    pub config: Config,
    /// What is accepted, though it does nothing or may not be meant so.
    pub warnings: Vec<Warning>,
}

/// What is accepted, though it does nothing or may not be meant so.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Warning {
    /// Which setting: `workflow.parallel_processing.stages.qa.min_workers`.
    pub setting: String,
    /// What is to be said of it.
    pub message: String,
}

/// Why settings cannot be read.
#[derive(Debug, Error)]
#[error("{0}")]
#[non_exhaustive]
pub struct LoadError(pub(crate) String);

/// Reads a file.
///
/// # Errors
///
/// When it cannot be read, is not YAML, says what nobody knows, or breaks a rule; with line, column and rule.
pub fn read(path: &Path) -> Result<Loaded, LoadError> {
    let text = fs::read_to_string(path)
        .map_err(|error| LoadError(format!("{}: {error}", path.display())))?;
    load(&text)
}

/// Reads a text.
///
/// # Errors
///
/// As [`read`].
pub fn load(text: &str) -> Result<Loaded, LoadError> {
    let config: Config =
        serde_saphyr::from_str(text).map_err(|error| LoadError(error.to_string()))?;
    Ok(Loaded {
        config: complete(config),
        warnings: Vec::new(),
    })
}

/// Adds the pools and stages that were left out.
fn complete(mut config: Config) -> Config {
    if config.pools.is_empty() {
        config
            .pools
            .insert("default".to_owned(), PoolConfig::default());
    }
    for pool in config.pools.values_mut() {
        if pool.members.is_empty() {
            pool.members = config
                .providers
                .keys()
                .map(|name| name.as_str().into())
                .collect();
        }
    }
    if config.stages.is_empty() {
        let names = config.pools.keys().cloned();
        config.stages = names.map(|name| (name, StageConfig::default())).collect();
    }
    if config.default_stage.is_none() && config.stages.len() == 1 {
        config.default_stage = config.stages.keys().next().cloned();
    }
    config
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.setting, self.message)
    }
}
