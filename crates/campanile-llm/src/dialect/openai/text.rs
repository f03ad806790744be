//! How long a JSON string is, without writing it out.

use memchr::memchr;

/// How many bytes of UTF-8 the text of a JSON string is. `raw` is the string as it is written, quotes included, which is
/// known to be valid JSON; `None` where it is no string.
pub(crate) fn text_len(raw: &str) -> Option<u64> {
    let text = raw.strip_prefix('"')?.strip_suffix('"')?;
    let mut rest = text.as_bytes();
    let mut length = rest.len() as u64;
    while let Some(at) = memchr(b'\\', rest) {
        let Some(escape) = rest.get(at + 1) else {
            break;
        };
        let (written, means) = match escape {
            b'u' => match rest.get(at + 2..at + 6).and_then(hex) {
                // Half of a pair: two halves are one character of four bytes.
                Some(0xd800..=0xdfff) => (6, 2),
                Some(0..=0x7f) => (6, 1),
                Some(0x80..=0x7ff) => (6, 2),
                _ => (6, 3),
            },
            _ => (2, 1),
        };
        length -= written - means;
        rest = rest.get(at + written as usize..).unwrap_or_default();
    }
    Some(length)
}

fn hex(digits: &[u8]) -> Option<u32> {
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}
