//! Families of samples as text.

use std::fmt::Write;

use campanile::metrics::Format;

/// Writes families, in the formats that `campanile::metrics` has.
pub(super) struct Families {
    text: String,
    format: Format,
    name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    /// 1, with what is to be told in its labels.
    Info,
}

// ===== impl Families =====

impl Families {
    /// Goes on with a text that is whole.
    pub(super) fn after(mut text: String, format: Format) -> Self {
        if let Some(length) = text.strip_suffix("# EOF\n").map(str::len) {
            text.truncate(length);
        }
        Self {
            text,
            format,
            name: String::new(),
        }
    }

    /// Begins a family, whose name has neither `_total` nor `_info`.
    pub(super) fn family(&mut self, name: &str, help: &str, kind: Kind) {
        let open = self.format == Format::OpenMetrics;
        self.name.clear();
        self.name.push_str(name);
        self.name.push_str(match kind {
            Kind::Counter => "_total",
            Kind::Gauge => "",
            Kind::Info => "_info",
        });
        let head = if open { name } else { &self.name };
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Info if open => "info",
            Kind::Gauge | Kind::Info => "gauge",
        };
        // Writing to a string does not fail; so below.
        let _ = writeln!(self.text, "# HELP {head} {help}\n# TYPE {head} {kind}");
    }

    /// A sample of the family.
    pub(super) fn sample(&mut self, labels: &[(&str, &str)], value: f64) {
        self.text.push_str(&self.name);
        if !labels.is_empty() {
            self.text.push('{');
            for (place, (label, value)) in labels.iter().enumerate() {
                let comma = if place == 0 { "" } else { "," };
                let _ = write!(self.text, "{comma}{label}=\"");
                for letter in value.chars() {
                    match letter {
                        '\\' => self.text.push_str("\\\\"),
                        '"' => self.text.push_str("\\\""),
                        '\n' => self.text.push_str("\\n"),
                        letter => self.text.push(letter),
                    }
                }
                self.text.push('"');
            }
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }

    /// A family of one sample.
    pub(super) fn single(&mut self, name: &str, help: &str, kind: Kind, value: f64) {
        self.family(name, help, kind);
        self.sample(&[], value);
    }

    pub(super) fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }
}
