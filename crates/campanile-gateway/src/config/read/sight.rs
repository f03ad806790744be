//! Which values of the file may be seen. Where secrets belong, all of them are hidden but those of settings that are known to hold
//! none: whoever slips in a name, or forgets one, has written a secret all the same.

use std::{collections::BTreeSet, sync::LazyLock};

use super::suggest::nearest;
use crate::config::schema;

/// The settings of which no value is a secret, and the names of the file's sections.
static KNOWN: LazyLock<(BTreeSet<String>, BTreeSet<String>)> = LazyLock::new(schema::names);

/// What may be seen of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sight {
    /// Everything, but for secrets by their names: no section of secrets.
    Open,
    /// Everything: of a setting that holds no secret.
    Plain,
    /// The names within, but no value: a section of secrets.
    Names,
    /// The names of headers, but nothing within them.
    Headers,
    /// Nothing: a secret.
    Nothing,
}

/// A place in the file, as far as it says what may be seen there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Walk {
    pub(crate) sight: Sight,
    /// Whether the next names are settings, or are given by whoever writes the file.
    next: Next,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Sections,
    Given,
    Settings,
}

/// Whether a setting of this name holds a secret.
pub(crate) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('-', "_");
    let whole = [
        "key",
        "apikey",
        "secret",
        "token",
        "password",
        "authorization",
        "cookie",
    ];
    let end = ["_key", "_secret", "_token", "_password", "_apikey"];
    whole.contains(&name.as_str()) || end.iter().any(|end| name.ends_with(end))
}

// ===== impl Sight =====

impl Sight {
    /// Whether values are seen.
    pub(crate) const fn shows_values(self) -> bool {
        matches!(self, Self::Open | Self::Plain)
    }
}

// ===== impl Walk =====

impl Walk {
    /// The whole file.
    pub(crate) const ROOT: Self = Self {
        sight: Sight::Open,
        next: Next::Sections,
    };
    /// Somewhere in a section of secrets.
    pub(crate) const SOMEWHERE: Self = Self::of(Sight::Names);

    const fn of(sight: Sight) -> Self {
        Self {
            sight,
            next: Next::Settings,
        }
    }

    /// Where nothing is known to hold no secret, but may say in which file or variable one is.
    pub(crate) const fn may_tell_where(self) -> bool {
        !matches!(self.next, Next::Given)
    }

    /// Whether a name here may be seen: what is no name of any setting may have a secret in it, as where a space is forgotten.
    pub(crate) fn shows_name(self, name: &str) -> bool {
        let plain = |sign: char| sign.is_alphanumeric() || "_-. ".contains(sign);
        match (self.sight, self.next) {
            (Sight::Nothing, _) => false,
            (Sight::Names, Next::Settings) => name.chars().all(plain),
            _ => true,
        }
    }

    pub(crate) const fn is_root(self) -> bool {
        matches!(self.next, Next::Sections)
    }

    /// The value of this name.
    pub(crate) fn into(self, name: &str) -> Self {
        match (self.sight, self.next) {
            (Sight::Nothing | Sight::Headers, _) => Self::of(Sight::Nothing),
            (Sight::Names, Next::Given) => Self::of(Sight::Names),
            _ if is_secret(name) => Self::of(Sight::Nothing),
            _ if name == "headers" => Self::of(Sight::Headers),
            (Sight::Open, Next::Sections) => Self::section(name),
            (Sight::Names, _) if KNOWN.0.contains(name) => Self::of(Sight::Plain),
            (sight, _) => Self::of(sight),
        }
    }

    fn section(name: &str) -> Self {
        let sections = &KNOWN.1;
        let known = match sections.contains(name) {
            true => Some(name),
            false => nearest(name, sections.iter().map(String::as_str)),
        };
        match known {
            _ if name.starts_with("x-") => Self::of(Sight::Open),
            Some("keys" | "providers") => Self {
                sight: Sight::Names,
                next: Next::Given,
            },
            Some("admin") => Self::of(Sight::Names),
            Some(_) => Self::of(Sight::Open),
            None if KNOWN.0.contains(name) => Self::of(Sight::Plain),
            // Nobody knows what was meant.
            None => Self::of(Sight::Names),
        }
    }
}
