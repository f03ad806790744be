//! Anthropic's messages: as the interface of a provider, and as the dialect of a caller.
#![allow(dead_code)]

use bytes::Bytes;

use super::{
    codec::{Decode, Parse, Render},
    dispatch::{Asked, Outgoing},
};
use crate::{chat::ChatRequest, error::Error, usage::Tally};

mod error;
mod json_state;
mod parse;
mod render;
mod scan;
#[cfg(test)]
mod tests;
mod verbatim;
mod whole;
mod wire;

pub(crate) use error::{error, error_body, error_frame};
pub(crate) use whole::{render_whole, whole};

/// Reads a provider's stream.
pub(crate) fn parser() -> impl Parse + Send + 'static {
    parse::Parser::default()
}

/// Writes a caller's stream.
pub(crate) fn renderer(asked: Asked) -> impl Render + Send + 'static {
    render::Renderer::new(asked)
}

/// Passes a provider's stream on to a caller of the same dialect.
pub(crate) fn verbatim(tally: Tally) -> impl Decode + Send + 'static {
    verbatim::Verbatim::new(tally)
}

pub(crate) fn chat_request(_: &ChatRequest, _: &str) -> Result<Outgoing, Error> {
    todo!()
}

pub(crate) fn to_openai(_: &ChatRequest) -> Result<ChatRequest, Error> {
    let _ = Bytes::new();
    todo!()
}
