//! What a line shows of an error: on one line, short, and without what may be a secret.

use std::{any::Any, error::Error, fmt, io};

use crate::{BoxError, rejection::chain};

/// Stands for what is left out.
const CUT: char = '…';

/// An error and its sources, in at most `length` bytes. Sources are told of boxed and of I/O errors; one whose text is
/// in the text before it is not told again. What follows the `?` or `#` of a URL is left out, and so are a user's name and
/// password in one.
pub(super) fn describe<E: fmt::Display + 'static>(error: &E, length: usize) -> String {
    let any: &dyn Any = error;
    let mut text = Text::new(length);
    // An error here says that the text is full.
    let _ = if let Some(boxed) = any.downcast_ref::<BoxError>() {
        text.chain(&**boxed)
    } else if let Some(error) = any.downcast_ref::<io::Error>() {
        text.chain(error)
    } else {
        fmt::write(&mut text, format_args!("{error}"))
    };
    scrub(&text.text)
}

/// A text that takes only so much.
struct Text {
    text: String,
    length: usize,
    full: bool,
}

// ===== impl Text =====

impl Text {
    const fn new(length: usize) -> Self {
        Self {
            text: String::new(),
            length,
            full: false,
        }
    }

    fn chain(&mut self, error: &(dyn Error + 'static)) -> fmt::Result {
        for (depth, error) in chain(error).enumerate() {
            if depth == 0 {
                fmt::write(self, format_args!("{error}"))?;
                continue;
            }
            let mut source = Self::new(self.length);
            let _ = fmt::write(&mut source, format_args!("{error}"));
            if !self.text.contains(&source.text) {
                fmt::write(self, format_args!(": {}", source.text))?;
            }
        }
        Ok(())
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        if self.full {
            return Err(fmt::Error);
        }
        for char in more.chars() {
            let char = if char.is_control() { ' ' } else { char };
            if self.text.len() + char.len_utf8() + CUT.len_utf8() > self.length {
                self.full = true;
                self.text.push(CUT);
                return Err(fmt::Error);
            }
            self.text.push(char);
        }
        Ok(())
    }
}

/// Leaves out what a URL may hold of secrets, and the query of anything that has one.
fn scrub(text: &str) -> String {
    let is_end = |char: char| char.is_whitespace() || "\"'`<>()[]{}".contains(char);
    let mut clean = String::with_capacity(text.len());
    for word in text.split_inclusive(is_end) {
        let (body, end) = match word.chars().next_back() {
            Some(last) if is_end(last) => word.split_at(word.len() - last.len_utf8()),
            _ => (word, ""),
        };
        match body.split_once("://") {
            Some((scheme, rest)) if !scheme.contains('?') => {
                clean.extend([scheme, "://"]);
                scrub_url(rest, &mut clean);
            }
            _ => cut_at(body, &['?'], &mut clean),
        }
        clean.push_str(end);
    }
    clean
}

/// Leaves out the user's name and password, the query and the fragment of what follows the `://` of a URL. An authority
/// that may hold a password nobody escaped, or was cut off before its end, is left out whole.
fn scrub_url(rest: &str, clean: &mut String) {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority.rsplit('@').next().unwrap_or(authority);
    let is_cut = path.is_empty() && authority.ends_with(CUT);
    let is_port = |port: &str| {
        let port = port.trim_end_matches([':', ',', ';', '.', '!']);
        port.bytes().all(|byte| byte.is_ascii_digit())
    };
    let has_port = host.split_once(':').is_none_or(|(_, port)| is_port(port));
    let user_goes_on = !path.starts_with('/') && path.split('/').next().is_some_and(has_at);
    if is_cut || !has_port || user_goes_on {
        clean.push(CUT);
    } else {
        clean.push_str(host);
    }
    if user_goes_on || !has_port {
        return;
    }
    cut_at(path, &['?', '#'], clean);
}

fn has_at(text: &str) -> bool {
    text.contains('@')
}

/// Leaves out what follows the first of these marks.
fn cut_at(text: &str, marks: &[char], clean: &mut String) {
    let Some(at) = text.find(marks) else {
        clean.push_str(text);
        return;
    };
    // Each is one byte.
    let (kept, left_out) = text.split_at(at + 1);
    clean.push_str(kept);
    if !left_out.is_empty() {
        clean.push(CUT);
    }
}
