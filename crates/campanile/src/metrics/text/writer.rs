use std::{
    fmt::{self, Write},
    time::Duration,
};

use super::{Format, number};

/// Writes families: their head, then their samples.
pub(super) struct Writer<'a, W> {
    out: &'a mut W,
    prefix: &'a str,
    format: Format,
    /// The name that samples of the present family have.
    name: String,
}

/// What a family is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// The value of a sample.
#[derive(Debug, Clone, Copy)]
pub(super) enum Number {
    Whole(u64),
    /// Exactly so many billionths of a unit.
    Billionths(u64),
    Seconds(Duration),
    Float(f64),
}

// ===== impl Writer =====

impl<'a, W: Write> Writer<'a, W> {
    pub(super) fn new(out: &'a mut W, prefix: &'a str, format: Format) -> Self {
        Self {
            out,
            prefix,
            format,
            name: String::new(),
        }
    }

    /// Begins a family. `scope` stands before its name, and may be empty.
    pub(super) fn family(
        &mut self,
        scope: &str,
        name: &str,
        unit: Option<&str>,
        help: &str,
        kind: Kind,
    ) -> fmt::Result {
        self.name.clear();
        for part in [self.prefix, scope, name, unit.unwrap_or_default()] {
            if part.is_empty() {
                continue;
            }
            if !self.name.is_empty() {
                self.name.push('_');
            }
            self.name.extend(part.chars().map(sound));
        }
        if self.name.is_empty() || self.name.starts_with(|first: char| first.is_ascii_digit()) {
            self.name.insert(0, '_');
        }
        let family = self.name.len();
        if kind == Kind::Counter {
            self.name.push_str("_total");
        }
        // OpenMetrics names the family, Prometheus the sample.
        let open = self.format == Format::OpenMetrics;
        let head = if open {
            &self.name[..family]
        } else {
            &self.name
        };
        write!(self.out, "# HELP {head} ")?;
        escape_help(self.out, help, open)?;
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        write!(self.out, "\n# TYPE {head} {kind}\n")?;
        match unit {
            Some(unit) if open => writeln!(self.out, "# UNIT {head} {unit}"),
            _ => Ok(()),
        }
    }

    /// A sample of the family. `labels` and `more` are written labels, `suffix` is what histograms need.
    #[inline]
    pub(super) fn sample(
        &mut self,
        suffix: &str,
        labels: &str,
        more: &str,
        number: Number,
    ) -> fmt::Result {
        let out = &mut *self.out;
        out.write_str(&self.name)?;
        out.write_str(suffix)?;
        out.write_char('{')?;
        out.write_str(labels)?;
        if !more.is_empty() {
            if !labels.is_empty() {
                out.write_char(',')?;
            }
            out.write_str(more)?;
        }
        out.write_str("} ")?;
        match number {
            Number::Whole(number) => number::whole(out, number)?,
            Number::Billionths(number) => number::billionths(out, number)?,
            Number::Seconds(duration) => number::seconds(out, duration)?,
            Number::Float(number) => number::float(out, number)?,
        }
        out.write_char('\n')
    }

    pub(super) fn finish(self) -> fmt::Result {
        match self.format {
            Format::Prometheus => Ok(()),
            Format::OpenMetrics => self.out.write_str("# EOF\n"),
        }
    }
}

/// What cannot stand in a name becomes an underscore.
pub(super) const fn sound(letter: char) -> char {
    if letter.is_ascii_alphanumeric() || letter == '_' {
        letter
    } else {
        '_'
    }
}

/// The value of a label.
pub(in crate::metrics) fn escape<W: Write>(out: &mut W, value: &str) -> fmt::Result {
    escape_help(out, value, true)
}

/// Quotes are escaped in values, and by OpenMetrics in the text of help.
fn escape_help<W: Write>(out: &mut W, text: &str, quotes: bool) -> fmt::Result {
    let mut rest = text;
    while let Some(at) =
        rest.find(|letter| matches!(letter, '\\' | '\n') || quotes && letter == '"')
    {
        out.write_str(&rest[..at])?;
        out.write_str(match rest.as_bytes()[at] {
            b'\n' => "\\n",
            b'"' => "\\\"",
            _ => "\\\\",
        })?;
        rest = &rest[at + 1..];
    }
    out.write_str(rest)
}
