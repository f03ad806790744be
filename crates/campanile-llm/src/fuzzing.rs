//! What the fuzzers in `fuzz/` call. Each takes any bytes, and panics where a promise is broken; nobody else needs it.

#[cfg(feature = "client")]
mod http1;

use std::collections::VecDeque;

use bytes::Bytes;
use campanile::{
    outcome::retry_after,
    rate_limit::{Advise, Headers},
};
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use serde_json::Value;

use crate::{
    chat::{ChatEvent, FinishReason, Part},
    dialect::{Api, Asked, Decoder, Dialect, Frames, codec::Decode, failed},
    error::Error,
    stream::Frame,
    usage::Tally,
};

#[cfg(feature = "client")]
pub use http1::http1;

/// Frames are cut off here.
const CAP: usize = 4_096;

/// Server-sent events are the same, however they are cut into chunks.
///
/// # Panics
///
/// When they are not.
pub fn sse(input: &[u8]) {
    same_frames(Api::OpenAi, input);
}

/// Lines are the same, however they are cut into chunks.
///
/// # Panics
///
/// When they are not.
pub fn ndjson(input: &[u8]) {
    same_frames(Api::Ollama, input);
}

/// Waits and times of headers and errors, of any text.
pub fn durations(input: &[u8]) {
    const NAMES: [&str; 8] = [
        "retry-after",
        "retry-after-ms",
        "x-ratelimit-limit-requests",
        "x-ratelimit-remaining-tokens",
        "x-ratelimit-reset-requests",
        "x-ratelimit-reset-tokens",
        "anthropic-ratelimit-input-tokens-reset",
        "anthropic-ratelimit-output-tokens-reset",
    ];
    let mut response = Response::new(());
    *response.status_mut() = http::StatusCode::TOO_MANY_REQUESTS;
    for (name, value) in NAMES.into_iter().zip(input.split(|byte| *byte == b'\n')) {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            response
                .headers_mut()
                .insert(HeaderName::from_static(name), value);
        }
    }
    let _ = retry_after(response.headers(), std::time::Duration::MAX);
    let _ = Headers.advice(&response);
    for api in [Api::OpenAi, Api::Anthropic, Api::Gemini, Api::Ollama] {
        let error = api.error(429, response.headers(), input);
        let _ = (error.outcome(), error.to_string());
    }
    if let Ok(value) = serde_json::from_slice::<Value>(input) {
        let _ = failed::duration(&value);
    }
    let text = String::from_utf8_lossy(input);
    let _ = failed::duration(&Value::from(&*text));
    let _ = failed::without_keys(&text);
}

/// A provider's stream as callers of either dialect see it: frames are whole, one end is the last of them, and how the stream
/// was cut into chunks cannot be seen. As a whole answer, and as an error, the same bytes are borne.
///
/// # Panics
///
/// When one of these does not hold.
pub fn stream(api: Api, input: &[u8]) {
    let (chunk, body) = split(input);
    for dialect in [Dialect::OpenAi, Dialect::Anthropic] {
        let (whole, failed) = decode(api, dialect, body, usize::MAX);
        let ends = whole
            .iter()
            .filter(|event| event.part() == Part::End)
            .count();
        assert!(
            ends <= 1 && (ends == 0 || failed.is_none()),
            "an end and an error"
        );
        for event in &whole {
            let (frame, data) = (event.frame(), event.data());
            assert!(!frame.is_empty());
            // What is translated is written here, so it is as it should be.
            let own = !matches!(
                (api, dialect),
                (Api::OpenAi, Dialect::OpenAi) | (Api::Anthropic, Dialect::Anthropic)
            );
            if own {
                assert!(frame.ends_with(b"\n\n"));
                let json = data == b"[DONE]" || serde_json::from_slice::<Value>(data).is_ok();
                assert!(json, "{data:?}");
                let lines = memchr::memmem::find_iter(frame, b"\n\n").count();
                assert_eq!(lines, 1, "{frame:?}");
            }
        }
        let (chunked, failed_too) = decode(api, dialect, body, chunk);
        assert_eq!(seen(&whole), seen(&chunked));
        let class = |error: &Option<Error>| error.as_ref().map(Error::class);
        assert_eq!(class(&failed), class(&failed_too));
        let body = Bytes::copy_from_slice(body);
        if let Ok(answer) = api.completion(dialect, body.clone(), Tally::new(1, 4.0)) {
            let _ = (answer.text(), answer.tool_calls());
        }
        let error = api.error(500, &HeaderMap::new(), &body);
        for written in [dialect.error_body(&error), dialect.error_frame(&error)] {
            assert!(!written.is_empty());
        }
        let _ = api.collect(body);
    }
}

/// What does not depend on names and times that are made up here.
fn seen(events: &[ChatEvent]) -> Vec<(Part, Option<FinishReason>, campanile::Usage, bool)> {
    let event = |event: &ChatEvent| {
        (
            event.part(),
            event.finish(),
            *event.usage(),
            event.is_reported(),
        )
    };
    events.iter().map(event).collect()
}

/// The first byte says how large chunks are.
fn split(input: &[u8]) -> (usize, &[u8]) {
    match input.split_first() {
        Some((first, rest)) => (usize::from(*first) + 1, rest),
        None => (1, input),
    }
}

/// The events until the end or an error, as a caller sees them.
fn decode(
    api: Api,
    dialect: Dialect,
    body: &[u8],
    chunk: usize,
) -> (Vec<ChatEvent>, Option<Error>) {
    let asked = Asked {
        model: "asked".into(),
        usage: true,
        choices: 1,
    };
    let mut decoder = Decoder::new(api, dialect, asked, Tally::new(10, 4.0));
    let mut events = VecDeque::new();
    let mut seen = Vec::new();
    let result = frames(api, body, chunk, |frame| {
        let result = match frame {
            Some(frame) => decoder.frame(frame, &mut events),
            None => decoder.end(&mut events),
        };
        for event in events.drain(..) {
            seen.push(event);
            if seen.last().is_some_and(|event| event.part() == Part::End) {
                return Ok(false);
            }
        }
        result.map(|()| true)
    });
    (seen, result.err())
}

/// Cuts frames, and then tells the end, until it is enough.
fn frames(
    api: Api,
    body: &[u8],
    chunk: usize,
    mut each: impl FnMut(Option<Frame>) -> Result<bool, Error>,
) -> Result<(), Error> {
    let mut frames: Frames = api.frames(CAP);
    for chunk in body.chunks(chunk) {
        frames.push(Bytes::copy_from_slice(chunk));
        while let Some(frame) = frames.next()? {
            if !each(Some(frame))? {
                return Ok(());
            }
        }
    }
    while let Some(frame) = frames.end()? {
        if !each(Some(frame))? {
            return Ok(());
        }
    }
    each(None).map(drop)
}

fn same_frames(api: Api, input: &[u8]) {
    let (chunk, body) = split(input);
    let cut = |chunk: usize| {
        let mut cut = Vec::new();
        let result = frames(api, body, chunk, |frame| {
            cut.extend(frame);
            Ok(true)
        });
        (cut, result.err().map(|error| error.class()))
    };
    let (whole, chunked) = (cut(usize::MAX), cut(chunk));
    assert_eq!(whole, chunked);
    for frame in &whole.0 {
        assert!(frame.bytes().len() <= CAP + 2, "above the cap");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn promises_hold_for_bytes(input in prop::collection::vec(any::<u8>(), 0..300)) {
            sse(&input);
            ndjson(&input);
            durations(&input);
            for api in [Api::OpenAi, Api::Anthropic, Api::Gemini, Api::Ollama] {
                stream(api, &input);
            }
        }

        #[test]
        fn promises_hold_for_what_looks_like_a_stream(
            lines in prop::collection::vec(
                "(data: |event: |: |)(\\{\"(choices|candidates|message|type|error|done|delta|usage)\":(\\[\\]|null|1|true|\"x\"|\\{\\})\\}|\\[DONE\\]|error|ping)(\n|\r|\r\n|\n\n)",
                0..12,
            ),
            first: u8,
        ) {
            let mut input = vec![first];
            input.extend(lines.concat().into_bytes());
            sse(&input);
            ndjson(&input);
            for api in [Api::OpenAi, Api::Anthropic, Api::Gemini, Api::Ollama] {
                stream(api, &input);
            }
        }
    }
}
