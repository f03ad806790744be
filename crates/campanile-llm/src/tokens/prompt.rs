use std::sync::LazyLock;

use memchr::{memchr2, memmem};

use crate::chat::ChatRequest;

/// How large a prompt is, as far as its bytes tell.
///
/// Images, sound and documents that are in it as base64 are no text: their bytes are not counted, they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct PromptSize {
    /// Bytes of everything that a model reads as text: messages, tools, the schema of the answer, as they are written in JSON.
    pub text: u64,
    /// Images, sound and documents.
    pub media: u32,
    /// Those of them that are not in it, but somewhere else: their bytes tell nothing.
    pub elsewhere: u32,
}

/// What of a request becomes part of the prompt, in any dialect.
fn is_read(field: &str) -> bool {
    matches!(
        field,
        "messages" | "system" | "tools" | "functions" | "response_format"
    )
}

/// What an image, a sound or a document is taken to be in tokens: what an image of a megapixel is to Anthropic's models, by
/// their rule of a token for 750 pixels, with something to spare.
pub(super) const MEDIA_TOKENS: u64 = 1_600;

/// What tells of those that are told by an address, or by the name of a file: `"image_url"`, `"image"` and `"file_id"`. Within
/// text the quotes would be escaped. Built once: to build a searcher costs more than to look through a short prompt.
static POINTERS: LazyLock<[memmem::Finder<'static>; 2]> =
    LazyLock::new(|| ["\"image", "\"file_id\""].map(memmem::Finder::new));

/// Strings that are shorter are text, whatever they are made of.
const ENCODED: usize = 1_024;

// ===== impl PromptSize =====

impl PromptSize {
    /// The size of a request's prompt. Looks through its bytes once, at the speed of memory, and parses nothing; a request and
    /// its clones remember it.
    #[must_use]
    pub fn of(request: &ChatRequest) -> Self {
        request.size_or_read(|| {
            let mut size = Self::default();
            for (field, json) in request.object().iter() {
                if is_read(field) {
                    size.add(json);
                }
            }
            size
        })
    }

    /// How many tokens it is at so many bytes a token: each image, sound or document counts as 1,600.
    #[must_use]
    pub fn tokens(self, bytes_per_token: f32) -> u64 {
        let text = tokens(self.text, bytes_per_token);
        text.saturating_add(u64::from(self.media) * MEDIA_TOKENS)
    }

    fn add(&mut self, json: &[u8]) {
        let (mut encoded, mut bytes) = (0, 0);
        if json.len() > ENCODED {
            for string in Strings(json) {
                if is_encoded(string) {
                    encoded += 1;
                    bytes += string.len();
                }
            }
        }
        let [images, files] = &*POINTERS;
        let (mut address, mut image) = (0_usize, 0);
        for found in images.find_iter(json) {
            let rest = &json[found + images.needle().len()..];
            address += usize::from(rest.starts_with(b"_url\""));
            image += usize::from(rest.starts_with(b"\""));
        }
        let file = files.find_iter(json).count();
        let pointed = address.div_ceil(2) + image + file;
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        self.text += (json.len() - bytes) as u64;
        self.media = self.media.saturating_add(count(pointed.max(encoded)));
        let elsewhere = count(pointed.saturating_sub(encoded));
        self.elsewhere = self.elsewhere.saturating_add(elsewhere);
    }
}

/// So many bytes in tokens, rounded up.
pub(super) fn tokens(bytes: u64, bytes_per_token: f32) -> u64 {
    let exact = bytes as f64 / f64::from(bytes_per_token);
    // `ceil` is a call where the processor is any.
    let whole = exact as u64;
    whole.saturating_add(u64::from((whole as f64) < exact))
}

/// The strings in JSON, without their quotes.
struct Strings<'a>(&'a [u8]);

// ===== impl Strings =====

impl<'a> Iterator for Strings<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let begin = memchr::memchr(b'"', self.0)? + 1;
        let rest = self.0.get(begin..)?;
        let mut end = 0;
        loop {
            let found = end + memchr2(b'"', b'\\', rest.get(end..)?)?;
            if rest[found] == b'"' {
                self.0 = &rest[found + 1..];
                return Some(&rest[..found]);
            }
            // What is escaped ends nothing.
            end = found + 2;
        }
    }
}

/// Whether a string is base64, by how it begins: text of any language has spaces, or bytes that are not ASCII, before long.
fn is_encoded(string: &[u8]) -> bool {
    if string.len() <= ENCODED {
        return false;
    }
    let head = &string[..ENCODED];
    let data = match memmem::find(&head[..ENCODED / 8], b";base64,") {
        Some(place) => &head[place + 8..],
        None => head,
    };
    data.iter().all(|byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'\\')
    })
}
