use std::{future::poll_fn, pin::pin};

use bytes::{Buf, Bytes};
use http::HeaderMap;
use http_body::Body;

/// What was read of a body.
pub(in super::super) struct Read {
    pub(in super::super) data: Bytes,
    pub(in super::super) truncated: bool,
    pub(in super::super) trailers: Option<HeaderMap>,
}

/// Reads a body to its end, or to so many bytes, whichever comes first. The rest is dropped with it.
pub(in super::super) async fn read<B: Body>(body: B, limit: usize) -> Result<Read, B::Error> {
    let mut body = pin!(body);
    let mut data = Vec::new();
    let mut read = Read {
        data: Bytes::new(),
        truncated: false,
        trailers: None,
    };
    if limit == 0 {
        read.truncated = !body.is_end_stream();
        return Ok(read);
    }
    // A body whose end is known needs no further poll; one that is just as long as the limit is polled for its end.
    while !body.is_end_stream() {
        let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await else {
            break;
        };
        match frame?.into_data() {
            Ok(mut piece) => {
                let room = limit - data.len();
                read.truncated = piece.remaining() > room;
                append(&mut data, &mut piece, room);
                if read.truncated {
                    break;
                }
            }
            Err(frame) => read.trailers = frame.into_trailers().ok(),
        }
    }
    read.data = data.into();
    Ok(read)
}

fn append(data: &mut Vec<u8>, piece: &mut impl Buf, most: usize) {
    let mut left = piece.remaining().min(most);
    while left > 0 {
        let chunk = piece.chunk();
        let taken = chunk.len().min(left);
        data.extend_from_slice(&chunk[..taken]);
        piece.advance(taken);
        left -= taken;
    }
}
