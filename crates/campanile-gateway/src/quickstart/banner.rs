use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use super::{Local, PORTS, SIMULATED};

/// How wide a line may be.
const WIDTH: usize = 80;
/// How many models of a local server are told.
const TOLD: usize = 8;

/// What to tell the person who started it: several lines of at most 80 columns, without colours.
#[derive(Debug, Clone)]
pub struct Banner {
    pub(super) address: SocketAddr,
    /// Whether the first port was taken.
    pub(super) taken: bool,
    pub(super) local: Vec<Local>,
    /// Keys that are there, and not used.
    pub(super) keys: Vec<&'static str>,
}

// ===== impl Banner =====

impl fmt::Display for Banner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut reached = self.address;
        // Not an address that one could ask.
        match reached.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => reached.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => reached.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => {}
        }
        let url = format!("http://{reached}");
        writeln!(
            f,
            "Campanile gateway {}, without a file: to try it out",
            env!("CARGO_PKG_VERSION")
        )?;
        writeln!(f)?;
        write!(f, "  Listening at  {url}")?;
        if self.taken {
            write!(f, "  ({} is taken)", PORTS.start())?;
        }
        writeln!(f)?;
        if !self.address.ip().is_loopback() {
            writeln!(
                f,
                "                WITHOUT KEYS: whoever reaches this machine may call"
            )?;
        }
        writeln!(f, "  OpenAI SDKs   base URL {url}/v1, any key")?;
        writeln!(f, "  Anthropic's   base URL {url}, any key")?;
        writeln!(f)?;
        writeln!(f, "  The model     goes to")?;
        writeln!(
            f,
            "  {SIMULATED:<12}  simulated-fast, simulated-slow or simulated-flaky: they are"
        )?;
        writeln!(
            f,
            "                part of this program, and make up what they answer"
        )?;
        for local in &self.local {
            local.fmt(f)?;
        }
        if self.local.is_empty() {
            writeln!(
                f,
                "  No Ollama (port 11434) or llama.cpp (8080, 8081) answered on this machine."
            )?;
        }
        writeln!(f)?;
        writeln!(f, "Ask it something:")?;
        writeln!(f)?;
        let head = format!("{url}/v1/chat/completions \\\n  -H content-type:application/json -d");
        writeln!(f, "curl {head} '{{\"model\": \"{SIMULATED}\",")?;
        writeln!(
            f,
            "  \"messages\": [{{\"role\": \"user\", \"content\": \"Why do bells ring?\"}}]}}'"
        )?;
        writeln!(f)?;
        writeln!(f, "Word by word:")?;
        writeln!(f)?;
        writeln!(
            f,
            "curl -N {head} '{{\"model\": \"{SIMULATED}\", \"stream\": true,"
        )?;
        writeln!(
            f,
            "  \"messages\": [{{\"role\": \"user\", \"content\": \"Why do bells ring?\"}}]}}'"
        )?;
        writeln!(f)?;
        writeln!(f, "What became of it:")?;
        writeln!(f)?;
        writeln!(f, "curl '{url}/status?format=table'")?;
        writeln!(f)?;
        for key in &self.keys {
            writeln!(
                f,
                "{key} is set, and not used: what costs money needs a file."
            )?;
        }
        writeln!(
            f,
            "Your own providers: start it with --config examples/gateway-small.yaml"
        )?;
        writeln!(
            f,
            "To read on: docs/gateway/first-start.md    To stop: Ctrl-C"
        )
    }
}

// ===== impl Local =====

impl fmt::Display for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = self.names.join(" or ");
        for model in self.models.iter().take(TOLD) {
            match model.chars().count() {
                0..=12 => writeln!(f, "  {model:<12}  {target}")?,
                _ => {
                    let room: String = model.chars().take(WIDTH - 2).collect();
                    writeln!(f, "  {room}")?;
                    writeln!(f, "  {:<12}  {target}", "")?;
                }
            }
        }
        match self.models.len().saturating_sub(TOLD) {
            0 => Ok(()),
            more => writeln!(f, "  {:<12}  {target}: {more} more", ""),
        }
    }
}
