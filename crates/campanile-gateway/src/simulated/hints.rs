//! What a prompt speaks of, to fill in where a value is wanted.

use std::collections::VecDeque;

/// How many of a kind are kept.
const MOST: usize = 16;

/// Names and numbers of a prompt, in their order.
#[derive(Debug, Default)]
pub(super) struct Hints {
    pub(super) text: String,
    names: VecDeque<String>,
    numbers: VecDeque<f64>,
}

// ===== impl Hints =====

impl Hints {
    pub(super) fn of(prompt: &str) -> Self {
        let mut hints = Self {
            text: prompt.to_lowercase(),
            ..Self::default()
        };
        let (mut begins, mut name) = (true, String::new());
        for word in prompt.split_whitespace() {
            let bare = word.trim_matches(|letter: char| !letter.is_alphanumeric());
            let upper = bare.starts_with(char::is_uppercase);
            if upper && !begins && bare.len() <= 64 {
                if !name.is_empty() {
                    name.push(' ');
                }
                name.push_str(bare);
            }
            let ends = word.ends_with(['.', ',', '!', '?', ':', ';']);
            if (!upper || ends) && !name.is_empty() {
                hints.names.push_back(std::mem::take(&mut name));
            }
            if let Ok(number) = bare.parse::<f64>()
                && number.is_finite()
            {
                hints.numbers.push_back(number);
            }
            begins = word.ends_with(['.', '!', '?', ':']);
            if hints.names.len() >= MOST && hints.numbers.len() >= MOST {
                break;
            }
        }
        if !name.is_empty() {
            hints.names.push_back(name);
        }
        hints.names.truncate(MOST);
        hints.numbers.truncate(MOST);
        hints
    }

    /// The next name, and each again when there is none left but it.
    pub(super) fn name(&mut self) -> Option<String> {
        match self.names.len() {
            0 | 1 => self.names.front().cloned(),
            _ => self.names.pop_front(),
        }
    }

    /// The next number that may stand here.
    pub(super) fn number(&mut self, may: impl Fn(f64) -> bool) -> Option<f64> {
        let at = self.numbers.iter().position(|number| may(*number))?;
        self.numbers.remove(at)
    }
}
