//! What messages show and hide.

use std::{error::Error, fmt, iter};

use proptest::prelude::*;

use super::{
    super::text::{bound, conceal, describe},
    *,
};

#[derive(Debug)]
struct Around(&'static str, Option<BoxError>);

impl fmt::Display for Around {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for Around {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.1.as_ref().map(|error| &**error as _)
    }
}

#[test]
fn an_error_is_told_with_its_sources_and_each_once() {
    let refused = Around("connection refused", None);
    let connect = Around("tcp: connection refused", Some(refused.into()));
    let client = Around("client error", Some(connect.into()));
    assert_eq!(
        describe(&client, iter::empty()),
        "client error: tcp: connection refused"
    );
}

#[test]
fn users_and_queries_of_uris_are_hidden() {
    let cases = [
        (
            "sending to http://me:pass@host:80/v1?key=abc failed",
            "sending to http://***@host:80/v1?*** failed",
        ),
        ("https://host?key=a,b;c", "https://host?***"),
        ("https://a@b@host/", "https://***@host/"),
        ("https://[::1]:8/x", "https://[::1]:8/x"),
        (
            "<http://u@h/> and http://h/?q=1",
            "<http://***@h/> and http://h/?***",
        ),
        ("no uri: //a@b?c", "no uri: //a@b?c"),
    ];
    for (text, shown) in cases {
        assert_eq!(conceal(text, iter::empty()), shown);
    }
}

#[test]
fn known_secrets_are_hidden_wherever_they_stand() {
    assert_eq!(
        conceal("bad key sk-1234, twice sk-1234", ["sk-1234"]),
        "bad key ***, twice ***"
    );
    // Too short to be one; it would make every message unreadable.
    assert_eq!(conceal("port 80", ["80", ""]), "port 80");
}

#[test]
fn long_messages_are_cut_between_characters() {
    assert_eq!(bound("ééé".to_owned(), 2), "éé…");
    assert_eq!(bound("ééé".to_owned(), 3), "ééé");
    let long = "x".repeat(100_000);
    assert_eq!(conceal(&long, iter::empty()).chars().count(), 257);
}

proptest! {
    #[test]
    fn no_secret_survives_in_a_uri(
        before in "[a-z ]{0,8}",
        user in "[A-Z0-9]{4,12}",
        password in "[A-Z0-9]{4,12}",
        query in "[A-Z0-9=&,;()']{4,20}",
        after in "( [a-z/?@]{0,8})?",
    ) {
        let text = format!("{before}http://{user}:{password}@host/path?{query}{after}");
        let shown = conceal(&text, iter::empty());
        prop_assert!(!shown.contains(&user) && !shown.contains(&password) && !shown.contains(&query), "{shown}");
        prop_assert!(shown.contains("@host/path?***"));
        prop_assert!(shown.ends_with(&after));
    }

    #[test]
    fn any_text_is_fit(text in ".{0,400}", secret in ".{0,8}") {
        prop_assert!(conceal(&text, [&*secret]).chars().count() <= 257);
    }
}

#[tokio::test]
async fn an_error_of_a_function_shows_no_query_and_is_cut() {
    let probe = |_: Check<()>| async {
        let error = format!(
            "GET https://me:pass@host/v1?key=hush failed: {}",
            "x".repeat(1_000)
        );
        Err::<(), _>(error)
    };
    let report = probe.check(Check::new(Endpoint::new("one"), ())).await;
    assert!(
        report
            .message
            .starts_with("GET https://***@host/v1?*** failed: xxx")
    );
    assert!(report.message.chars().count() <= 257);
}
