use std::fmt;

use serde::Serialize;

/// What a change of the settings has changed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Reloaded {
    /// The pools.
    pub pools: Changes,
    /// Their members, as `pool/member`.
    pub members: Changes,
    /// The stages.
    pub stages: Changes,
    /// The keys.
    pub keys: Changes,
    /// What began anew, as what it knew could not be kept, and why: a sentence each.
    pub anew: Vec<String>,
    /// What is changed in the settings, and goes on as it was until the next start: a sentence each.
    pub ignored: Vec<String>,
}

/// What was added, changed and removed, by name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Changes {
    /// What was not there before.
    pub added: Vec<String>,
    /// What is there as before, by other settings.
    pub changed: Vec<String>,
    /// What is not there any more. Calls that are under way there finish.
    pub removed: Vec<String>,
}

// ===== impl Reloaded =====

impl Reloaded {
    /// Whether nothing has changed.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

// ===== impl Changes =====

impl Changes {
    /// Compares what is told by name.
    pub(super) fn between<'a, T: PartialEq + 'a>(
        before: impl Clone + IntoIterator<Item = (&'a String, &'a T)>,
        after: impl Clone + IntoIterator<Item = (&'a String, &'a T)>,
    ) -> Self {
        let mut changes = Self::default();
        for (name, now) in after.clone() {
            match before.clone().into_iter().find(|(other, _)| *other == name) {
                None => changes.added.push(name.clone()),
                Some((_, then)) if then != now => changes.changed.push(name.clone()),
                Some(_) => {}
            }
        }
        for (name, _) in before {
            if !after.clone().into_iter().any(|(other, _)| other == name) {
                changes.removed.push(name.clone());
            }
        }
        changes
    }
}

impl fmt::Display for Changes {
    /// In words: `added a, b; removed c`; of no change nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [
            ("added", &self.added),
            ("changed", &self.changed),
            ("removed", &self.removed),
        ];
        let mut said = kinds.iter().filter(|(_, names)| !names.is_empty());
        if let Some((kind, names)) = said.next() {
            write!(f, "{kind} {}", names.join(", "))?;
        }
        said.try_for_each(|(kind, names)| write!(f, "; {kind} {}", names.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_told_in_words() {
        let mut changes = Changes::default();
        assert_eq!(changes.to_string(), "");
        changes.removed = vec!["c".to_owned()];
        assert_eq!(changes.to_string(), "removed c");
        changes.added = vec!["a".to_owned(), "b".to_owned()];
        assert_eq!(changes.to_string(), "added a, b; removed c");
    }
}
