use std::{path::PathBuf, time::Duration};

use campanile::config::{Invalid, seconds};
use serde::{Deserialize, Serialize};

use super::roots::roots;

/// How an [`HttpClient`](super::HttpClient) treats its connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HttpConfig {
    /// How long a connection may take until it can be used, TLS and the beginning of HTTP/2 (the server's settings) included. 10 s
    /// by default.
    #[serde(with = "seconds")]
    #[cfg_attr(feature = "schema", schemars(with = "Duration"))]
    pub connect_timeout: Duration,
    /// How long an idle connection is kept. 90 s by default.
    #[serde(with = "seconds")]
    #[cfg_attr(feature = "schema", schemars(with = "Duration"))]
    pub idle_timeout: Duration,
    /// How many idle connections of HTTP/1 are kept to one host. 256 by default.
    pub max_idle: usize,
    /// After how long without a word the other side is asked whether it is there: by TCP, and over HTTP/2 by a ping while calls
    /// are under way, which fails them if it is not answered in as long again. 60 s by default.
    #[serde(with = "seconds")]
    #[cfg_attr(feature = "schema", schemars(with = "Duration"))]
    pub keepalive: Duration,
    /// How many bytes of an answer that nobody reads are held in a stream of HTTP/2; over HTTP/1 no more than came with its head,
    /// which is 16 KiB at most. Also the most that the head of an answer may have over HTTP/1. 16 KiB by default, 8 KiB at least.
    pub buffer: u32,
    /// Whether HTTP/2 is spoken without asking, as over plain TCP nobody can be asked. It is not by default.
    pub http2_only: bool,
    /// Files of certificates in PEM by which servers may be certified, beside Mozilla's root certificates: those of a company's own
    /// authority. Read when the client is made. None by default; they take the feature `tls`.
    pub root_certificates: Vec<PathBuf>,
}

// ===== impl HttpConfig =====

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(90),
            max_idle: 256,
            keepalive: Duration::from_secs(60),
            buffer: 16 << 10,
            http2_only: false,
            root_certificates: Vec::new(),
        }
    }
}

/// Setters, so that a configuration reads as a sentence.
macro_rules! with {
    ($($name:ident => $field:ident: $type:ty, $doc:literal;)*) => {$(
        #[doc = concat!($doc, " See [`", stringify!($field), "`](Self::", stringify!($field), ").")]
        #[must_use]
        pub const fn $name(mut self, $field: $type) -> Self {
            self.$field = $field;
            self
        }
    )*};
}

impl HttpConfig {
    with! {
        with_connect_timeout => connect_timeout: Duration, "Sets how long a connection may take.";
        with_idle_timeout => idle_timeout: Duration, "Sets how long an idle connection is kept.";
        with_max_idle => max_idle: usize, "Sets how many idle connections are kept.";
        with_keepalive => keepalive: Duration, "Sets after how long without a word the other side is asked whether it is there.";
        with_buffer => buffer: u32, "Sets how many bytes are held that nobody reads.";
        with_http2_only => http2_only: bool, "Sets whether HTTP/2 is spoken without asking.";
    }

    /// Adds a file of certificates. See [`root_certificates`](Self::root_certificates).
    #[must_use]
    pub fn with_root_certificates(mut self, file: impl Into<PathBuf>) -> Self {
        self.root_certificates.push(file.into());
        self
    }

    /// Checks the settings, and reads the certificates to see that they are there.
    ///
    /// # Errors
    ///
    /// When the buffer is below 8 KiB or above 1 GiB, a time is zero or above a year, or a file has no certificates.
    pub fn build(self) -> Result<Self, Invalid> {
        let bounds = (8 << 10..=1 << 30).contains(&self.buffer);
        let rule = "it must be from 8 KiB to 1 GiB";
        Invalid::unless(bounds, "http", "buffer", &self.buffer, rule)?;
        for (field, time) in [
            ("connect_timeout", self.connect_timeout),
            ("idle_timeout", self.idle_timeout),
            ("keepalive", self.keepalive),
        ] {
            let rule = "it must be above 0, and at most a year";
            let bounds = !time.is_zero() && time <= Duration::from_secs(365 * 86_400);
            Invalid::unless(bounds, "http", field, &time, rule)?;
        }
        roots(&self.root_certificates)?;
        Ok(self)
    }
}
