use tiktoken::CoreBpe;

/// Adds tokens up, of so many bytes of text at most.
pub(crate) struct Counter {
    bpe: &'static CoreBpe,
    /// How many bytes may still be counted.
    left: usize,
    counted: u64,
    counted_bytes: u64,
    /// What was not counted.
    more_bytes: u64,
    added: u64,
}

/// Four bytes a token, where nothing was counted to go by.
const BYTES_PER_TOKEN: f64 = 4.0;

// ===== impl Counter =====

impl Counter {
    pub(crate) const fn new(bpe: &'static CoreBpe, cap: usize) -> Self {
        Self {
            bpe,
            left: cap,
            counted: 0,
            counted_bytes: 0,
            more_bytes: 0,
            added: 0,
        }
    }

    /// Counts a text, as far as it may.
    pub(crate) fn text(&mut self, text: &str) {
        let (now, rest) = text.split_at(text.floor_char_boundary(self.left));
        self.left -= now.len();
        self.counted += self.bpe.count(now) as u64;
        self.counted_bytes += now.len() as u64;
        self.more_bytes += rest.len() as u64;
        if !rest.is_empty() {
            // What follows is not counted either, or its pieces would weigh more than the whole.
            self.left = 0;
        }
    }

    /// Adds tokens that are known.
    pub(crate) fn add(&mut self, tokens: u64) {
        self.added += tokens;
    }

    /// All of them.
    pub(crate) fn tokens(&self) -> u64 {
        let ratio = match self.counted {
            0 => BYTES_PER_TOKEN,
            counted => self.counted_bytes as f64 / counted as f64,
        };
        let more = (self.more_bytes as f64 / ratio).ceil() as u64;
        self.counted + more + self.added
    }
}
