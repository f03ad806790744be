//! Measurements as text that a collector scrapes: Prometheus 0.0.4 and OpenMetrics 1.0.

use std::fmt::{self, Write};

use super::{MetricsConfig, gathered::Gathered};

mod attached;
mod bounds;
mod calls;
mod gates;
mod number;
#[cfg(all(test, not(campanile_loom)))]
pub(super) mod parser;
#[cfg(all(test, not(campanile_loom)))]
mod tests;
mod writer;

pub(super) use bounds::Bounds;
pub(super) use writer::escape;

use writer::Writer;

/// The content type of the Prometheus text format.
pub const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The content type of OpenMetrics text.
pub const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A format of text. Series have the same names and labels in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Format {
    /// The Prometheus text format, [0.0.4](https://prometheus.io/docs/instrumenting/exposition_formats/).
    #[default]
    Prometheus,
    /// [OpenMetrics](https://prometheus.io/docs/specs/om/open_metrics_spec/) text, 1.0.
    OpenMetrics,
}

// ===== impl Format =====

impl Format {
    /// What a collector asks for by the `Accept` header of its request: OpenMetrics where it names it, Prometheus text
    /// otherwise.
    ///
    /// ```
    /// use campanile::metrics::Format;
    ///
    /// let accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
    /// assert_eq!(Format::accepted(accept), Format::OpenMetrics);
    /// assert_eq!(Format::accepted("*/*"), Format::Prometheus);
    /// ```
    #[must_use]
    pub fn accepted(accept: &str) -> Self {
        let named = accept.split(',').any(|kind| {
            let mut parts = kind.split(';').map(str::trim);
            let is_it = parts
                .next()
                .is_some_and(|name| name.eq_ignore_ascii_case("application/openmetrics-text"));
            is_it && parts.all(|part| !matches!(part, "q=0" | "q=0.0"))
        });
        if named {
            Self::OpenMetrics
        } else {
            Self::Prometheus
        }
    }

    /// What the `Content-Type` header of the answer is to say.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => PROMETHEUS,
            Self::OpenMetrics => OPEN_METRICS,
        }
    }
}

/// Writes everything, family by family.
pub(super) fn write<W: Write>(
    gathered: &Gathered,
    config: &MetricsConfig,
    bounds: &Bounds,
    format: Format,
    out: &mut W,
) -> fmt::Result {
    let mut writer = Writer::new(out, &config.prefix, format);
    calls::write(gathered, bounds, &mut writer)?;
    gates::write(gathered, &mut writer)?;
    attached::write(gathered, config, &mut writer)?;
    writer.finish()
}
