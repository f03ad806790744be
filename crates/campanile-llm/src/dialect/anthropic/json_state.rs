//! Whether JSON that comes in pieces is whole.

/// Follows an object or a list through its brackets and strings. What is neither is never whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct JsonState {
    depth: u32,
    begun: bool,
    /// Within a string, and behind a backslash in it.
    string: bool,
    escaped: bool,
}

// ===== impl JsonState =====

impl JsonState {
    pub(super) fn add(&mut self, json: &[u8]) {
        for byte in json {
            if self.escaped {
                self.escaped = false;
            } else if self.string {
                match byte {
                    b'"' => self.string = false,
                    b'\\' => self.escaped = true,
                    _ => {}
                }
            } else {
                match byte {
                    b'"' => self.string = true,
                    b'{' | b'[' => {
                        self.begun = true;
                        self.depth = self.depth.saturating_add(1);
                    }
                    b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                    _ => {}
                }
            }
        }
    }

    pub(super) const fn is_whole(self) -> bool {
        self.begun && self.depth == 0 && !self.string
    }
}
