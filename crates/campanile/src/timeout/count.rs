/// Tells whether a piece of a body or stream counts as data for the clocks. One of these follows each answer, so it may
/// keep state between pieces.
///
/// A closure is one too:
///
/// ```
/// use campanile::timeout::Counts;
///
/// let mut not_blank = |text: &String| !text.trim().is_empty();
/// assert!(not_blank.counts(&"word".to_owned()));
/// assert!(!not_blank.counts(&"\n".to_owned()));
/// ```
pub trait Counts<D> {
    /// Whether this piece counts. Those that do not leave the clocks running.
    fn counts(&mut self, data: &D) -> bool;
}

/// Every piece counts; of an HTTP body, every one that is not empty, whoever counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Everything;

/// Of a stream of server-sent events, what is more than comments and blank lines counts; a comment is a line that begins
/// with a colon, by which servers keep connections alive ([HTML, 9.2.6]). Lines may be split among pieces, and may end in
/// LF, CR or CRLF.
///
/// Events that only keep the connection alive, as the `ping` of some providers does, can be [named](Self::ignoring).
///
/// [HTML, 9.2.6]: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
///
/// ```
/// use campanile::timeout::{Counts, SseData};
///
/// let mut data = SseData::new().ignoring(&["ping"]);
/// assert!(!data.counts(&": OPENROUTER PROC"));
/// assert!(!data.counts(&"ESSING\n\n"));
/// assert!(!data.counts(&"event: ping\ndata: {}\n\n"));
/// assert!(data.counts(&"event: delta\ndata: {}\n\n"));
/// ```
#[derive(Debug, Clone)]
pub struct SseData {
    ignored: &'static [&'static str],
    line: Line,
    /// The line's first bytes, while they decide.
    head: [u8; HEAD],
    /// Within an event that is ignored.
    skips: bool,
    /// The last byte was a CR: an LF after it belongs to it.
    after_cr: bool,
    /// The stream has just begun: a byte order mark may come first.
    begins: bool,
}

/// What is known of the present line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// So many bytes of it are in the head, and it is not decided what they are.
    Open(usize),
    /// A comment, or a line of an event that is ignored.
    Idle,
    /// A line that counts, as long as it is.
    Data,
}

/// Longer names of events are not ignored.
const HEAD: usize = 64;

const FIELD: &[u8] = b"event:";
const BOM: &[u8] = &[0xEF, 0xBB, 0xBF];

// ===== impl Everything =====

impl<D> Counts<D> for Everything {
    #[inline]
    fn counts(&mut self, _data: &D) -> bool {
        true
    }
}

// ===== impl Fn =====

impl<F, D> Counts<D> for F
where
    F: FnMut(&D) -> bool,
{
    #[inline]
    fn counts(&mut self, data: &D) -> bool {
        self(data)
    }
}

// ===== impl SseData =====

impl SseData {
    /// Ignores comments only.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            ignored: &[],
            line: Line::Open(0),
            head: [0; HEAD],
            skips: false,
            after_cr: false,
            begins: true,
        }
    }

    /// Ignores events of these names, of up to 56 bytes, too.
    #[must_use]
    pub const fn ignoring(mut self, events: &'static [&'static str]) -> Self {
        self.ignored = events;
        self
    }

    /// Reads the bytes of one line, or a part of them; whether they count.
    fn text(&mut self, bytes: &[u8]) -> bool {
        for byte in bytes {
            let len = match self.line {
                Line::Open(len) => len,
                Line::Idle => return false,
                Line::Data => return true,
            };
            self.head[len] = *byte;
            let head = &self.head[..=len];
            if self.begins && BOM.starts_with(head) {
                self.line = if head == BOM {
                    self.begins = false;
                    Line::Open(0)
                } else {
                    Line::Open(len + 1)
                };
                continue;
            }
            self.begins = false;
            self.line = if self.skips || head.starts_with(b":") {
                Line::Idle
            } else if !self.ignored.is_empty() && names_event(head) && head.len() < HEAD {
                Line::Open(len + 1)
            } else {
                Line::Data
            };
        }
        self.line == Line::Data && !bytes.is_empty()
    }

    /// Ends the line; whether it counts, if that was open.
    fn end(&mut self) -> bool {
        let counts = match self.line {
            Line::Open(0) => {
                // A blank line ends an event.
                self.skips = false;
                false
            }
            Line::Open(len) => {
                let name = self.head[..len].strip_prefix(FIELD);
                let name = name.map(|name| name.strip_prefix(b" ").unwrap_or(name));
                self.skips = name.is_some_and(|name| {
                    self.ignored
                        .iter()
                        .any(|ignored| ignored.as_bytes() == name)
                });
                !self.skips
            }
            Line::Idle | Line::Data => false,
        };
        self.begins = false;
        self.line = Line::Open(0);
        counts
    }
}

/// Whether these bytes are, or may become, a line that names an event.
fn names_event(head: &[u8]) -> bool {
    head.starts_with(FIELD) || FIELD.starts_with(head)
}

impl Default for SseData {
    fn default() -> Self {
        Self::new()
    }
}

impl<D: AsRef<[u8]>> Counts<D> for SseData {
    fn counts(&mut self, data: &D) -> bool {
        let mut rest = data.as_ref();
        let mut counts = false;
        while !rest.is_empty() {
            if std::mem::take(&mut self.after_cr) && rest[0] == b'\n' {
                rest = &rest[1..];
                continue;
            }
            let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            counts |= self.text(&rest[..end.unwrap_or(rest.len())]);
            let Some(end) = end else {
                break;
            };
            counts |= self.end();
            self.after_cr = rest[end] == b'\r';
            rest = &rest[end + 1..];
        }
        counts
    }
}
