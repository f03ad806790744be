//! Ollama's own interface.
#![allow(dead_code, unused_variables)]

use bytes::Bytes;
use http::HeaderMap;

use super::{
    codec::Parse,
    dispatch::Outgoing,
    neutral::{Delta, Whole},
};
use crate::{
    chat::ChatRequest,
    error::{Class, Error},
    stream::Frame,
};

pub(crate) fn chat_request(request: &ChatRequest, model: &str) -> Result<Outgoing, Error> {
    Err(not_yet())
}

pub(crate) fn whole(body: Bytes) -> Result<Whole, Error> {
    Err(not_yet())
}

pub(crate) fn error(status: u16, headers: &HeaderMap, body: &[u8]) -> Error {
    not_yet()
}

fn not_yet() -> Error {
    Error::new(Class::Request, "not there yet")
}

pub(crate) fn parser() -> impl Parse + Send + 'static {
    Stub
}

#[derive(Debug)]
pub(crate) struct Stub;

impl Parse for Stub {
    fn frame(&mut self, frame: &Frame, deltas: &mut Vec<Delta>) -> Result<(), Error> {
        Err(not_yet())
    }

    fn end(&mut self, deltas: &mut Vec<Delta>) -> Result<(), Error> {
        Err(not_yet())
    }
}
