//! Where a body ends, by RFC 9112, section 6.3 and 7.1.

use bytes::{Buf, Bytes};

/// How many bytes of extensions and trailers there may be between two chunks with data. They are left out.
const MOST_EXTRA: u32 = 16 << 10;

/// How a body shows its end.
#[derive(Debug)]
pub(super) enum Framing {
    /// It has so many bytes left.
    Length(u64),
    /// It comes in chunks that tell their lengths.
    Chunked(Chunks),
    /// With the connection.
    UntilClose,
}

/// Where the next byte is in a body of chunks.
#[derive(Debug)]
pub(super) struct Chunks {
    at: At,
    /// Of the chunk.
    left: u64,
    /// How many bytes of extensions and trailers came since the last data.
    extra: u32,
    /// What is wrong with what came after the last data.
    fault: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// In the size of a chunk, after so many digits.
    Size(u8),
    /// After it, where there may be spaces.
    Space,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// At the beginning of a trailer, or of the end.
    Trailers,
    Trailer,
    TrailerLf,
    EndLf,
    Ended,
}

// ===== impl Framing =====

impl Framing {
    pub(super) const fn chunked() -> Self {
        Self::Chunked(Chunks {
            at: At::Size(0),
            left: 0,
            extra: 0,
            fault: None,
        })
    }

    /// Whether the end was seen.
    pub(super) fn ended(&self) -> bool {
        match self {
            Self::Length(left) => *left == 0,
            Self::Chunked(chunks) => chunks.at == At::Ended,
            Self::UntilClose => false,
        }
    }

    /// What is wrong with it, once the data before that are taken.
    pub(super) const fn fault(&self) -> Option<&'static str> {
        match self {
            Self::Chunked(chunks) => chunks.fault,
            Self::Length(_) | Self::UntilClose => None,
        }
    }

    /// The data of what was read, and how much of it was not beyond the end.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(super) fn decode(&mut self, read: &[u8]) -> Result<(Bytes, usize), &'static str> {
        if let Self::Chunked(chunks) = self {
            return chunks.decode(read);
        }
        let data = &read[..self.most(read.len())];
        self.took(data.len());
        Ok((Bytes::copy_from_slice(data), data.len()))
    }

    /// As [`decode`](Self::decode), from bytes that are shared: what it takes is taken from them.
    pub(super) fn decode_shared(&mut self, read: &mut Bytes) -> Result<Bytes, &'static str> {
        if let Self::Chunked(chunks) = self {
            let (data, used) = chunks.decode(read)?;
            read.advance(used);
            return Ok(data);
        }
        let data = read.split_to(self.most(read.len()));
        self.took(data.len());
        Ok(data)
    }

    /// How many of so many bytes are the body's, as it has no chunks.
    fn most(&self, there: usize) -> usize {
        match self {
            Self::Length(left) => usize::try_from(*left).map_or(there, |left| left.min(there)),
            Self::Chunked(_) | Self::UntilClose => there,
        }
    }

    const fn took(&mut self, bytes: usize) {
        if let Self::Length(left) = self {
            *left -= bytes as u64;
        }
    }
}

// ===== impl Chunks =====

impl Chunks {
    fn decode(&mut self, read: &[u8]) -> Result<(Bytes, usize), &'static str> {
        // Mostly there is one piece; several become one.
        let (mut piece, mut pieces): (&[u8], Vec<u8>) = (&[], Vec::new());
        let mut used = 0;
        while self.at != At::Ended
            && let Some(rest) = read.get(used..)
            && !rest.is_empty()
        {
            if self.at != At::Data {
                match self.step(rest[0]) {
                    Ok(()) => used += 1,
                    Err(what) if piece.is_empty() => return Err(what),
                    Err(what) => {
                        self.fault = Some(what);
                        break;
                    }
                }
                continue;
            }
            let most = usize::try_from(self.left).unwrap_or(usize::MAX);
            let data = &rest[..rest.len().min(most)];
            self.left -= data.len() as u64;
            used += data.len();
            if self.left == 0 {
                self.at = At::DataCr;
            }
            if piece.is_empty() {
                piece = data;
            } else {
                if pieces.is_empty() {
                    pieces.reserve(read.len());
                    pieces.extend_from_slice(piece);
                }
                pieces.extend_from_slice(data);
            }
        }
        let data = match pieces.is_empty() {
            true => Bytes::copy_from_slice(piece),
            false => pieces.into(),
        };
        Ok((data, used))
    }

    /// Goes past a byte that is not data.
    fn step(&mut self, byte: u8) -> Result<(), &'static str> {
        self.at = match (self.at, byte) {
            (At::Size(digits), _) if byte.is_ascii_hexdigit() => {
                if digits == 16 {
                    return Err("the size of a chunk has more than 16 digits");
                }
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                self.left = self.left << 4 | u64::from(digit);
                At::Size(digits + 1)
            }
            (At::Size(1..) | At::Space, b'\r') => At::SizeLf,
            (At::Size(1..) | At::Space, b';') => At::Extension,
            (At::Size(1..), b' ' | b'\t') => At::Space,
            (At::Space, b' ' | b'\t') => self.goes_on()?,
            (At::Size(_) | At::Space, _) => {
                return Err("the size of a chunk is no hexadecimal number");
            }
            (At::Extension, b'\r') => At::SizeLf,
            (At::SizeLf, b'\n') if self.left == 0 => At::Trailers,
            (At::SizeLf, b'\n') => {
                self.extra = 0;
                At::Data
            }
            (At::DataCr, b'\r') => At::DataLf,
            (At::DataLf, b'\n') => At::Size(0),
            (At::Trailers, b'\r') => At::EndLf,
            (At::Trailer, b'\r') => At::TrailerLf,
            (At::TrailerLf, b'\n') => At::Trailers,
            (At::EndLf, b'\n') => At::Ended,
            (At::Extension, _) if byte != b'\n' => self.goes_on()?,
            (At::Trailers | At::Trailer, _) if byte != b'\n' => {
                self.at = At::Trailer;
                self.goes_on()?
            }
            (At::DataCr | At::DataLf, _) => return Err("a chunk is longer than its size"),
            _ => return Err("a line of its framing does not end in CR and LF"),
        };
        Ok(())
    }

    /// The same state, as long as that is not for too long.
    const fn goes_on(&mut self) -> Result<At, &'static str> {
        self.extra += 1;
        if self.extra > MOST_EXTRA {
            return Err("its extensions and trailers are too long");
        }
        Ok(self.at)
    }
}
