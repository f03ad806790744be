//! What is shown of errors.

use std::{error::Error, fmt, io};

use proptest::prelude::*;

use super::*;
use crate::trace::text::describe;

#[derive(Debug)]
struct Around(&'static str, BoxError);

impl fmt::Display for Around {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for Around {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.1)
    }
}

fn boxed(text: &str) -> BoxError {
    text.into()
}

#[test]
fn sources_follow_their_error_and_are_not_told_twice() {
    let error: BoxError = Around(
        "no answer",
        Around("connect", io::Error::other("refused").into()).into(),
    )
    .into();
    assert_eq!(describe(&error, 512), "no answer: connect: refused");
    let error: BoxError = Around("no answer: refused", boxed("refused")).into();
    assert_eq!(describe(&error, 512), "no answer: refused");
    assert_eq!(
        describe(&io::Error::other(Around("a", boxed("b"))), 512),
        "a: b"
    );
    assert_eq!(describe(&7, 512), "7", "an error of any type");
}

#[test]
fn a_text_is_one_short_line() {
    assert_eq!(
        describe(&boxed("one\r\ntwo\tthree\u{1b}[31m"), 512),
        "one  two three [31m"
    );
    let long = describe(&boxed(&"ä".repeat(10_000)), 64);
    assert!(long.len() <= 64 && long.ends_with("ä…"), "{long}");
    let deep = (0..1_000).fold(boxed("end"), |error, _| {
        Around("again and again", error).into()
    });
    assert_eq!(describe(&deep, 512), "again and again: end");
    assert_eq!(describe(&boxed("just enough so!?"), 19), "just enough so!?");
}

#[test]
fn queries_and_passwords_are_left_out() {
    for (text, shown) in [
        (
            "error sending request for url (https://api.example/v1/chat?key=s3cret&b=2)",
            "error sending request for url (https://api.example/v1/chat?…)",
        ),
        ("GET /v1?key=s3cret failed", "GET /v1?… failed"),
        (
            "https://me:s3cret@api.example/v1: refused",
            "https://api.example/v1: refused",
        ),
        ("postgres://me:s3cr@et@db/x?s3cret", "postgres://db/x?…"),
        (
            "https://app.example/back#access_token=s3cret",
            "https://app.example/back#…",
        ),
        // No URLs by their standard, but passwords of people who did not escape theirs.
        ("postgres://me:s3?cr@et@db/x", "postgres://…"),
        ("amqp://me:s3/cret@mq:5672/x", "amqp://…"),
        ("http://127.0.0.1:8080/v1", "http://127.0.0.1:8080/v1"),
        ("http://[::1]:8080/v1?s3cret", "http://[::1]:8080/v1?…"),
        ("https://api.example/@me/a:b", "https://api.example/@me/a:b"),
        (
            "see https://api.example: refused",
            "see https://api.example: refused",
        ),
        ("what? no", "what? no"),
        ("who@where is fine", "who@where is fine"),
        ("what?", "what?"),
    ] {
        assert_eq!(describe(&boxed(text), 512), shown);
    }
}

/// Whatever is cut off, and so cannot be seen to follow.
#[test]
fn a_text_that_is_cut_shows_no_part_of_a_password() {
    let error = boxed("error sending request: https://me:s3cret-s3cret@api.example/v1?key=s3cret");
    for length in 16..100 {
        let shown = describe(&error, length);
        assert!(
            !shown.contains("s3") && !shown.contains("me:"),
            "{length}: {shown}"
        );
    }
}

proptest! {
    #[test]
    fn no_text_is_longer_than_it_may_be_and_none_has_two_lines(text in "\\PC{0,80}[\\n?@:/ ]{0,9}\\PC{0,80}", length in 16_usize..100) {
        let shown = describe(&boxed(&text), length);
        // What is left out has a mark of three bytes.
        let marks = text.matches(['?', '#']).count() + text.matches("://").count();
        prop_assert!(shown.len() <= length + 3 * marks, "{} {}", shown, length);
        prop_assert!(!shown.chars().any(char::is_control));
    }
}
