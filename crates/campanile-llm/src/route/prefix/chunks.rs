use crate::route::{Routed, conversation::hash};

/// How many pieces of a prompt are looked at, at most.
pub(super) const MOST: usize = 64;

/// Hashes of a prompt's beginnings: of the first chunk, the first two, and so on. Lies on the stack.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chunks {
    hashes: [u64; MOST],
    /// How many bytes of the prompt are up to the end of each.
    ends: [u64; MOST],
    len: usize,
    /// Of the whole prompt.
    pub(super) bytes: u64,
}

// ===== impl Chunks =====

impl Chunks {
    /// Of a request for a model: a cache holds what one model has read. The last piece counts as far as it fills chunks,
    /// since the rest of it may go on another way; at most `most` chunks count.
    pub(super) fn of<T: Routed>(request: &T, size: usize, most: usize) -> Self {
        let mut chunks = Self {
            hashes: [0; MOST],
            ends: [0; MOST],
            len: 0,
            bytes: 0,
        };
        let most = most.min(MOST);
        let mut before = hash(0, request.model().as_bytes());
        let mut rest: Option<u64> = None;
        request.prompt(&mut |piece| {
            let mut end = chunks.bytes;
            chunks.bytes += piece.len() as u64;
            if chunks.len >= most {
                return;
            }
            // Another piece follows, so what was left of the last one is a chunk too.
            if let Some(rest) = rest.take() {
                before = rest;
                chunks.push(before, end);
            }
            let whole = piece.chunks_exact(size);
            let left = whole.remainder();
            for chunk in whole.take(most - chunks.len.min(most)) {
                before = hash(before, chunk);
                end += size as u64;
                chunks.push(before, end);
            }
            rest = (!left.is_empty()).then(|| hash(before, left));
        });
        chunks.len = chunks.len.min(most);
        chunks
    }

    fn push(&mut self, hash: u64, end: u64) {
        if let Some(place) = self.hashes.get_mut(self.len) {
            *place = hash;
            self.ends[self.len] = end;
            self.len += 1;
        }
    }

    pub(super) fn hashes(&self) -> &[u64] {
        &self.hashes[..self.len]
    }

    /// Which share of the prompt the first `count` chunks are.
    pub(super) fn share(&self, count: usize) -> f64 {
        let last = count.min(self.len).checked_sub(1);
        let known = last.map_or(0, |last| self.ends[last]);
        known as f64 / self.bytes.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::ChatRequest;

    fn of(request: &ChatRequest) -> Chunks {
        Chunks::of(request, 64, 8)
    }

    #[test]
    fn a_chat_that_goes_on_has_the_same_beginnings() {
        let first = ChatRequest::new("m").user(&"a".repeat(200));
        let later = first.clone().assistant("b").user("c");
        let (first, later) = (of(&first), of(&later));
        assert_eq!(first.hashes().len(), 3);
        assert!(later.hashes().starts_with(first.hashes()));
        assert!((first.share(3) - 192.0 / first.bytes as f64).abs() < 1e-9);
    }

    #[test]
    fn other_models_and_other_beginnings_have_others() {
        let chat = |model: &str, text: &str| of(&ChatRequest::new(model).user(&text.repeat(100)));
        assert_ne!(chat("m", "a").hashes()[0], chat("n", "a").hashes()[0]);
        assert_ne!(chat("m", "a").hashes()[0], chat("m", "b").hashes()[0]);
        let mut all = chat("m", "a").hashes().to_vec();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), chat("m", "a").hashes().len());
    }

    #[test]
    fn a_piece_before_another_counts_whole() {
        let tools = |name: &str| {
            ChatRequest::new("m")
                .field("tools", &[name])
                .user(&"a".repeat(70))
        };
        let (one, other) = (of(&tools("f")), of(&tools("g")));
        assert_eq!(one.hashes().len(), 2);
        assert_ne!(one.hashes()[0], other.hashes()[0]);
    }

    /// A short piece that all prompts begin with is a small part of them, and not the chunk that it fills.
    #[test]
    fn a_piece_shorter_than_a_chunk_tells_of_no_more_than_it_has() {
        let chat = ChatRequest::new("m")
            .field("tools", &["f"])
            .user(&"a".repeat(100));
        let chunks = Chunks::of(&chat, 1024, 8);
        assert_eq!(chunks.hashes().len(), 1);
        assert!((chunks.share(1) - 5.0 / chunks.bytes as f64).abs() < 1e-9);
        assert_eq!(chunks.share(0), 0.0);
    }

    #[test]
    fn no_more_are_hashed_than_asked_for() {
        let long = ChatRequest::new("m").user(&"a".repeat(100_000));
        assert_eq!(of(&long).hashes().len(), 8);
        assert!(of(&long).share(8) < 0.01);
        assert_eq!(Chunks::of(&long, 64, 1_000).hashes().len(), MOST);
    }
}
