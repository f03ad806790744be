//! A snapshot as a table for a terminal.

use std::fmt;

use super::{EndpointFigures, Figures, LatencyFigures, MetricsSnapshot, StageSnapshot, Window};

mod grid;
mod human;
#[cfg(all(test, not(campanile_loom)))]
mod tests;

use grid::Grid;
use human::{Bytes, Count, Dollars, Percent, Seconds, shown};

/// A snapshot as plain text for a terminal, 120 columns wide at most: how long calls took in one window, then how many there
/// were since the start and what became of them. Names that are too long are cut. What is not known is a dash.
///
/// It is had from [`MetricsSnapshot::table`].
#[derive(Debug, Clone)]
#[must_use = "a table is to be displayed"]
pub struct Table {
    window: Window,
    times: Grid,
    calls: Grid,
}

const TIMES: [&str; 14] = [
    "", "gate", "calls", "/s", "ok", "now", "min", "mean", "p50", "p90", "p95", "p99", "p99.9",
    "max",
];

const CALLS: [&str; 13] = [
    "",
    "began",
    "share",
    "queued",
    "failed",
    "refused",
    "cancelled",
    "extra",
    "first",
    "wait",
    "tokens",
    "bytes",
    "cost",
];

// ===== impl Table =====

impl Table {
    pub(super) fn of(snapshot: &MetricsSnapshot, window: Window) -> Self {
        let mut table = Self {
            window,
            times: Grid::new(&TIMES, 2),
            calls: Grid::new(&CALLS, 1),
        };
        for stage in &snapshot.stages {
            table.stage(stage);
            for endpoint in &stage.endpoints {
                table.endpoint(endpoint);
            }
        }
        if snapshot.stages.len() != 1 {
            table.row(
                "all stages".to_owned(),
                &snapshot.total,
                extra(&snapshot.total),
                [dash(), dash(), dash()],
            );
        }
        table
    }

    fn stage(&mut self, stage: &StageSnapshot) {
        let queued = shown(Count(stage.queued));
        let extra = extra(&stage.figures);
        let cells = [dash(), dash(), queued];
        self.row(stage.name.clone(), &stage.figures, extra, cells);
    }

    fn endpoint(&mut self, endpoint: &EndpointFigures) {
        let mut closed = endpoint.closed();
        let gate = match (closed.next(), closed.count()) {
            (None, _) => "open".to_owned(),
            (Some(reason), 0) => reason.name().to_owned(),
            (Some(reason), more) => format!("{} +{more}", reason.name()),
        };
        let share = endpoint
            .share
            .map_or_else(dash, |share| shown(Percent(share)));
        let name = format!("  {}", endpoint.key);
        self.row(
            name,
            &endpoint.figures,
            extra(&endpoint.figures),
            [gate, share, dash()],
        );
    }

    fn row(
        &mut self,
        name: String,
        figures: &Figures,
        extra: u64,
        [gate, share, queued]: [String; 3],
    ) {
        let window = figures.window(self.window);
        let LatencyFigures {
            mean,
            min,
            p50,
            p90,
            p95,
            p99,
            p999,
            max,
            ..
        } = window.total;
        let time = |seconds: Option<f64>| seconds.map_or_else(dash, |time| shown(Seconds(time)));
        let mut times = vec![
            name.clone(),
            gate,
            shown(Count(window.calls)),
            window.throughput.map_or_else(dash, human::rate),
            window
                .success_rate
                .map_or_else(dash, |rate| shown(Percent(rate))),
            shown(Count(figures.in_flight)),
        ];
        times.extend([min, mean, p50, p90, p95, p99, p999, max].map(time));
        self.times.row(times);

        let outcomes = &figures.outcomes;
        let failed = outcomes.failure + outcomes.throttled + outcomes.overloaded;
        let tokens = figures.input_tokens.saturating_add(figures.output_tokens);
        let bytes = figures.sent_bytes.saturating_add(figures.received_bytes);
        self.calls.row(vec![
            name,
            shown(Count(figures.requests)),
            share,
            queued,
            shown(Count(failed)),
            shown(Count(figures.refused())),
            shown(Count(outcomes.cancelled)),
            shown(Count(extra)),
            time(figures.start.first_data.p50),
            time(figures.start.wait.p50),
            shown(Count(tokens)),
            shown(Bytes(bytes)),
            shown(Dollars(figures.nano_dollars)),
        ]);
    }
}

/// Attempts beyond the first ones.
const fn extra(figures: &Figures) -> u64 {
    let extra = figures.retries.saturating_add(figures.hedges);
    extra.saturating_add(figures.fallbacks)
}

fn dash() -> String {
    "-".to_owned()
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let window = match self.window {
            Window::Start => "all calls since the start",
            Window::Minute => "the last minute",
            Window::Latest => "the latest calls",
        };
        writeln!(f, "How long calls took: {window}")?;
        self.times.fmt(f)?;
        writeln!(
            f,
            "\nWhat became of them, since the start (first data and wait: medians)"
        )?;
        self.calls.fmt(f)
    }
}
