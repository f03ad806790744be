//! What serde cannot know: whether names name something, and values can be.

use std::path::Path;

use campanile::config::Invalid;

use super::{
    Config,
    read::{
        expand::Env,
        problem::{Problem, joined},
        suggest::instead,
        tree::{Node, Place, Value},
    },
    warning::Warning,
};

mod access;
mod asked;
mod pools;
mod prices;
mod secrets;
mod server;
mod stages;

pub(super) use stages::fits;

/// Other names of settings, as other systems write them.
pub(super) const ALIASES: [(&str, &str); 5] = [
    ("base_url", "url"),
    ("key", "api_key"),
    ("requests_per_second", "rate_limit_per_second"),
    ("concurrent", "max_workers"),
    ("deadline", "timeout_seconds"),
];

/// Gathers what is wrong, and what is to be said.
pub(super) struct Check<'a> {
    root: &'a Node,
    pub(super) folder: &'a Path,
    pub(super) env: Env<'a>,
    /// Whether secrets that are elsewhere are left there.
    leave_out: bool,
    problems: Vec<Problem>,
    warnings: Vec<Warning>,
}

// ===== impl Check =====

impl<'a> Check<'a> {
    pub(super) const fn new(
        root: &'a Node,
        folder: &'a Path,
        env: Env<'a>,
        leave_out: bool,
    ) -> Self {
        Self {
            root,
            folder,
            env,
            leave_out,
            problems: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// What can be said of the settings as they are written. Secrets are read, and stand in the settings afterwards.
    pub(super) fn before(&mut self, config: &mut Config) {
        self.secrets(config);
        self.server(config);
        self.providers(config);
    }

    /// What can be said of complete settings.
    pub(super) fn after(&mut self, config: &mut Config) {
        self.pools(config);
        self.stages(config);
        self.routes(config);
        self.access(config);
        self.asked(config);
        self.prices(config);
    }

    /// All that was found, in the order of the file. Problems of one setting are told once.
    pub(super) fn done(mut self) -> (Vec<Problem>, Vec<Warning>) {
        self.warnings
            .sort_by_key(|warning| (warning.line == 0, warning.line));
        self.warnings.dedup();
        (self.problems, self.warnings)
    }

    /// Whether nothing is wrong so far.
    pub(super) const fn well(&self) -> bool {
        self.problems.is_empty()
    }

    /// Whether a setting is written.
    pub(super) fn is_written(&self, path: &[&str]) -> bool {
        let found = path.iter().try_fold(self.root, |at, step| at.get(step));
        found.is_some_and(|setting| !setting.is_blank())
    }

    /// Where a setting is, or what it would be in.
    fn place(&self, path: &[&str]) -> Place {
        let mut at = self.root;
        let mut place = Place::default();
        for step in path {
            match &at.value {
                Value::Map(entries) => {
                    let other = ALIASES.iter().find(|(name, _)| name == step);
                    let names = [Some(*step), other.map(|(_, other)| *other)];
                    let found = entries
                        .iter()
                        .find(|(key, _)| names.contains(&Some(key.text.as_str())));
                    let Some((key, value)) = found else { break };
                    at = value;
                    place = match value.value {
                        Value::Scalar(_) if !value.is_blank() && value.place.line > 0 => {
                            value.place
                        }
                        _ => key.place,
                    };
                }
                Value::List(list) => {
                    let index = step.trim_matches(['[', ']']).parse::<usize>();
                    let Some(value) = index.ok().and_then(|index| list.get(index)) else {
                        break;
                    };
                    at = value;
                    place = value.place;
                }
                Value::Scalar(_) => break,
            }
        }
        place
    }

    /// The path of a setting, as it is told.
    fn path(path: &[&str]) -> String {
        path.iter().fold(String::new(), |path, step| {
            match step.starts_with('[') && step.ends_with(']') {
                true => format!("{path}{step}"),
                false => joined(&path, step),
            }
        })
    }

    /// Says that a setting is wrong.
    pub(super) fn wrong(&mut self, path: &[&str], message: impl Into<String>) {
        let place = self.place(path);
        let problem = Problem::new(&Self::path(path), place, message);
        self.problems.push(problem);
    }

    /// Says something of a setting.
    pub(super) fn warn(&mut self, path: &[&str], message: impl Into<String>) {
        self.warnings.push(Warning {
            setting: Self::path(path),
            line: self.place(path).line,
            message: message.into(),
        });
    }

    /// Says that a setting is wrong unless it keeps its rule.
    pub(super) fn rule(&mut self, kept: bool, path: &[&str], message: impl Into<String>) {
        if !kept {
            self.wrong(path, message);
        }
    }

    /// Says that a name names nothing, unless it is one of these.
    pub(super) fn named<'n>(
        &mut self,
        path: &[&str],
        what: &str,
        name: &str,
        known: impl Iterator<Item = &'n String> + Clone,
    ) {
        if known.clone().any(|known| known == name) {
            return;
        }
        let hint = instead(name, known.map(String::as_str), "there are");
        self.wrong(path, format!("there is no {what} `{name}`{hint}"));
    }

    /// Says what a layer says of its settings, at the field that it names.
    pub(super) fn built<T>(&mut self, path: &[&str], built: Result<T, Invalid>) {
        let Err(Invalid {
            field, value, rule, ..
        }) = built
        else {
            return;
        };
        let mut whole = path.to_vec();
        whole.extend(self.within(path, field));
        // As the file has it, not as Rust does.
        let value = value
            .strip_prefix("Some(")
            .and_then(|value| value.strip_suffix(')'))
            .unwrap_or(&value);
        let value = value.strip_suffix(".0").unwrap_or(value);
        self.wrong(&whole, format!("it is {value}: {rule}"));
    }

    /// The steps to a field below a setting, as far as they are written.
    fn within<'f>(&self, path: &[&str], field: &'f str) -> Vec<&'f str>
    where
        'a: 'f,
    {
        fn find<'n>(node: &'n Node, name: &str) -> Option<Vec<&'n str>> {
            for (key, value) in node.entries() {
                if key.text == name {
                    return Some(vec![&key.text]);
                }
                if let Some(mut steps) = find(value, name) {
                    steps.insert(0, &key.text);
                    return Some(steps);
                }
            }
            None
        }
        let last = field.rsplit('.').next().unwrap_or(field);
        let at = path.iter().try_fold(self.root, |at, step| match &at.value {
            Value::List(list) => list.get(step.trim_matches(['[', ']']).parse::<usize>().ok()?),
            _ => at.get(step),
        });
        at.and_then(|at| find(at, last))
            .unwrap_or_else(|| field.split('.').collect())
    }
}
