//! Looks through JSON without parsing it.

use memchr::{memchr2, memmem};

/// How many bytes the text is, unescaped, that is the value of this name. The name is given with its quotes, which within a
/// string are always escaped, so that nothing within one is taken for it. `None` where there is no such text.
pub(super) fn text_length(json: &[u8], quoted_name: &[u8]) -> Option<u64> {
    memmem::find_iter(json, quoted_name).find_map(|at| {
        let rest = json[at + quoted_name.len()..].trim_ascii_start();
        json_length(rest.strip_prefix(b":")?.trim_ascii_start())
    })
}

/// How many bytes the text is, unescaped, that begins here. `None` where none does.
pub(super) fn json_length(json: &[u8]) -> Option<u64> {
    string_length(json.strip_prefix(b"\"")?)
}

/// Whether this stands as a name or as a text of its own. It is given with its quotes.
pub(super) fn has(json: &[u8], quoted: &[u8]) -> bool {
    memmem::find(json, quoted).is_some()
}

/// How many bytes are before the closing quote, unescaped.
fn string_length(mut text: &[u8]) -> Option<u64> {
    let mut length = 0;
    loop {
        let at = memchr2(b'"', b'\\', text)?;
        length += at as u64;
        if text[at] == b'"' {
            return Some(length);
        }
        let (bytes, escape) = match text.get(at + 1)? {
            b'u' => (unicode_length(text.get(at + 2..at + 6)?)?, 6),
            _ => (1, 2),
        };
        length += bytes;
        text = &text[at + escape..];
    }
}

/// How many bytes of UTF-8 an escape makes; of a pair of surrogates each half makes two.
fn unicode_length(digits: &[u8]) -> Option<u64> {
    let code = u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    Some(match code {
        0..0x80 => 1,
        0x80..0x800 | 0xd800..0xe000 => 2,
        _ => 3,
    })
}
