//! What of a file may be seen. Excerpts stand in errors, which stand in logs: a secret has no place there.

use super::{
    excerpt,
    sight::{Sight, Walk},
    tree::{Node, Value},
};
use crate::config::Preset;

/// What stands for it.
pub(super) const HIDDEN: &str = "***";

/// How keys of providers begin.
const BEGINNINGS: [&str; 9] = [
    "sk-", "sk_", "pk-", "xai-", "gsk_", "AIza", "ghp_", "hf_", "eyJ",
];

/// Every secret that is written in the file, or has been put into it, and everything that may be one.
pub(crate) fn secrets(node: &Node) -> Vec<String> {
    let mut out = Vec::new();
    gather(node, Walk::ROOT, &mut out);
    // What holds another goes first.
    out.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    out.dedup();
    out
}

fn gather(node: &Node, walk: Walk, out: &mut Vec<String>) {
    match &node.value {
        Value::Scalar(scalar) => {
            let hidden = match walk.sight {
                Sight::Open | Sight::Plain => false,
                Sight::Nothing | Sight::Headers => true,
                // What must be a map, or has no name that is known. Of these nobody makes a secret.
                Sight::Names => {
                    let text = scalar.text.as_str();
                    !matches!(text, "true" | "false" | "null") && Preset::named(text).is_none()
                }
            };
            // What came from outside may be one wherever it was put.
            if !hidden && scalar.written.is_none() {
                return;
            }
            let lines = scalar.text.lines().map(str::trim);
            let all = std::iter::once(scalar.text.as_str()).chain(lines);
            out.extend(all.filter(|text| text.len() > 3).map(str::to_owned));
        }
        Value::List(list) => list.iter().for_each(|node| gather(node, walk, out)),
        Value::Map(entries) => {
            for (key, value) in entries {
                let tells_where = matches!(key.text.as_str(), "env" | "file");
                // `{ env: NAME }` says where it is, not what.
                let place =
                    entries.len() == 1 && tells_where && walk.may_tell_where() && !walk.is_root();
                if !walk.shows_name(&key.text) && !tells_where && key.text.len() > 3 {
                    out.push(key.text.clone());
                }
                match (place, &value.value) {
                    (true, Value::Scalar(scalar)) if scalar.written.is_none() => {}
                    _ => gather(value, walk.into(&key.text), out),
                }
            }
        }
    }
}

/// A message without these secrets, and without what looks like one.
pub(crate) fn message(text: &str, secrets: &[String]) -> String {
    let mut text = text.to_owned();
    for secret in secrets {
        if text.contains(secret.as_str()) {
            text = text.replace(secret.as_str(), HIDDEN);
        }
    }
    words(&text)
}

/// A line of the file, without its secrets. Of the same length as long as nothing is hidden.
pub(crate) fn line(source: &str, number: usize, secrets: &[String]) -> String {
    let lines: Vec<&str> = source.lines().take(number).collect();
    let Some(text) = number.checked_sub(1).and_then(|index| lines.get(index)) else {
        return String::new();
    };
    let text: String = text.chars().take(400).collect();
    let text = excerpt::last(&lines, &text);
    let text: String = text
        .chars()
        .map(|sign| if sign.is_control() { ' ' } else { sign })
        .collect();
    message(&text, secrets)
}

/// Whether a value says only where the secret is.
pub(super) fn elsewhere(value: &str) -> bool {
    let place = value.strip_prefix('{').map(str::trim_start);
    if place.is_some_and(|place| place.starts_with("env:") || place.starts_with("file:")) {
        return true;
    }
    let inside = value.trim_matches(['"', '\'']).strip_prefix("${");
    inside.is_some_and(|inside| {
        let end = inside.find(|sign: char| !sign.is_ascii_alphanumeric() && sign != '_');
        end.is_some_and(|end| inside[end..].starts_with('}'))
    })
}

/// A text, words that look like keys hidden, and what stands in an address beside host and path.
fn words(text: &str) -> String {
    let part = |sign: char| sign.is_ascii_alphanumeric() || "-_+/=.~".contains(sign);
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(part) {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        let end = rest.find(|sign| !part(sign)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        out.push_str(if looks_secret(word) { HIDDEN } else { word });
        rest = after;
        if let Some(address) = rest.strip_prefix("://") {
            let end = address.find([' ', '"', '\'', '`', ',', '}']);
            let (address, after) = address.split_at(end.unwrap_or(address.len()));
            out.push_str(&place(address));
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

/// What follows `://`: without user and query.
fn place(address: &str) -> String {
    let (path, query) = match address.split_once('?') {
        Some((path, _)) => (path, "?***"),
        None => (address, ""),
    };
    let host = path.find('/').unwrap_or(path.len());
    let (user, path) = match path[..host].rfind('@') {
        Some(at) => (HIDDEN, &path[at..]),
        None => ("", path),
    };
    format!("://{user}{path}{query}")
}

fn looks_secret(word: &str) -> bool {
    let known = BEGINNINGS.iter().any(|begin| word.starts_with(begin));
    if known && word.len() >= 10 {
        return true;
    }
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let plain = !word.contains(['/', '.']);
    plain && word.len() >= 32 && digits >= 4 && word.bytes().any(|byte| byte.is_ascii_alphabetic())
}
