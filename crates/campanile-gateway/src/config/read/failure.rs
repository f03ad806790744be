use std::fmt;

use serde::de::{self, Unexpected};

use super::{
    problem::{Problem, joined, quoted},
    suggest::instead,
    tree::{Node, Place, Value},
};

/// What serde says of a value, and of which, once that is known.
#[derive(Debug)]
pub(super) struct Failure {
    what: What,
    pub(super) found: Option<Found>,
    /// Whether it follows from another that was told.
    pub(super) silent: bool,
}

#[derive(Debug)]
pub(super) struct Found {
    path: String,
    place: Place,
}

#[derive(Debug)]
enum What {
    Kind {
        found: String,
        expected: String,
    },
    Variant {
        name: String,
        known: &'static [&'static str],
    },
    Unknown {
        name: String,
        known: &'static [&'static str],
    },
    Missing(&'static str),
    Twice(&'static str),
    Other(String),
}

// ===== impl Failure =====

impl Failure {
    const fn of(what: What) -> Self {
        Self {
            what,
            found: None,
            silent: false,
        }
    }

    /// The failure of this value, unless it is of one within. The value counts as broken.
    pub(super) fn at(mut self, path: &str, node: &Node) -> Self {
        if self.found.is_some() {
            return self;
        }
        node.broken.set(true);
        if let Value::Scalar(scalar) = &node.value
            && scalar.written.is_some()
        {
            self.what = self.what.without(&scalar.text);
        }
        let (mut path, mut place) = (path.to_owned(), node.place);
        // Of some types serde reads a copy, which has forgotten where it is from.
        if let What::Variant { name, .. } | What::Unknown { name, .. } = &self.what {
            let mut entries = node.entries().iter();
            if let Some((key, _)) = entries.find(|(key, _)| key.text == *name) {
                path = joined(&path, name);
                place = key.place;
            }
        }
        self.found = Some(Found { path, place });
        self
    }

    /// Whether it is that something is missing which is broken, of which that has been said.
    pub(super) fn follows(&self, node: &Node) -> bool {
        match self.what {
            What::Missing(name) => node.get(name).is_some_and(|value| value.broken.get()),
            _ => false,
        }
    }

    /// The same of a secret: what is said tells nothing of it.
    pub(super) fn of_a_secret(mut self) -> Self {
        if self.found.is_none() && matches!(self.what, What::Variant { .. } | What::Other(_)) {
            let message = "it must be a text, `{ env: NAME }` or `{ file: PATH }`";
            self.what = What::Other(message.to_owned());
        }
        self
    }

    pub(super) fn problem(&self) -> Problem {
        let (path, place) = match &self.found {
            Some(found) => (found.path.as_str(), found.place),
            None => ("", Place::default()),
        };
        Problem::new(path, place, self.what.to_string())
    }
}

impl What {
    /// The same without a text that was put in: nobody knows whether it is a secret.
    fn without(self, text: &str) -> Self {
        match self {
            Self::Variant { name, .. } if name == text => {
                Self::Other("what was put in is none of its values".to_owned())
            }
            Self::Other(message) if !text.is_empty() => {
                let message = message.replace(&format!("{text:?}"), "what was put in");
                Self::Other(match text.len() {
                    0..4 => message,
                    _ => message.replace(text, "what was put in"),
                })
            }
            other => other,
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind { found, expected } => write!(f, "it is {found}, and must be {expected}"),
            Self::Variant { name, known } => {
                let hint = instead(name, known.iter().copied(), "there are");
                write!(f, "{} is none of its values{hint}", quoted(name))
            }
            Self::Unknown { name, known } => {
                let hint = instead(name, known.iter().copied(), "there are");
                write!(f, "there is no such setting{hint}")
            }
            Self::Missing(name) => write!(f, "`{name}` is missing"),
            Self::Twice(name) => write!(f, "`{name}` is written twice, maybe by its other name"),
            Self::Other(message) => f.write_str(message),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.what.fmt(f)
    }
}

impl std::error::Error for Failure {}

impl de::Error for Failure {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::of(What::Other(message.to_string()))
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        // What it is the excerpt shows; a text may be a secret.
        let found = match unexpected {
            Unexpected::Bool(value) => format!("`{value}`"),
            Unexpected::Unsigned(_) | Unexpected::Signed(_) => "a number".to_owned(),
            Unexpected::Float(_) => "a number with a fraction".to_owned(),
            Unexpected::Str(_) | Unexpected::Char(_) => "a text".to_owned(),
            Unexpected::Unit | Unexpected::Option => "empty".to_owned(),
            Unexpected::Seq => "a list".to_owned(),
            Unexpected::Map => "a map".to_owned(),
            _ => "something else".to_owned(),
        };
        Self::of(What::Kind {
            found,
            expected: plain(expected),
        })
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let found = match unexpected {
            Unexpected::Unsigned(value) => value.to_string(),
            Unexpected::Signed(value) => value.to_string(),
            Unexpected::Float(value) => value.to_string(),
            _ => return Self::invalid_type(unexpected, expected),
        };
        Self::of(What::Kind {
            found,
            expected: plain(expected),
        })
    }

    fn unknown_variant(name: &str, known: &'static [&'static str]) -> Self {
        let name = name.to_owned();
        Self::of(What::Variant { name, known })
    }

    fn unknown_field(name: &str, known: &'static [&'static str]) -> Self {
        let name = name.to_owned();
        Self::of(What::Unknown { name, known })
    }

    fn missing_field(name: &'static str) -> Self {
        Self::of(What::Missing(name))
    }

    fn duplicate_field(name: &'static str) -> Self {
        Self::of(What::Twice(name))
    }
}

/// What serde expects, in the words of the file and not of Rust.
fn plain(expected: &dyn de::Expected) -> String {
    let expected = expected.to_string();
    match expected.as_str() {
        "u16" => "a whole number from 0 to 65,535".to_owned(),
        "u32" => "a whole number from 0 to 4,294,967,295".to_owned(),
        "u64" | "usize" => "a whole number, 0 or more".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a boolean" => "`true` or `false`".to_owned(),
        "a string" | "string" => "a text".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "a map".to_owned(),
        "socket address" => "an address with a port, such as `127.0.0.1:8080`".to_owned(),
        other if other.starts_with("struct ") => "a map of settings".to_owned(),
        other if other.starts_with("enum ") => "a name".to_owned(),
        other => other.to_owned(),
    }
}
