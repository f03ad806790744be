//! What is said of a model that nobody has.

use crate::error::{Class, Error};

/// How many names are listed.
const LISTED: usize = 10;

/// How much of a client's text is quoted, in bytes.
const QUOTED: usize = 100;

/// How many names are compared, and up to which length, so that a client cannot make it costly.
const COMPARED: usize = 256;
const LONGEST: usize = 64;

/// The error for a model that is not among `known`.
pub(super) fn unknown<'a>(model: &str, known: impl Iterator<Item = &'a str> + Clone) -> Error {
    let mut message = format!("there is no model {:?}", quoted(model));
    if let Some(nearest) = nearest(model, known.clone()) {
        message.push_str(&format!("; did you mean {nearest:?}?"));
    }
    if let Some(listed) = listed(model, known) {
        message.push_str("; ");
        message.push_str(&listed);
    }
    not_found(message)
}

/// What an error says of the names that there are, where somebody asked for one that there is not: ten of them, those first that
/// are most like it, and how many more. `None` where there is none.
///
/// ```
/// let known = ["claude-haiku-4-5", "gpt-5", "gpt-5-mini"];
/// let said = campanile_llm::route::listed("gpt-5-mni", known).unwrap();
/// assert_eq!(said, "there are: gpt-5-mini, gpt-5, claude-haiku-4-5");
/// ```
#[must_use]
pub fn listed<'a>(asked: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let compared = asked.len() <= LONGEST;
    let mut names: Vec<_> = known
        .into_iter()
        .enumerate()
        .map(|(index, name)| {
            let compared = compared && index < COMPARED && name.len() <= LONGEST;
            let far = compared.then(|| farness(asked, name));
            (far.unwrap_or((u8::MAX, usize::MAX)), name)
        })
        .collect();
    names.sort_unstable();
    let more = names.len().saturating_sub(LISTED);
    let shown = names.iter().take(LISTED);
    let mut shown: Vec<_> = shown.map(|(_, name)| quoted(name)).collect();
    let more = format!("{more} more");
    if more != "0 more" {
        shown.push(&more);
    }
    (!shown.is_empty()).then(|| format!("there are: {}", shown.join(", ")))
}

/// How far a name is from what was asked for: whether one begins as the other, or has it within, whatever stands between letters and
/// digits, says more than how many of them differ.
fn farness(asked: &str, name: &str) -> (u8, usize) {
    let letters = |text: &str| -> String {
        let letters = text.chars().filter(|letter| letter.is_alphanumeric());
        letters.map(|letter| letter.to_ascii_lowercase()).collect()
    };
    let (one, other) = (letters(asked), letters(name));
    let (short, long) = match one.len() <= other.len() {
        true => (one, other),
        false => (other, one),
    };
    let apart = distance(asked, name);
    let alike = apart * 3 <= asked.len().max(name.len());
    let kind = match () {
        () if alike => 0,
        () if short.is_empty() => 3,
        () if long.starts_with(&short) => 1,
        () if long.contains(&short) => 2,
        () => 3,
    };
    (kind, apart)
}

pub(super) fn not_found(message: String) -> Error {
    Error::new(Class::ModelNotFound, message)
        .with_status(404)
        .with_kind("invalid_request_error")
        .with_code("model_not_found")
        .with_param("model")
}

/// As much of a client's text as is shown.
pub(super) fn quoted(text: &str) -> &str {
    let end = (0..=QUOTED.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}

/// The known name that differs least, if it differs in a third of its letters at most.
fn nearest<'a>(model: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if model.len() > LONGEST {
        return None;
    }
    let most = (model.len() / 3).clamp(1, 4);
    known
        .take(COMPARED)
        .filter(|name| name.len() <= LONGEST && name.len().abs_diff(model.len()) <= most)
        .map(|name| (distance(model, name), name))
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, name)| name)
}

/// How many letters must be changed, added or left out (Levenshtein), whatever the case.
fn distance(one: &str, other: &str) -> usize {
    let other = other.as_bytes();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let changed = diagonal + usize::from(!a.eq_ignore_ascii_case(b));
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_nearest_first_and_how_many_more_there_are() {
        let names: Vec<String> = (0..30).map(|n| format!("model-{n:02}")).collect();
        let error = unknown("modle-07", names.iter().map(String::as_str));
        assert_eq!(error.class(), Class::ModelNotFound);
        assert_eq!((error.param(), error.status()), (Some("model"), Some(404)));
        let message = error.message();
        assert!(message.contains("there is no model \"modle-07\"; did you mean \"model-07\"?"));
        let listed = "; there are: model-07, model-00, model-01, model-02, ";
        assert!(message.contains(listed), "{message}");
        assert!(message.ends_with(", 20 more"), "{message}");
    }

    #[test]
    fn lists_what_is_most_like_it_first_and_no_more_than_can_be_read() {
        let known = [
            "a-model",
            "claude-sonnet-4-5",
            "gpt-5",
            "gpt-5-mini",
            "openrouter/auto",
        ];
        let first = |asked: &str| {
            let said = listed(asked, known).unwrap();
            let names = said.strip_prefix("there are: ").unwrap();
            names.split(", ").next().unwrap().to_owned()
        };
        for (asked, nearest) in [
            ("gpt5", "gpt-5"),
            ("GPT-5-MINI-2025", "gpt-5-mini"),
            ("claude", "claude-sonnet-4-5"),
            ("auto", "openrouter/auto"),
            ("gpt-5-turbo-preview", "gpt-5"),
            // Nothing to go by.
            ("", "gpt-5"),
            (&"x".repeat(1_000), "a-model"),
        ] {
            assert_eq!(first(asked), nearest, "{asked}");
        }
        let long: Vec<String> = (0..50)
            .map(|n| format!("{n}{}", "m".repeat(5_000)))
            .collect();
        let said = listed("x", long.iter().map(String::as_str)).unwrap();
        assert!(said.len() < 1_100 && said.ends_with("40 more"), "{said}");
        assert_eq!(listed("x", []), None);
    }

    #[test]
    fn says_nothing_of_what_is_far_off_and_quotes_little() {
        let error = unknown(&"ä".repeat(5_000), ["gpt-5"].into_iter());
        assert!(error.message().len() < 300);
        assert!(!error.message().contains("did you mean"));
        let error = unknown("x", std::iter::empty());
        assert_eq!(error.message(), "there is no model \"x\"");
    }

    #[test]
    fn writes_nothing_that_controls_a_terminal_or_a_log() {
        let error = unknown("gpt\u{1b}[31m\r\n\u{202e}5\0", ["gpt-5"].into_iter());
        let message = error.message();
        assert!(!message.chars().any(char::is_control), "{message:?}");
        assert!(!message.contains('\u{202e}'), "{message:?}");
    }

    #[test]
    fn counts_letters() {
        assert_eq!(distance("GPT-5", "gpt-5"), 0);
        assert_eq!(distance("gpt5", "gpt-5"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
