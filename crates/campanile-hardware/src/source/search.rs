//! Looking for a figure where it may be.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::parse::Limit;

/// Looks for one figure in several files.
pub(super) struct Search<'a> {
    root: &'a Path,
    tried: Vec<String>,
}

// ===== impl Search =====

impl<'a> Search<'a> {
    pub(super) const fn new(root: &'a Path) -> Self {
        Self {
            root,
            tried: Vec::new(),
        }
    }

    /// Notes what did not help.
    pub(super) fn tried(&mut self, what: impl Into<String>) {
        self.tried.push(what.into());
    }

    /// What did not help.
    pub(super) fn into_tried(self) -> Vec<String> {
        if self.tried.is_empty() {
            return vec!["no control group can be seen".to_owned()];
        }
        self.tried
    }

    /// Reads a file, below the root if its path does not say so, and understands it.
    pub(super) fn file<T>(
        &mut self,
        path: impl AsRef<Path>,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let path = self.root.join(path);
        let why = match fs::read_to_string(&path) {
            Ok(text) => match parse(&text) {
                Some(found) => return Some(found),
                None => "not understood".to_owned(),
            },
            Err(error) => error.to_string(),
        };
        self.tried(format!("{}: {why}", path.display()));
        None
    }

    /// The tightest limit of all levels, and where it stands. `None` if no level says anything of it.
    pub(super) fn tightest<'g>(
        &mut self,
        levels: &'g [PathBuf],
        mut look: impl FnMut(&mut Self, &Path) -> Option<Limit<f64>>,
    ) -> Option<Option<(f64, &'g Path)>> {
        let mut known = None;
        for group in levels {
            match look(self, group) {
                Some(Limit::At(limit)) => {
                    let tightest: &mut Option<(f64, &Path)> = known.get_or_insert(None);
                    if tightest.is_none_or(|(other, _)| limit < other) {
                        *tightest = Some((limit, group));
                    }
                }
                Some(Limit::None) => {
                    known.get_or_insert(None);
                }
                None => {}
            }
        }
        known
    }
}

pub(super) fn tighter(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
