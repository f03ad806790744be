use std::fmt;

/// Columns as wide as what is in them: the first ones to the left, the others to the right.
#[derive(Debug, Clone)]
pub(super) struct Grid {
    head: &'static [&'static str],
    rows: Vec<Vec<String>>,
    /// How many columns are text.
    text: usize,
}

/// A terminal of usual width, once turned.
const WIDTH: usize = 120;
/// Names are cut no shorter than this.
const SHORTEST: usize = 12;

// ===== impl Grid =====

impl Grid {
    pub(super) const fn new(head: &'static [&'static str], text: usize) -> Self {
        Self {
            head,
            rows: Vec::new(),
            text,
        }
    }

    pub(super) fn row(&mut self, row: Vec<String>) {
        debug_assert_eq!(row.len(), self.head.len());
        self.rows
            .push(row.iter().map(|cell| printable(cell)).collect());
    }

    fn widths(&self) -> Vec<usize> {
        let columns = 0..self.head.len();
        let width = |column: usize| {
            let cells = self.rows.iter().map(|row| letters(&row[column]));
            cells.chain([letters(self.head[column])]).max().unwrap_or(0)
        };
        let mut widths: Vec<usize> = columns.map(width).collect();
        let others: usize = widths[1..].iter().map(|width| width + 2).sum();
        widths[0] = widths[0].min(WIDTH.saturating_sub(others).max(SHORTEST));
        widths
    }
}

impl fmt::Display for Grid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths = self.widths();
        let head: Vec<String> = self.head.iter().map(|&name| name.to_owned()).collect();
        for row in [&head].into_iter().chain(&self.rows) {
            let mut line = String::new();
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                if column > 0 {
                    line.push_str("  ");
                }
                let gap = width.saturating_sub(letters(cell));
                if column < self.text {
                    line.extend(cut(cell, *width));
                    line.extend(std::iter::repeat_n(' ', gap));
                } else {
                    line.extend(std::iter::repeat_n(' ', gap));
                    line.push_str(cell);
                }
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

fn letters(text: &str) -> usize {
    text.chars().count()
}

/// The text, or its beginning and an ellipsis.
fn cut(text: &str, width: usize) -> impl Iterator<Item = char> {
    let long = letters(text) > width;
    let kept = if long { width.saturating_sub(1) } else { width };
    text.chars().take(kept).chain(long.then_some('…'))
}

/// Without what would move the cursor of a terminal.
fn printable(text: &str) -> String {
    let sound = |letter: char| if letter.is_control() { '?' } else { letter };
    text.chars().map(sound).collect()
}
