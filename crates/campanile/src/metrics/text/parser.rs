//! A reader of what is written, as strict as the two formats are.

use std::collections::{BTreeMap, BTreeSet};

use super::Format;

/// All families of a text, by the name that it gives them.
#[derive(Debug)]
pub(in crate::metrics) struct Parsed(BTreeMap<String, Family>);

#[derive(Debug, Default)]
pub(in crate::metrics) struct Family {
    pub(in crate::metrics) kind: String,
    pub(in crate::metrics) unit: Option<String>,
    pub(in crate::metrics) help: String,
    samples: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

// ===== impl Parsed =====

impl Parsed {
    /// Reads a text; panics with what is wrong with it.
    #[track_caller]
    pub(in crate::metrics) fn of(text: &str, format: Format) -> Self {
        let open = format == Format::OpenMetrics;
        let body = if open {
            text.strip_suffix("# EOF\n").expect("it ends with # EOF")
        } else {
            text
        };
        assert!(body.is_empty() || body.ends_with('\n'));
        let mut families: BTreeMap<String, Family> = BTreeMap::new();
        let mut present = String::new();
        let mut series = BTreeSet::new();
        for line in body.lines() {
            if let Some(comment) = line.strip_prefix("# ") {
                let mut words = comment.splitn(3, ' ');
                let (what, name) = (words.next().unwrap(), words.next().unwrap());
                let rest = words.next().unwrap_or_default().to_owned();
                if what == "HELP" {
                    let new = families.insert(name.to_owned(), Family::default());
                    assert!(new.is_none(), "{name} is there twice, or in two places");
                    name.clone_into(&mut present);
                    families.get_mut(name).unwrap().help = rest;
                    continue;
                }
                assert_eq!(name, present, "{line}");
                let family = families.get_mut(name).unwrap();
                assert!(family.samples.is_empty(), "{line} comes late");
                match what {
                    "TYPE" => family.kind = rest,
                    "UNIT" if open => {
                        assert!(name.ends_with(&format!("_{rest}")), "{line}");
                        family.unit = Some(rest);
                    }
                    _ => panic!("{line}"),
                }
                continue;
            }
            let sample = Line::of(line);
            let family = families.get_mut(&present).expect("a family");
            let fits = family.names(&present, open).contains(&sample.name);
            assert!(fits, "{line} in {present}, a {}", family.kind);
            let identity = (sample.name.clone(), sample.labels.clone());
            assert!(series.insert(identity), "{line} is there twice");
            family.samples.push(sample);
        }
        for (name, family) in &families {
            assert!(!family.samples.is_empty(), "{name} has no samples");
            family.check(name);
        }
        Self(families)
    }

    pub(in crate::metrics) fn family(&self, name: &str) -> Option<&Family> {
        self.0.get(name)
    }

    pub(in crate::metrics) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// All series with their names and labels: `requests_total{stage=chat}`.
    pub(in crate::metrics) fn series(&self) -> BTreeMap<String, f64> {
        let lines = self.0.values().flat_map(|family| &family.samples);
        lines.map(|line| (line.to_string(), line.value)).collect()
    }

    /// The value of the one series of this name that has at least these labels.
    #[track_caller]
    pub(in crate::metrics) fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let found = self.find(name, labels);
        assert_eq!(found.len(), 1, "{name} {labels:?}: {found:?}");
        found[0]
    }

    /// The values of all series of this name that have at least these labels.
    pub(in crate::metrics) fn find(&self, name: &str, labels: &[(&str, &str)]) -> Vec<f64> {
        let lines = self.0.values().flat_map(|family| &family.samples);
        let has = |line: &&Line| {
            let has = |(label, value): &(&str, &str)| {
                line.labels.get(*label).is_some_and(|has| has == value)
            };
            line.name == name && labels.iter().all(has)
        };
        lines.filter(has).map(|line| line.value).collect()
    }
}

// ===== impl Family =====

impl Family {
    /// The names that its samples may have.
    fn names(&self, name: &str, open: bool) -> Vec<String> {
        match self.kind.as_str() {
            "counter" if open => vec![format!("{name}_total")],
            "counter" => {
                assert!(name.ends_with("_total"), "{name} is a counter");
                vec![name.to_owned()]
            }
            "gauge" => {
                assert!(!name.ends_with("_total"), "{name} is a gauge");
                vec![name.to_owned()]
            }
            "histogram" => ["bucket", "sum", "count"]
                .map(|suffix| format!("{name}_{suffix}"))
                .to_vec(),
            kind => panic!("{name} is a {kind:?}"),
        }
    }

    fn check(&self, name: &str) {
        for line in &self.samples {
            let counts = self.kind == "counter" || self.kind == "histogram";
            assert!(!counts || line.value >= 0.0, "{name} counts below 0");
        }
        if self.kind != "histogram" {
            return;
        }
        // Of each set of labels: buckets in ascending order, the last of them all there is.
        let mut groups: BTreeMap<_, Vec<&Line>> = BTreeMap::new();
        for line in &self.samples {
            let mut labels = line.labels.clone();
            labels.remove("le");
            groups.entry(labels).or_default().push(line);
        }
        for lines in groups.values() {
            let suffix = |suffix: &str| {
                let full = format!("{name}_{suffix}");
                lines.iter().filter(move |line| line.name == full)
            };
            let buckets: Vec<(f64, f64)> = suffix("bucket")
                .map(|line| (number(&line.labels["le"]), line.value))
                .collect();
            assert!(
                buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1),
                "{name}"
            );
            let (last, all) = *buckets.last().expect("a bucket");
            assert_eq!(last, f64::INFINITY);
            let counts: Vec<f64> = suffix("count").map(|line| line.value).collect();
            assert_eq!(counts, [all], "{name}");
            assert_eq!(suffix("sum").count(), 1, "{name}");
        }
    }
}

// ===== impl Line =====

impl Line {
    fn of(line: &str) -> Self {
        let (name, rest) = line.split_once('{').unwrap_or_else(|| panic!("{line}"));
        let is_name = |name: &str| {
            name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        assert!(is_name(name), "{line}");
        let mut labels = BTreeMap::new();
        let mut rest = rest;
        loop {
            if let Some(value) = rest.strip_prefix("} ") {
                return Self {
                    name: name.to_owned(),
                    labels,
                    value: number(value),
                };
            }
            if !labels.is_empty() {
                rest = rest.strip_prefix(',').unwrap_or_else(|| panic!("{line}"));
            }
            let (label, value) = rest.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
            assert!(is_name(label) && !label.starts_with("__"), "{line}");
            let mut letters = value.char_indices();
            let mut text = String::new();
            let end = loop {
                match letters.next().unwrap_or_else(|| panic!("{line}")) {
                    (at, '"') => break at,
                    (_, '\\') => text.push(match letters.next().unwrap().1 {
                        'n' => '\n',
                        letter @ ('"' | '\\') => letter,
                        other => panic!("\\{other} in {line}"),
                    }),
                    (_, letter) => text.push(letter),
                }
            };
            let new = labels.insert(label.to_owned(), text);
            assert!(new.is_none(), "{label} is there twice: {line}");
            rest = &value[end + 1..];
        }
    }
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{:?}", self.name, self.labels)
    }
}

fn number(text: &str) -> f64 {
    match text {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        "NaN" => f64::NAN,
        text => {
            let plain = text
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'e'));
            assert!(plain, "{text} is no number");
            text.parse().unwrap()
        }
    }
}
