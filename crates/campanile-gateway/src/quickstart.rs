//! What is started without a file: three simulated processors, and the servers of models on this machine.
//!
//! Keys in the environment are not used: what costs money is asked for in a file.

use std::{
    env, io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use thiserror::Error;
use tokio::net::TcpListener;

use crate::{
    BuildError, Gateway, Server,
    config::{Config, PoolConfig, ProviderSection, SimulatedConfig, StageConfig},
    local,
};

mod banner;
#[cfg(test)]
mod tests;

pub use banner::Banner;

/// The model, the pool and the stage of the simulated processors.
const SIMULATED: &str = "simulated";
/// Where it listens, if that is free.
const FIRST: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8_080);
/// The ports that are tried.
const PORTS: std::ops::RangeInclusive<u16> = 8_080..=8_179;
/// How long a local server may load a model before it says a word.
const LOADING: Duration = Duration::from_secs(300);
/// Keys of which a person may think that they are used.
const KEYS: [&str; 5] = [
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "GEMINI_API_KEY",
    "XAI_API_KEY",
    "OPENROUTER_API_KEY",
];

/// A gateway that was started without a file.
#[derive(Debug)]
#[non_exhaustive]
pub struct Started {
    /// The gateway.
    pub gateway: Gateway,
    /// It listens, and waits to be [run](Server::run).
    pub server: Server,
    /// What to tell the person who started it.
    pub banner: Banner,
}

/// Why it could not be started.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The gateway cannot be made.
    #[error("{0}")]
    Build(#[from] BuildError),
    /// The address cannot be had.
    #[error("cannot listen at {address}: {error}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        error: io::Error,
    },
}

/// Starts a gateway without a file, of [`quickstart`] and of the local servers that answer within 300 ms. It listens at
/// `listen`; without one on the loopback interface, at 8080 or the next port that is free.
///
/// Must be called within a tokio runtime.
///
/// # Errors
///
/// When it cannot listen.
pub async fn start(listen: Option<SocketAddr>) -> Result<Started, StartError> {
    // Before it listens, so that it does not find itself.
    let found = local::find().await;
    let mut config = quickstart();
    let local = add(&mut config, found);
    let wanted = listen.unwrap_or(FIRST);
    let failed = |error| StartError::Listen {
        address: wanted,
        error,
    };
    let listener = match listen {
        Some(address) => TcpListener::bind(address).await,
        None => first_free().await,
    }
    .map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    config.listen = address;
    let gateway = Gateway::new(config)?;
    let server = Server::with_listener(gateway.clone(), listener)
        .await
        .map_err(failed)?;
    let banner = Banner {
        address,
        taken: listen.is_none() && address != FIRST,
        local,
        keys: KEYS
            .into_iter()
            .filter(|key| env::var_os(key).is_some())
            .collect(),
    };
    Ok(Started {
        gateway,
        server,
        banner,
    })
}

/// Listens at the first port that is free.
async fn first_free() -> io::Result<TcpListener> {
    for port in PORTS {
        if let Ok(listener) = TcpListener::bind((FIRST.ip(), port)).await {
            return Ok(listener);
        }
    }
    // It says why not.
    TcpListener::bind(FIRST).await
}

/// The settings of a gateway that needs nothing: a pool of three simulated processors, behind the model `simulated`.
///
/// ```
/// let config = campanile_gateway::quickstart::quickstart();
/// assert_eq!(config.pools["simulated"].members.len(), 3);
/// ```
#[must_use]
pub fn quickstart() -> Config {
    let mut config = Config::default();
    let mut pool = PoolConfig::default();
    for (name, first_word, words_per_second) in [
        ("simulated-fast", 150, 80.0),
        ("simulated-slow", 900, 15.0),
        ("simulated-flaky", 250, 60.0),
    ] {
        let mut simulated = SimulatedConfig {
            first_word: Duration::from_millis(first_word),
            words_per_second,
            ..SimulatedConfig::default()
        };
        if name == "simulated-flaky" {
            simulated.failures_per_thousand = 150;
            simulated.throttled_per_thousand = 50;
            simulated.cuts_per_thousand = 20;
        }
        let section = ProviderSection {
            simulated: Some(simulated),
            ..ProviderSection::default()
        };
        config.providers.insert(name.to_owned(), section);
        pool.members.push(name.into());
    }
    config.pools.insert(SIMULATED.to_owned(), pool);
    let stage = StageConfig::default();
    config.stages.insert(SIMULATED.to_owned(), stage);
    config
}

/// A local server, and the models that go to it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Local {
    names: Vec<String>,
    models: Vec<String>,
}

/// Adds a pool and a stage for each local server. Servers of the same models share a pool; a model that several have goes to the
/// first.
fn add(config: &mut Config, found: Vec<(String, ProviderSection)>) -> Vec<Local> {
    let mut locals: Vec<(Vec<String>, Local)> = Vec::new();
    let mut taken: Vec<String> = vec![SIMULATED.to_owned()];
    taken.extend(found.iter().map(|(name, _)| name.clone()));
    for (name, section) in found {
        let all: Vec<String> = section.models.keys().cloned().collect();
        config.providers.insert(name.clone(), section);
        if let Some((_, same)) = locals.iter_mut().find(|(models, _)| *models == all) {
            same.names.push(name);
            continue;
        }
        let free = all.iter().filter(|model| !taken.contains(model));
        let models: Vec<String> = free.cloned().collect();
        taken.extend(models.iter().cloned());
        let names = vec![name];
        locals.push((all, Local { names, models }));
    }
    let locals = locals.into_iter().map(|(_, local)| local);
    let locals: Vec<Local> = locals.filter(|local| !local.models.is_empty()).collect();
    for local in &locals {
        let mut pool = PoolConfig::default();
        pool.members = local
            .names
            .iter()
            .map(|name| name.as_str().into())
            .collect();
        pool.timeouts = pool.timeouts.with_first_data(LOADING);
        let mut stage = StageConfig::default();
        stage.models.clone_from(&local.models);
        stage.model = local.models.first().cloned();
        config.pools.insert(local.names[0].clone(), pool);
        config.stages.insert(local.names[0].clone(), stage);
    }
    locals
}
