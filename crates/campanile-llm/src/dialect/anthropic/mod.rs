//! Anthropic's messages.
#![allow(dead_code, unused_variables)]

use bytes::Bytes;
use http::HeaderMap;

use super::{
    codec::{Decode, Parse, Render},
    dispatch::{Asked, Outgoing},
    neutral::{Delta, Whole},
};
use crate::{
    chat::{ChatEvent, ChatRequest},
    error::{Class, Error},
    stream::Frame,
    usage::Tally,
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

pub(crate) fn render_whole(whole: &Whole) -> Bytes {
    Bytes::new()
}

pub(crate) fn error_body(error: &Error) -> Bytes {
    Bytes::new()
}

pub(crate) fn error_frame(error: &Error) -> Bytes {
    Bytes::new()
}

pub(crate) fn renderer(asked: Asked) -> impl Render + Send + 'static {
    Stub
}

impl Render for Stub {
    fn delta(
        &mut self,
        delta: Delta,
        tally: &Tally,
        events: &mut std::collections::VecDeque<ChatEvent>,
    ) {
    }
}

impl Decode for Stub {
    fn frame(
        &mut self,
        frame: Frame,
        events: &mut std::collections::VecDeque<ChatEvent>,
    ) -> Result<(), Error> {
        Err(not_yet())
    }

    fn end(&mut self, events: &mut std::collections::VecDeque<ChatEvent>) -> Result<(), Error> {
        Err(not_yet())
    }
}

pub(crate) fn verbatim(tally: Tally) -> impl Decode + Send + 'static {
    Stub
}

pub(crate) fn to_openai(request: &ChatRequest) -> Result<ChatRequest, Error> {
    Err(not_yet())
}
