//! What a request says of how much is written for it: under every name that a server may mind.

use serde_json::Value;

use super::request::{ChatRequest, invalid};
use crate::{error::Error, json::Object};

/// The names of the limit of an answer's tokens: OpenAI's two, and llama.cpp's, which goes before both there.
const NAMES: [&str; 3] = ["max_completion_tokens", "max_tokens", "n_predict"];

/// Where Ollama has options of its own, and the limit among them, which goes before the others there.
const OPTIONS: &str = "options";
const NUM_PREDICT: &str = "num_predict";

/// The names of how many answers are asked for: OpenAI's, and llama.cpp's, which goes before it there.
const CHOICES: [&str; 2] = ["n", "n_cmpl"];

/// Whether a field says how many answers are asked for.
pub(super) fn is_choices(field: &str) -> bool {
    CHOICES.contains(&field)
}

/// Whether a field may say how many tokens an answer may have.
pub(super) fn is_limit(field: &str) -> bool {
    field == OPTIONS || NAMES.contains(&field)
}

/// How many tokens an answer may have: the most that is said under any name, since servers differ in the one that they mind.
/// Below 0 is no limit, whatever the others say.
pub(super) fn most_tokens(object: &Object) -> Result<Option<u64>, Error> {
    let (mut most, mut endless) = (None, false);
    let mut add = |object: &Object, name| {
        match object.read::<i64>(name) {
            Ok(Some(none)) if none < 0 => endless = true,
            _ => most = most.max(object.read(name)?),
        }
        Ok::<_, serde_json::Error>(())
    };
    for name in NAMES {
        add(object, name).map_err(|error| unread(name, &error))?;
    }
    // What is no object there is a server's to refuse.
    if let Ok(Some(options)) = object.read::<Object>(OPTIONS) {
        add(&options, NUM_PREDICT).map_err(|error| unread("options.num_predict", &error))?;
    }
    Ok(most.filter(|_| !endless))
}

/// How many answers are asked for: the most that is said under any name.
pub(super) fn choices(object: &Object) -> Result<u64, Error> {
    let mut most = 1;
    for name in CHOICES {
        let said: Option<u64> = object.read(name).map_err(|error| unread(name, &error))?;
        most = most.max(said.unwrap_or(1));
    }
    Ok(most)
}

/// The same of fields that were set here, which are passed on however they are written: what a server may take for a number is
/// one.
pub(super) fn set_choices(object: &Object) -> u64 {
    let number = |name| match object.read(name) {
        Ok(Some(Value::Number(number))) => number.as_f64(),
        Ok(Some(Value::String(text))) => text.trim().parse().ok(),
        _ => None,
    };
    let said = CHOICES.into_iter().filter_map(number);
    said.map(|number: f64| number.ceil() as u64)
        .fold(1, u64::max)
}

fn unread(name: &str, error: &serde_json::Error) -> Error {
    invalid(format!("{name}: {error}"), Some(name))
}

// ===== impl ChatRequest =====

impl ChatRequest {
    /// The same request with so many tokens less for its answer, by every name under which it has a limit. `None` where one of
    /// them leaves nothing.
    pub(crate) fn with_less_tokens(mut self, taken: u64) -> Option<Self> {
        let less = |most: u64| most.checked_sub(taken).filter(|left| *left > 0);
        for name in NAMES {
            if let Ok(Some(most)) = self.object().read(name) {
                self = self.field(name, &less(most)?);
            }
        }
        let options = self.object().read::<Object>(OPTIONS);
        if let Ok(Some(mut options)) = options
            && let Ok(Some(most)) = options.read(NUM_PREDICT)
        {
            options.set(NUM_PREDICT, &less(most)?);
            self = self.field(OPTIONS, &options);
        }
        Some(self)
    }
}
