//! A line of the file as it may be seen, whether or not the file is YAML.

use super::{
    hide::{HIDDEN, elsewhere},
    sight::{Sight, Walk},
};

/// What is known at the end of a line.
#[derive(Clone, Copy)]
struct End {
    walk: Walk,
    /// Whether a value of the line may go on in the next.
    goes_on: bool,
}

/// The last of these lines, as it may be seen. Of the same length as long as nothing is hidden.
pub(super) fn last(lines: &[&str], shown: &str) -> String {
    let Some((text, before)) = lines.split_last() else {
        return String::new();
    };
    let start = above(text, before);
    let indent = shown.len() - shown.trim_start().len();
    let hidden = || format!("{}{HIDDEN}", &shown[..indent]);
    let sight = start.walk.sight;
    if shown.trim().is_empty() || start.goes_on && sight.shows_values() {
        return shown.to_owned();
    }
    if start.goes_on {
        return hidden();
    }
    if sight == Sight::Nothing {
        let place = shown.trim_start();
        return match place.starts_with("env:") || place.starts_with("file:") {
            true => shown.to_owned(),
            false => hidden(),
        };
    }
    Line::new(shown, start.walk).read().0
}

/// Where a line is, by the lines above it that are indented less.
fn above(text: &str, before: &[&str]) -> End {
    let mut most = column(text);
    let mut above = Vec::new();
    for line in before.iter().rev() {
        let blank = line.trim_start();
        if blank.is_empty() || blank.starts_with('#') || column(line) >= most {
            continue;
        }
        most = column(line);
        above.push(*line);
    }
    let root = End {
        walk: Walk::ROOT,
        goes_on: false,
    };
    above.iter().rev().fold(root, |end, line| match end {
        // Of a text of several lines nothing is a name.
        End { goes_on: true, .. } => end,
        End { walk, .. } => Line::new(line, walk).read().1,
    })
}

/// Where a line begins, behind the dashes of lists.
fn column(line: &str) -> usize {
    let start = line.trim_start_matches(|sign: char| sign.is_whitespace() || sign == '-');
    let dashes = &line[..line.len() - start.len()];
    match dashes.ends_with('-') {
        // A dash that belongs to what follows, as in `-1` and `---`.
        true => line.len() - line.trim_start().len(),
        false => dashes.len(),
    }
}

/// A line that is read from left to right.
struct Line<'t> {
    rest: &'t str,
    out: String,
    /// What is around the brackets that are open.
    open: Vec<Walk>,
    /// What a name belongs to.
    around: Walk,
    /// What a value belongs to.
    walk: Walk,
    /// Whether a name may come: not behind another.
    fresh: bool,
    /// Whether the value of a block has begun.
    value: bool,
    start: Walk,
}

// ===== impl Line =====

impl<'t> Line<'t> {
    fn new(text: &'t str, start: Walk) -> Self {
        Self {
            rest: text,
            out: String::with_capacity(text.len()),
            open: Vec::new(),
            around: start,
            walk: start,
            fresh: true,
            value: false,
            start,
        }
    }

    fn read(mut self) -> (String, End) {
        while let Some(sign) = self.rest.chars().next() {
            let begins = self.out.trim_start_matches(['-', ' ']).is_empty();
            match sign {
                '#' if self.out.is_empty() || self.out.ends_with(char::is_whitespace) => {
                    self.out.push_str(self.rest);
                    break;
                }
                '-' if begins && self.rest[1..].starts_with([' ', '-']) => self.take(1),
                '{' | '[' => self.bracket(),
                '}' | ']' => {
                    // What is closed here and was opened in another line may have been anything.
                    let unknown = match self.start.sight {
                        Sight::Open => self.start,
                        _ => Walk::SOMEWHERE,
                    };
                    self.around = self.open.pop().unwrap_or(unknown);
                    self.walk = self.around;
                    self.fresh = false;
                    self.take(1);
                }
                ',' => {
                    self.walk = self.around;
                    self.fresh = true;
                    self.take(1);
                }
                sign if sign.is_whitespace() => self.take(sign.len_utf8()),
                _ => {
                    if !self.word() {
                        break;
                    }
                }
            }
        }
        let block = self.open.is_empty();
        let end = End {
            walk: self.walk,
            goes_on: block && self.value,
        };
        (self.out, end)
    }

    fn take(&mut self, bytes: usize) {
        let (taken, rest) = self.rest.split_at(bytes);
        self.out.push_str(taken);
        self.rest = rest;
    }

    fn bracket(&mut self) {
        self.open.push(self.around);
        if elsewhere(self.rest) && !self.walk.sight.shows_values() && self.walk.may_tell_where() {
            let end = self.rest.find('}').map_or(self.rest.len(), |end| end + 1);
            if !self.rest[..end].contains(',') {
                self.open.pop();
                self.take(end);
                self.fresh = false;
                return;
            }
        }
        self.around = self.walk;
        self.fresh = true;
        self.take(1);
    }

    /// A name or a value; says whether more of the line may be told.
    fn word(&mut self) -> bool {
        let hidden = !self.walk.sight.shows_values();
        let (length, closed) = self.length(self.fresh || !hidden);
        let (word, after) = self.rest.split_at(length);
        let colon = after.len() - after.trim_start().len();
        let behind = after[colon..].strip_prefix(':');
        let quoted = word.starts_with(['"', '\'']);
        let is_name = self.fresh
            && behind.is_some_and(|behind| {
                quoted || behind.is_empty() || behind.starts_with([' ', '\t', ',', '}', ']'])
            });
        if is_name {
            let name = word.trim_matches(['"', '\'']);
            if self.around.shows_name(name) {
                self.take(length + colon + 1);
            } else {
                self.out.push_str(HIDDEN);
                self.rest = after;
                self.take(colon + 1);
            }
            self.walk = self.around.into(name);
            if self.open.is_empty() {
                self.around = self.walk;
            }
            self.fresh = false;
            if self.walk.sight == Sight::Headers && !self.rest.trim().is_empty() {
                self.out.push(' ');
                self.out.push_str(HIDDEN);
                return false;
            }
            return true;
        }
        self.value |= self.open.is_empty();
        self.fresh = false;
        if !hidden || elsewhere(word) {
            self.take(length);
            return true;
        }
        self.out.push_str(HIDDEN);
        self.rest = after;
        // Where a value ends nobody knows for sure: what follows is told only after a clear end.
        closed && (quoted || !self.open.is_empty()) && !word.starts_with("${")
    }

    /// How long the word is that begins here, and whether it is known to end there.
    fn length(&self, may_be_name: bool) -> (usize, bool) {
        let text = self.rest;
        if let Some(quote) = text
            .chars()
            .next()
            .filter(|sign| ['"', '\''].contains(sign))
        {
            let mut escaped = false;
            for (index, sign) in text.char_indices().skip(1) {
                match sign {
                    _ if escaped => escaped = false,
                    '\\' if quote == '"' => escaped = true,
                    sign if sign == quote => return (index + 1, true),
                    _ => {}
                }
            }
            return (text.len(), false);
        }
        let flow = !self.open.is_empty();
        let mut before = ' ';
        for (index, sign) in text.char_indices() {
            let behind = &text[index + sign.len_utf8()..];
            let ends = match sign {
                ',' | '[' | ']' | '{' | '}' => flow,
                '#' => index > 0 && before.is_whitespace(),
                ':' => {
                    let end = behind.is_empty() || behind.starts_with([' ', '\t']);
                    may_be_name && (end || flow && behind.starts_with([',', '}', ']']))
                }
                _ => false,
            };
            if ends {
                let word = text[..index].trim_end().len();
                return (word.max(1), true);
            }
            before = sign;
        }
        (text.trim_end().len().max(1), true)
    }
}
