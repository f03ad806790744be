//! What a line shows of an error: on one line, short, and without what may be a secret.

use std::{any::Any, error::Error, fmt, io};

use crate::{BoxError, rejection::chain};

/// An error and its sources, in at most `length` bytes. Sources are told of boxed and of I/O errors; one whose text is
/// in the text before it is not told again. What stands between the `?` and the end of a URL is left out, and so are a
/// user's name and password in one.
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
        const CUT: char = '…';
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

/// Leaves out queries, and what stands before the `@` of a URL's authority.
fn scrub(text: &str) -> String {
    let is_end = |char: char| char.is_whitespace() || "\"'`<>()[]{}".contains(char);
    let mut clean = String::with_capacity(text.len());
    for word in text.split_inclusive(is_end) {
        let (body, end) = match word.chars().next_back() {
            Some(last) if is_end(last) => word.split_at(word.len() - last.len_utf8()),
            _ => (word, ""),
        };
        let (path, query) = match body.split_once('?') {
            Some((path, query)) if !query.is_empty() => (path, "?…"),
            Some((path, _)) => (path, "?"),
            None => (body, ""),
        };
        match path.split_once("://") {
            Some((scheme, rest)) => {
                let authority = rest.split('/').next().unwrap_or(rest);
                let user = authority.rfind('@').map_or(0, |at| at + 1);
                clean.extend([scheme, "://", &rest[user..]]);
            }
            None => clean.push_str(path),
        }
        clean.extend([query, end]);
    }
    clean
}
