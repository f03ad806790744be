use serde_json::Value;

use super::shown::reframed;
use crate::{
    chat::{ChatEvent, Part},
    dialect::{Dialect, neutral::Delta},
    error::{Class, Error},
};

/// Where a second stream is joined to the text of the first.
#[derive(Debug)]
pub(super) struct Seam {
    dialect: Dialect,
    /// White space that the caller has had, and the model was not told of: it may write it again.
    blank: String,
}

// ===== impl Seam =====

impl Seam {
    pub(super) fn new(dialect: Dialect, blank: &str) -> Self {
        Self {
            dialect,
            blank: blank.to_owned(),
        }
    }

    /// Takes an event of the second stream, which says this: its first event to pass on, and the text that it adds; or
    /// nothing, while it has not come to its text.
    ///
    /// # Errors
    ///
    /// When it has something else than text first, or ends without any.
    pub(super) fn join(
        &mut self,
        event: ChatEvent,
        says: &[Delta],
    ) -> Result<Option<(ChatEvent, String)>, Error> {
        let mut text = String::new();
        for delta in says {
            match delta {
                Delta::Text(more) => text.push_str(more),
                Delta::Start { .. } | Delta::Usage(_) | Delta::Finish(_) => {}
                _ => return Err(no_text()),
            }
        }
        let had = common(&self.blank, &text);
        let rest = &text[had..];
        if rest.is_empty() {
            if event.part() == Part::End || event.finish().is_some() {
                return Err(no_text());
            }
            self.blank.drain(..had);
            return Ok(None);
        }
        let event = match had {
            0 => event,
            _ => with_text(self.dialect, &event, rest).ok_or_else(no_text)?,
        };
        Ok(Some((event, rest.to_owned())))
    }
}

/// What is wrong with a second stream that has no text to go on with.
pub(super) fn no_text() -> Error {
    Error::new(
        Class::Malformed,
        "the stream does not go on with the text that it was given",
    )
}

/// How many bytes two texts have in common at their begin.
fn common(one: &str, other: &str) -> usize {
    let pairs = one.chars().zip(other.chars());
    let same = pairs.take_while(|(one, other)| one == other);
    same.map(|(char, _)| char.len_utf8()).sum()
}

/// The same event with another text.
fn with_text(dialect: Dialect, event: &ChatEvent, text: &str) -> Option<ChatEvent> {
    let mut data: Value = serde_json::from_slice(event.data()).ok()?;
    let place = match dialect {
        Dialect::OpenAi => "/choices/0/delta/content",
        Dialect::Anthropic => "/delta/text",
    };
    *data.pointer_mut(place)? = text.into();
    Some(reframed(dialect, event, &data))
}
