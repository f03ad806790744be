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
    let mut names: Vec<_> = known.clone().take(LISTED).collect();
    let more = known.count() - names.len();
    let more = format!("{more} more");
    if more != "0 more" {
        names.push(&more);
    }
    if !names.is_empty() {
        message.push_str(&format!("; there are: {}", names.join(", ")));
    }
    not_found(message)
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
    fn tells_the_nearest_and_the_first_of_the_others() {
        let names: Vec<String> = (0..30).map(|n| format!("model-{n:02}")).collect();
        let error = unknown("modle-07", names.iter().map(String::as_str));
        assert_eq!(error.class(), Class::ModelNotFound);
        assert_eq!((error.param(), error.status()), (Some("model"), Some(404)));
        let message = error.message();
        assert!(message.contains("there is no model \"modle-07\"; did you mean \"model-07\"?"));
        assert!(message.ends_with("model-09, 20 more"), "{message}");
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
