use std::{
    fs,
    path::{Path, PathBuf},
};

/// By what one state of the files that settings are read from is told from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest {
    /// The settings.
    pub(crate) text: blake3::Hash,
    /// The file with prices that they name, and what was in it, if it is there.
    pub(crate) prices: Option<(PathBuf, Option<blake3::Hash>)>,
}

// ===== impl Digest =====

impl Digest {
    /// Of a text, and of the prices as they are now: to be taken before they are used, so that an edit in between is seen.
    pub(crate) fn of(text: &str, prices: Option<&Path>) -> Self {
        let read = |path: &Path| fs::read(path).ok().map(|bytes| blake3::hash(&bytes));
        Self {
            text: blake3::hash(text.as_bytes()),
            prices: prices.map(|path| (path.to_owned(), read(path))),
        }
    }
}
