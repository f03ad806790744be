//! The heads of requests and answers.

use std::fmt::Write;

use bytes::{BufMut, Bytes, BytesMut};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri, Version,
    header::{CONNECTION, CONTENT_LENGTH, HOST, TE, TRANSFER_ENCODING, UPGRADE},
    request::Parts,
    uri::PathAndQuery,
};
use httparse::{ParserConfig, Status};

use super::framing::Framing;
use crate::provider::HttpError;

/// How many headers an answer may have.
const MOST_HEADERS: usize = 100;

/// The head of an answer.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) response: Response<()>,
    pub(super) framing: Framing,
    /// Whether the connection is good for another call.
    pub(super) reusable: bool,
    /// How many bytes it has.
    pub(super) length: usize,
}

/// What goes ahead of a body of this length. What concerns the connection and the framing of the body is the client's own matter:
/// a caller's headers about it are left out.
pub(super) fn request(parts: &Parts, host: &str, proxied: bool, length: usize) -> BytesMut {
    let Parts {
        method,
        uri,
        headers,
        ..
    } = parts;
    let lines: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum();
    let target = uri.path().len() + uri.query().map_or(0, str::len);
    let mut head = BytesMut::with_capacity(lines + target + 2 * host.len() + 80);
    head.put_slice(method.as_str().as_bytes());
    head.put_u8(b' ');
    if proxied {
        put_origin(&mut head, uri);
    }
    let target = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    if target.starts_with('?') {
        head.put_u8(b'/');
    }
    head.put_slice(target.as_bytes());
    head.put_slice(b" HTTP/1.1\r\n");
    if !headers.contains_key(HOST) {
        head.put_slice(host.as_bytes());
    }
    for (name, value) in headers {
        if !is_of_the_connection(name) {
            head.put_slice(name.as_str().as_bytes());
            head.put_slice(b": ");
            head.put_slice(value.as_bytes());
            head.put_slice(b"\r\n");
        }
    }
    let expected = matches!(*method, Method::POST | Method::PUT | Method::PATCH);
    if length > 0 || expected {
        // Writing to memory does not fail.
        let _ = write!(head, "content-length: {length}\r\n");
    }
    head.put_slice(b"\r\n");
    head
}

fn put_origin(head: &mut BytesMut, uri: &Uri) {
    if let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) {
        let _ = write!(head, "{scheme}://{}", authority.host());
        if let Some(port) = authority.port() {
            let _ = write!(head, ":{port}");
        }
    }
}

fn is_of_the_connection(name: &HeaderName) -> bool {
    [CONNECTION, CONTENT_LENGTH, TE, TRANSFER_ENCODING, UPGRADE].contains(name)
}

/// The head at the beginning of these bytes, if it is whole.
///
/// # Errors
///
/// When they are the beginning of something else.
pub(super) fn answer(bytes: &Bytes, asked: &Method) -> Result<Option<Head>, HttpError> {
    let mut space = [const { std::mem::MaybeUninit::uninit() }; MOST_HEADERS];
    let mut parsed = httparse::Response::new(&mut []);
    let parsing =
        ParserConfig::default().parse_response_with_uninit_headers(&mut parsed, bytes, &mut space);
    let length = match parsing {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => {
            return Err(HttpError::Malformed("it has more than 100 headers"));
        }
        Err(_) => return Err(HttpError::Malformed("its head is not one of HTTP/1")),
    };
    let status = parsed.code.and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.ok_or(HttpError::Malformed(
        "its status is no number from 100 to 999",
    ))?;
    let mut headers = HeaderMap::with_capacity(parsed.headers.len());
    for header in &*parsed.headers {
        let name = HeaderName::from_bytes(header.name.as_bytes());
        let value = HeaderValue::from_maybe_shared(bytes.slice_ref(header.value));
        let (Ok(name), Ok(value)) = (name, value) else {
            return Err(HttpError::Malformed("it has a header that is none"));
        };
        headers.append(name, value);
    }
    let version = match parsed.version {
        Some(0) => Version::HTTP_10,
        _ => Version::HTTP_11,
    };
    let (framing, certain) = framing(status, version, &headers, asked)?;
    let says = |word: &str| says(&headers, CONNECTION, word);
    let kept = !says("close") && (version == Version::HTTP_11 || says("keep-alive"));
    let mut response = Response::new(());
    *response.status_mut() = status;
    *response.version_mut() = version;
    *response.headers_mut() = headers;
    Ok(Some(Head {
        response,
        reusable: kept && certain,
        framing,
        length,
    }))
}

/// How the body ends, and whether that can be relied upon, so that another answer may come after it.
fn framing(
    status: StatusCode,
    version: Version,
    headers: &HeaderMap,
    asked: &Method,
) -> Result<(Framing, bool), HttpError> {
    let none = status.is_informational()
        || [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&status);
    if none || *asked == Method::HEAD {
        return Ok((Framing::Length(0), true));
    }
    if let Some(last) = headers.get_all(TRANSFER_ENCODING).iter().next_back() {
        let last = last.as_bytes().rsplit(|byte| *byte == b',').next();
        let chunked = last.is_some_and(|last| last.trim_ascii().eq_ignore_ascii_case(b"chunked"));
        // Both together may be an attempt to have the end seen elsewhere; in HTTP/1.0 there are no chunks.
        let certain = !headers.contains_key(CONTENT_LENGTH) && version == Version::HTTP_11;
        return Ok(match chunked {
            true => (Framing::chunked(), certain),
            false => (Framing::UntilClose, false),
        });
    }
    let mut length = None;
    for value in headers.get_all(CONTENT_LENGTH) {
        for part in value.as_bytes().split(|byte| *byte == b',') {
            let part = number(part.trim_ascii())
                .filter(|number| length.is_none_or(|before| before == *number))
                .ok_or(HttpError::Malformed("its length is not one number"))?;
            length = Some(part);
        }
    }
    Ok(match length {
        Some(length) => (Framing::Length(length), true),
        None => (Framing::UntilClose, false),
    })
}

/// A number of digits alone: no sign, as Rust's own parsing allows.
fn number(digits: &[u8]) -> Option<u64> {
    let digits = Some(digits).filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
    str::from_utf8(digits).ok()?.parse().ok()
}

/// Whether a header that is a list has a word.
pub(super) fn says(headers: &HeaderMap, name: HeaderName, word: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .any(|part| part.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
}
