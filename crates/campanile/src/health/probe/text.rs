//! What reports say of errors: their whole chain, within bounds, and no secret.

use std::{borrow::Cow, error::Error};

use crate::rejection::chain;

/// The longest message, in characters: a status is kept of each of many endpoints.
const LONGEST: usize = 256;

/// What stands in a secret's place.
const HIDDEN: &str = "***";

/// Shorter ones are no secrets, and would be found everywhere.
const SHORTEST_SECRET: usize = 4;

/// An error and its sources. Hides `secrets`, and of every URI in it the user information and the query.
pub(super) fn describe<'a>(
    error: &(dyn Error + 'static),
    secrets: impl IntoIterator<Item = &'a str>,
) -> String {
    let mut text = String::new();
    for error in chain(error) {
        let part = error.to_string();
        // Many errors say their source's text within their own.
        if text.contains(&part) {
            continue;
        }
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&part);
    }
    conceal(&text, secrets)
}

/// The text without `secrets`, and without user information and queries of URIs; cut where it is too long.
pub(super) fn conceal<'a>(text: &str, secrets: impl IntoIterator<Item = &'a str>) -> String {
    let mut text = hide_in_uris(text);
    for secret in secrets {
        if secret.len() >= SHORTEST_SECRET && text.contains(secret) {
            text = text.replace(secret, HIDDEN);
        }
    }
    bound(text, LONGEST)
}

/// Cut where it is longer than so many characters.
pub(super) fn bound(mut text: String, longest: usize) -> String {
    if let Some((at, _)) = text.char_indices().nth(longest) {
        text.truncate(at);
        text.push('…');
    }
    // A character has four bytes at most: what a long text took is given back.
    text.shrink_to(4 * longest);
    text
}

/// Messages and metrics of several probes say whose they are.
pub(super) fn named(name: &str, metric: &str) -> Cow<'static, str> {
    format!("{name}_{metric}").into()
}

fn hide_in_uris(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        shown.push_str(before);
        // Only what no URI can contain ends one: too much is hidden rather than too little.
        let end = after
            .find(|c: char| c.is_whitespace() || matches!(c, '"' | '<' | '>'))
            .unwrap_or(after.len());
        let (uri, after) = after.split_at(end);
        hide_in_uri(uri, &mut shown);
        rest = after;
    }
    shown.push_str(rest);
    shown
}

/// Of `user:password@host/path?query`.
fn hide_in_uri(uri: &str, shown: &mut String) {
    let authority = uri.find(['/', '?', '#']).unwrap_or(uri.len());
    let (authority, rest) = uri.split_at(authority);
    match authority.rsplit_once('@') {
        Some((_, host)) => {
            shown.push_str(HIDDEN);
            shown.push('@');
            shown.push_str(host);
        }
        None => shown.push_str(authority),
    }
    match rest.split_once('?') {
        Some((path, _)) => {
            shown.push_str(path);
            shown.push('?');
            shown.push_str(HIDDEN);
        }
        None => shown.push_str(rest),
    }
}
