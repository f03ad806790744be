//! What of a file may be seen. Excerpts stand in errors, which stand in logs: a secret has no place there.

use super::tree::{Node, Value};

/// What stands for it.
const HIDDEN: &str = "***";

/// How keys of providers begin.
const BEGINNINGS: [&str; 9] = [
    "sk-", "sk_", "pk-", "xai-", "gsk_", "AIza", "ghp_", "hf_", "eyJ",
];

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

/// Whether all values within a setting of this name are secrets.
fn holds_secrets(name: &str) -> bool {
    name == "headers"
}

/// Every secret that is written in the file, or has been put into it.
pub(crate) fn secrets(node: &Node) -> Vec<String> {
    fn gather(node: &Node, hidden: bool, out: &mut Vec<String>) {
        match &node.value {
            Value::Scalar(scalar) if hidden && scalar.text.len() > 3 => {
                out.push(scalar.text.clone());
            }
            // What came from outside may be one wherever it was put.
            Value::Scalar(scalar) if scalar.written.is_some() && scalar.text.len() > 3 => {
                out.push(scalar.text.clone());
            }
            Value::Scalar(_) => {}
            Value::List(list) => list.iter().for_each(|node| gather(node, hidden, out)),
            Value::Map(entries) => {
                // `{ env: NAME }` says where it is, not what.
                let place = hidden && entries.len() == 1;
                for (key, value) in entries {
                    let place = place && matches!(key.text.as_str(), "env" | "file");
                    let hidden = hidden || is_secret(&key.text) || holds_secrets(&key.text);
                    gather(value, hidden && !place, out);
                }
            }
        }
    }
    let mut out = Vec::new();
    gather(node, false, &mut out);
    // What holds another goes first.
    out.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    out.dedup();
    out
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
    let text = match within(&lines) {
        Some(true) => hidden_after(&text, text.len() - text.trim_start().len()),
        Some(false) => match text.find(": ") {
            Some(colon) => hidden_after(&text, colon + 2),
            None => hidden_after(&text, text.len() - text.trim_start().len()),
        },
        None => values(&text),
    };
    let text: String = text
        .chars()
        .map(|sign| if sign.is_control() { ' ' } else { sign })
        .collect();
    message(&text, secrets)
}

/// Whether the last line is within a secret (`true`), or within a map of them (`false`).
fn within(lines: &[&str]) -> Option<bool> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let (last, before) = lines.split_last()?;
    let mut most = indent(last);
    for line in before.iter().rev().filter(|line| !line.trim().is_empty()) {
        if indent(line) >= most {
            continue;
        }
        most = indent(line);
        let line = line.trim_start().trim_start_matches("- ");
        let name = line
            .split(':')
            .next()
            .unwrap_or_default()
            .trim_matches(['"', '\'']);
        if holds_secrets(name) {
            return Some(false);
        }
        if is_secret(name) {
            let place = last.trim_start();
            return (!place.starts_with("env:") && !place.starts_with("file:")).then_some(true);
        }
    }
    None
}

/// A line, the values of its secret settings hidden.
fn values(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(colon) = rest.find(':') {
        let (before, after) = rest.split_at(colon + 1);
        out.push_str(before);
        rest = after;
        let name = before[..colon].trim_end().trim_end_matches(['"', '\'']);
        let part = |sign: char| sign.is_ascii_alphanumeric() || sign == '_' || sign == '-';
        let name = name.rsplit(|sign| !part(sign)).next().unwrap_or_default();
        let name = name.trim_start_matches('-');
        if holds_secrets(name) && !rest.trim().is_empty() {
            out.push(' ');
            out.push_str(HIDDEN);
            return out;
        }
        let value = rest.trim_start();
        if is_secret(name) && !value.is_empty() && !elsewhere(value) {
            out.push(' ');
            out.push_str(HIDDEN);
            let open = value
                .chars()
                .next()
                .filter(|sign| matches!(sign, '"' | '\''));
            // Where a value of one line ends nobody knows for sure: what follows is told only after a clear end.
            let end = match open {
                Some(quote) => value[1..].find(quote).map(|end| end + 2),
                None if value.starts_with("${") => None,
                None => value.find([',', '}']),
            };
            rest = end.map_or("", |end| &value[end..]);
        }
    }
    out.push_str(rest);
    out
}

/// Whether a value says only where the secret is.
fn elsewhere(value: &str) -> bool {
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

fn hidden_after(text: &str, start: usize) -> String {
    format!("{}{HIDDEN}", text.get(..start).unwrap_or_default())
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
