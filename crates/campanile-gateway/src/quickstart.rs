//! What is started without a file: three simulated processors, and the servers of models on this machine.

use std::{fmt, io, net::SocketAddr, time::Duration};

use thiserror::Error;

use crate::{
    BuildError, Gateway, Server,
    config::{Config, PoolConfig, ProviderSection, SimulatedConfig, StageConfig},
    local,
};

/// A gateway that was started without a file.
#[derive(Debug)]
#[non_exhaustive]
pub struct Started {
    /// It listens, and waits to be [run](Server::run).
    pub server: Server,
    /// What to tell the person who started it.
    pub banner: Banner,
}

/// What to tell the person who started it: several lines, of at most 80 columns.
#[derive(Debug)]
pub struct Banner {
    address: SocketAddr,
}

/// Why it could not be started.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The gateway cannot be made.
    #[error("{0}")]
    Build(#[from] BuildError),
    /// There is no address to listen at.
    #[error("cannot listen: {0}")]
    Listen(#[from] io::Error),
}

/// Starts a gateway without a file. Listens at `listen`, or at the first port from 8080 that is free.
///
/// # Errors
///
/// When it cannot listen.
pub async fn start(listen: Option<SocketAddr>) -> Result<Started, StartError> {
    let mut config = quickstart();
    for (name, section) in local::find().await {
        config.providers.insert(name, section);
    }
    if let Some(listen) = listen {
        config.listen = listen;
    }
    let server = Server::bind(Gateway::new(config)?).await?;
    let banner = Banner {
        address: server.address()?,
    };
    Ok(Started { server, banner })
}

/// The settings of a gateway that needs nothing: a pool of three simulated processors, behind the model `simulated`.
#[must_use]
pub fn quickstart() -> Config {
    let mut config = Config::default();
    let mut pool = PoolConfig::default();
    for (name, first_word, words_per_second) in [
        ("simulated-fast", 150, 80.0),
        ("simulated-slow", 900, 15.0),
        ("simulated-flaky", 250, 60.0),
    ] {
        let mut simulated = SimulatedConfig::default();
        simulated.first_word = Duration::from_millis(first_word);
        simulated.words_per_second = words_per_second;
        let mut section = ProviderSection::default();
        section.simulated = Some(simulated);
        config.providers.insert(name.to_owned(), section);
        pool.members.push(name.into());
    }
    config.pools.insert("simulated".to_owned(), pool);
    let stage = StageConfig::default();
    config.stages.insert("simulated".to_owned(), stage);
    config
}

// ===== impl Banner =====

impl fmt::Display for Banner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.address)
    }
}
