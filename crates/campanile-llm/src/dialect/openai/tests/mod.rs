use std::collections::VecDeque;

use bytes::Bytes;

use crate::{
    chat::{ChatEvent, ChatRequest, Part},
    dialect::{Asked, codec::Decode, codec::Parse, neutral::Delta},
    error::{Class, Error},
    stream::SseFrames,
    usage::Tally,
};

mod errors;
mod requests;
mod translated;
mod verbatim;
mod wholes;

/// A stream as OpenAI writes it, with usage asked for.
const STREAM: &str = concat!(
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null},\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}\n\n",
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi \\u00e9\"},\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}\n\n",
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":null}\n\n",
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2,\"total_tokens\":11,\"prompt_tokens_details\":{\"cached_tokens\":4},\"completion_tokens_details\":{\"reasoning_tokens\":0}}}\n\n",
    "data: [DONE]\n\n",
);

fn asked(usage: bool, choices: u32) -> Asked {
    Asked {
        model: "callers".into(),
        usage,
        choices,
    }
}

/// Reads a whole stream, cut into chunks of so many bytes.
fn read(decode: &mut impl Decode, stream: &[u8], size: usize) -> (Vec<ChatEvent>, Option<Error>) {
    let mut frames = SseFrames::default();
    let mut events = VecDeque::new();
    let mut run = || {
        for chunk in stream.chunks(size.max(1)) {
            frames.push(Bytes::copy_from_slice(chunk));
            while let Some(frame) = frames.next()? {
                decode.frame(frame, &mut events)?;
            }
        }
        while let Some(frame) = frames.end()? {
            decode.frame(frame, &mut events)?;
        }
        decode.end(&mut events)
    };
    let error = run().err();
    (events.into(), error)
}

fn verbatim(usage: bool, stream: &str) -> (Vec<ChatEvent>, Option<Error>) {
    let mut decode = super::verbatim(&asked(usage, 1), Tally::new(20, 4.0));
    read(&mut decode, stream.as_bytes(), 4_096)
}

/// What a stream means.
fn deltas(stream: &str) -> Result<Vec<Delta>, Error> {
    let mut parser = super::parser();
    let mut frames = SseFrames::default();
    let mut deltas = Vec::new();
    frames.push(Bytes::copy_from_slice(stream.as_bytes()));
    while let Some(frame) = frames.end()? {
        parser.frame(&frame, &mut deltas)?;
    }
    parser.end(&mut deltas)?;
    Ok(deltas)
}

/// A chunk around these choices.
fn chunk(choices: &str) -> String {
    format!("data: {{\"id\":\"c\",\"model\":\"m\",\"choices\":[{choices}]}}\n\n")
}
