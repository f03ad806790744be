//! Characters that a server has cut in two: halves of a pair of UTF-16, each in a text of its own. Servers that cut texts by
//! such units, as JavaScript counts them, write `"\ud83d"` and then `"\ude00"`, which is no text to a strict reader.

use bytes::Bytes;
use memchr::memchr;

use crate::stream::Frame;

#[cfg(test)]
mod tests;

/// Puts halves together over the frames of a stream.
#[derive(Debug, Default)]
pub(super) struct Halves {
    /// The digits of a first half, at the end of a text, whose second has not come.
    held: Option<[u8; 4]>,
}

/// In place of a half that has no other.
const UNKNOWN: &[u8] = b"\\ufffd";

// ===== impl Halves =====

impl Halves {
    /// The frame without halves, if there are any.
    pub(super) fn mend(&mut self, frame: &Frame) -> Option<Frame> {
        let data = self.whole(&frame.data)?;
        Some(Frame {
            bytes: data.clone(),
            place: Some(0..data.len()),
            data,
            event: frame.event.clone(),
        })
    }

    /// JSON without halves, if there are any: a second half at the beginning of a text completes the first one that ended an
    /// earlier text.
    pub(super) fn whole(&mut self, json: &[u8]) -> Option<Bytes> {
        let mut out = Vec::new();
        let mut done = 0;
        let mut at = 0;
        while let Some(found) = memchr(b'\\', json.get(at..)?) {
            let start = at + found;
            let Some(digits) = escaped(json, start) else {
                // Another escape, whose second byte may be a backslash.
                at = start + 2;
                if at > json.len() {
                    break;
                }
                continue;
            };
            at = start + 6;
            match half(digits) {
                None => continue,
                Some(Half::First) => {
                    let next = escaped(json, at).and_then(half);
                    if next == Some(Half::Second) {
                        at += 6;
                        continue;
                    }
                    out.extend_from_slice(&json[done..start]);
                    if json.get(at) == Some(&b'"') {
                        self.held = Some(digits);
                    } else {
                        out.extend_from_slice(UNKNOWN);
                    }
                }
                Some(Half::Second) => {
                    out.extend_from_slice(&json[done..start]);
                    let begins = start > 0 && json[start - 1] == b'"';
                    match self.held.take().filter(|_| begins) {
                        Some(first) => {
                            out.extend_from_slice(b"\\u");
                            out.extend_from_slice(&first);
                            out.extend_from_slice(&json[start..at]);
                        }
                        None => out.extend_from_slice(UNKNOWN),
                    }
                }
            }
            done = at;
        }
        if done == 0 {
            return None;
        }
        out.extend_from_slice(&json[done..]);
        Some(out.into())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Half {
    First,
    Second,
}

/// The digits of the escape of a unit of UTF-16 here.
fn escaped(json: &[u8], at: usize) -> Option<[u8; 4]> {
    let digits = json.get(at..at + 6)?.strip_prefix(b"\\u")?;
    digits.try_into().ok()
}

fn half(digits: [u8; 4]) -> Option<Half> {
    let unit = u16::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?;
    match unit {
        0xd800..=0xdbff => Some(Half::First),
        0xdc00..=0xdfff => Some(Half::Second),
        _ => None,
    }
}
