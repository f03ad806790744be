//! What is shown: a table of some width, or a line.

use std::{fmt::Write as _, time::Duration};

use campanile::{
    endpoint::{EndpointSnapshot, Reason},
    time::Timestamp,
};

use crate::{fleet::Fleet, load::Tally};

/// The newest share's weight in the moving share, per update.
const NEWEST: f64 = 0.2;

/// The state of the pool, ready to be drawn.
#[derive(Debug)]
pub(crate) struct Table {
    duration: Duration,
    at: Duration,
    rows: Vec<Row>,
    total: u64,
    refused: u64,
    rate: f64,
}

#[derive(Debug, Default)]
struct Row {
    name: &'static str,
    what: &'static str,
    gate: String,
    calls: u64,
    failed: u64,
    in_flight: u32,
    latency: Option<f64>,
    /// Of all calls since the start.
    share: f64,
    /// Of the calls of late.
    lately: f64,
}

// ===== impl Table =====

impl Table {
    pub(crate) fn new(duration: Duration) -> Self {
        Self {
            duration,
            at: Duration::ZERO,
            rows: Vec::new(),
            total: 0,
            refused: 0,
            rate: 0.0,
        }
    }

    /// Reads the endpoints.
    pub(crate) fn update(&mut self, at: Duration, fleet: &Fleet, tally: &Tally) {
        let now = Timestamp::now();
        let before = (self.total, self.at);
        self.rows.resize_with(fleet.seats.len(), Row::default);
        for (row, seat) in self.rows.iter_mut().zip(&fleet.seats) {
            (row.name, row.what) = (seat.name, seat.what);
            let was = row.calls;
            match seat
                .endpoint
                .as_ref()
                .map(|endpoint| endpoint.snapshot(now))
            {
                None => "not yet here".clone_into(&mut row.gate),
                Some(endpoint) => {
                    row.gate = gate(&endpoint, fleet.roster.get(seat.name).is_none());
                    row.calls = finished(&endpoint);
                    row.failed = endpoint.outcomes.failure;
                    row.in_flight = endpoint.in_flight;
                    row.latency = endpoint.latency.total;
                }
            }
            // For now the newest calls; below it becomes a share.
            row.share = (row.calls - was) as f64;
        }
        self.total = self.rows.iter().map(|row| row.calls).sum();
        let newest = self.total.saturating_sub(before.0) as f64;
        for row in &mut self.rows {
            let share = row.share / newest.max(1.0);
            row.lately = if before.0 == 0 {
                share
            } else {
                row.lately + NEWEST * (share - row.lately)
            };
            row.share = row.calls as f64 / self.total.max(1) as f64;
        }
        let rate = newest / at.saturating_sub(before.1).as_secs_f64().max(1e-3);
        self.rate = if before.0 == 0 {
            rate
        } else {
            self.rate + NEWEST * (rate - self.rate)
        };
        self.refused = tally.refused();
        self.at = at;
    }

    /// The lines of a table that is at most `width` wide.
    pub(crate) fn lines(&self, width: usize) -> Vec<String> {
        let Self {
            duration,
            at,
            total,
            refused,
            rate,
            ..
        } = self;
        // What there is no room for is left out: first the bars, then what each works in.
        let what = if width >= 92 { 15 } else { 0 };
        let bar = width.saturating_sub(77 + what);
        let bar = if bar < 8 { 0 } else { bar.min(24) + 2 };
        let mut lines = vec![
            format!(
                "  {:>4.1} of {:.1} s   {} calls   {} per second   {refused} refused",
                at.as_secs_f64(),
                duration.as_secs_f64(),
                thousands(*total),
                thousands(rate.round() as u64),
            ),
            String::new(),
            format!(
                "  {:<8} {:<what$}{:>6} {:>5}{:bar$}  {:>7} {:>6} {:>4} {:>8}  {}",
                "endpoint",
                if what > 0 { "works in" } else { "" },
                "share",
                "now",
                "",
                "calls",
                "failed",
                "busy",
                "latency",
                "gate",
            ),
        ];
        lines.extend(self.rows.iter().map(|row| {
            let latency = row
                .latency
                .map_or_else(|| "-".to_owned(), |s| format!("{:.1} ms", s * 1e3));
            format!(
                "  {:<8} {:<what$}{:>5.1}% {:>4.0}%{:bar$}  {:>7} {:>6} {:>4} {:>8}  {}",
                row.name,
                if what > 0 { row.what } else { "" },
                row.share * 100.0,
                row.lately * 100.0,
                meter(row.lately, bar),
                thousands(row.calls),
                thousands(row.failed),
                row.in_flight,
                latency,
                row.gate,
            )
        }));
        lines
    }

    /// One line: what share each endpoint has now, and whose gate is closed.
    pub(crate) fn line(&self) -> String {
        let mut line = format!(
            "{:>5.1} s {:>8} calls ",
            self.at.as_secs_f64(),
            thousands(self.total)
        );
        for row in &self.rows {
            // Writing to a string does not fail.
            let _ = write!(line, "  {} {:>2.0}%", row.name, row.lately * 100.0);
            if row.gate != OPEN {
                let _ = write!(line, " ({})", row.gate);
            }
        }
        line
    }
}

const OPEN: &str = "open";

/// The gate in words.
fn gate(endpoint: &EndpointSnapshot, left: bool) -> String {
    if left {
        return "left".to_owned();
    }
    let Some(closed) = endpoint.closed.first() else {
        return OPEN.to_owned();
    };
    let reason = match closed.reason {
        Reason::FastFail => "fails fast".to_owned(),
        other => format!("{other:?}").to_lowercase(),
    };
    match closed.reopens_in {
        Some(seconds) => format!("{reason}, {seconds:.1} s"),
        None => reason,
    }
}

/// The calls that ended, in whichever way.
pub(crate) fn finished(endpoint: &EndpointSnapshot) -> u64 {
    let of = &endpoint.outcomes;
    of.success + of.failure + of.throttled + of.overloaded + of.ignored + of.cancelled
}

/// A bar for a share, in eighths of a column, after two blanks.
fn meter(share: f64, width: usize) -> String {
    let Some(width) = width.checked_sub(2) else {
        return String::new();
    };
    const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    let eighths = (share.clamp(0.0, 1.0) * (width * 8) as f64).round() as usize;
    let mut bar = format!("  {}", "█".repeat(eighths / 8));
    if !eighths.is_multiple_of(8) {
        bar.push(EIGHTHS[eighths % 8]);
    }
    bar
}

/// Digits in groups of three.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
