//! The log: to standard error, as standard output is for what a person or a script reads.

use std::io::{IsTerminal, stderr};

use campanile_gateway::config::{LogConfig, LogFormat};
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// Begins to log. `RUST_LOG` comes before the file's filter, and `asked` before both.
pub(crate) fn begin(config: &LogConfig, asked: Option<&str>) -> Result<(), String> {
    let variable = std::env::var("RUST_LOG").ok();
    let variable = variable.filter(|text| !text.trim().is_empty());
    let (from, filter) = match (asked, &variable) {
        (Some(asked), _) => ("--log or CAMPANILE_LOG", asked),
        (None, Some(variable)) => ("RUST_LOG", variable.as_str()),
        (None, None) => ("log.filter", config.filter.as_str()),
    };
    let filter = EnvFilter::try_new(filter)
        .map_err(|error| format!("{from} is {filter:?}: it is no filter ({error})"))?;
    let layer = fmt::layer().with_writer(stderr);
    let registry = tracing_subscriber::registry().with(filter);
    let begun = match config.format {
        LogFormat::Json => registry
            // The list of spans has it already.
            .with(layer.json().flatten_event(true).with_current_span(false))
            .try_init(),
        _ => registry
            .with(layer.with_ansi(stderr().is_terminal()))
            .try_init(),
    };
    begun.map_err(|error| error.to_string())
}
