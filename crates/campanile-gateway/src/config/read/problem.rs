use std::fmt;

use thiserror::Error;

use super::{hide, tree::Place};

/// How many are told at once.
const MOST: usize = 40;

/// Something that is wrong with the settings: what, where, and the rule.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// Which setting: `pools.main.strategy`. Empty where the text is no YAML.
    pub setting: String,
    /// In which line, from 1; 0 where it is in none.
    pub line: usize,
    /// In which column, from 1.
    pub column: usize,
    /// What is wrong, and what would be right.
    pub message: String,
    /// The line, its secrets hidden.
    pub excerpt: String,
    length: usize,
}

/// Why settings cannot be read: everything that is wrong with them.
///
/// Shown, it is a text of several lines; no secret is in it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub struct LoadError {
    /// The file, if it was one.
    pub file: Option<String>,
    /// What is wrong, in the order of the file; at least one.
    pub problems: Vec<Problem>,
}

// ===== impl Problem =====

impl Problem {
    pub(crate) fn new(setting: &str, place: Place, message: impl Into<String>) -> Self {
        Self {
            setting: setting.to_owned(),
            line: place.line,
            column: place.column,
            length: place.length,
            message: message.into(),
            excerpt: String::new(),
        }
    }

    /// The same with its line, and without secrets.
    fn seen(mut self, source: &str, secrets: &[String]) -> Self {
        self.message = hide::message(&self.message, secrets);
        self.setting = hide::message(&self.setting, secrets);
        self.excerpt = hide::line(source, self.line, secrets);
        self
    }

    fn write(&self, file: Option<&str>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (file, self.line) {
            (Some(file), 0) => write!(f, "{file}: ")?,
            (Some(file), line) => write!(f, "{file}:{line}:{}: ", self.column)?,
            (None, 0) => {}
            (None, line) => write!(f, "line {line}, column {}: ", self.column)?,
        }
        if !self.setting.is_empty() {
            write!(f, "{}: ", self.setting)?;
        }
        f.write_str(&self.message)?;
        if self.excerpt.trim().is_empty() {
            return Ok(());
        }
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        let shown = self.excerpt.trim_end();
        let width = shown.chars().count();
        let before = self.column.saturating_sub(1).min(width.saturating_sub(1));
        let marked = self.length.clamp(1, (width - before).max(1));
        write!(f, "\n  {number} | {shown}\n  {margin} | ")?;
        write!(f, "{}{}", " ".repeat(before), "^".repeat(marked))
    }
}

/// Without the name of the file.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(None, f)
    }
}

// ===== impl LoadError =====

impl LoadError {
    /// Everything that is wrong with this source. `secrets` are hidden wherever they stand.
    pub(crate) fn new(problems: Vec<Problem>, source: &str, secrets: &[String]) -> Self {
        let mut problems: Vec<_> = problems
            .into_iter()
            .map(|problem| problem.seen(source, secrets))
            .collect();
        problems.sort_by_key(|problem| (problem.line == 0, problem.line, problem.column));
        problems.dedup();
        Self {
            file: None,
            problems,
        }
    }

    /// One that is about no line.
    pub(crate) fn plain(message: impl Into<String>) -> Self {
        let problem = Problem::new("", Place::default(), message);
        Self {
            file: None,
            problems: vec![problem],
        }
    }

    pub(crate) fn of(mut self, file: impl Into<String>) -> Self {
        self.file = Some(file.into());
        self
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().take(MOST).enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.write(self.file.as_deref(), f)?;
        }
        match self.problems.len() {
            0 | 1 => Ok(()),
            count if count > MOST => write!(f, "\n{count} problems; the first {MOST} are shown"),
            count => write!(f, "\n{count} problems"),
        }
    }
}

/// The path of a setting within another.
pub(crate) fn joined(path: &str, key: &str) -> String {
    let plain = |sign: char| sign.is_alphanumeric() || sign == '_' || sign == '-';
    let key = match !key.is_empty() && key.len() <= 80 && key.chars().all(plain) {
        true => key.to_owned(),
        false => quoted(key),
    };
    match path {
        "" => key,
        path => format!("{path}.{key}"),
    }
}

/// A text in quotes, at most so much of it as a person reads.
pub(crate) fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(80).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("{shown:?}")
}
