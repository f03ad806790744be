use std::time::Duration;

use campanile::config::seconds;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Limits of connections, heads and bodies, and how it stops.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ServerConfig {
    /// How many connections at most. Who comes then takes the place of the one that has been idle for longest, or waits for one
    /// to be. 20,000 by default.
    pub max_connections: usize,
    /// How many bytes the head of a request may have. 16 KiB by default; answered with 431 beyond.
    pub max_head: usize,
    /// How many bytes the body of a request may have. 16 MiB by default; answered with 413 beyond.
    pub max_body: usize,
    /// How many bytes the bodies of requests may have together that do not fit into the 64 KiB that are read at once. 1 GiB by
    /// default; answered with 503 beyond.
    pub max_body_memory: usize,
    /// How long a client may take to send a head, from its first byte. 10 s by default.
    #[serde(with = "seconds")]
    #[schemars(with = "Duration")]
    pub head_timeout: Duration,
    /// How long a client may take to send a body. 60 s by default; answered with 408 beyond.
    #[serde(with = "seconds")]
    #[schemars(with = "Duration")]
    pub body_timeout: Duration,
    /// How long a connection may be idle between calls. 120 s by default.
    #[serde(with = "seconds")]
    #[schemars(with = "Duration")]
    pub idle_timeout: Duration,
    /// How long a client may leave the answer unread before its call is given up. 60 s by default.
    #[serde(with = "seconds")]
    #[schemars(with = "Duration")]
    pub write_timeout: Duration,
    /// After how long without a word a stream says that it is alive, by a comment. 15 s by default; 0 for never.
    #[serde(with = "seconds")]
    #[schemars(with = "Duration")]
    pub heartbeat: Duration,
    /// How long running answers may take when it stops; what is left then is cut, and said. 30 s by default.
    #[serde(with = "seconds")]
    #[schemars(with = "Duration")]
    pub stop_within: Duration,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            max_connections: 20_000,
            max_head: 16 << 10,
            max_body: 16 << 20,
            max_body_memory: 1 << 30,
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(120),
            write_timeout: Duration::from_secs(60),
            heartbeat: Duration::from_secs(15),
            stop_within: Duration::from_secs(30),
        }
    }
}
