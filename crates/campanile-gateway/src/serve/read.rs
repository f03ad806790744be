//! Bodies of requests: so large at most, and within so long.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use campanile_llm::Error;
use http::HeaderValue;
use http_body::Body;

use super::refuse;

/// How much room is made at first for a body of which only the client says how long it is.
const ROOM: usize = 1 << 20;

/// Room for the bodies of all requests. Only what is put together is counted: what comes in one piece lies in a buffer of the
/// connection's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room<'a> {
    pub(super) taken: &'a Arc<AtomicUsize>,
    /// How many bytes there are.
    pub(super) most: usize,
}

/// Room that is taken, until this is dropped.
#[derive(Debug)]
struct Taken {
    of: Arc<AtomicUsize>,
    bytes: usize,
}

/// A body in the room that it takes, as long as anybody holds it.
struct Kept {
    body: BytesMut,
    _room: Option<Taken>,
}

// ===== impl Room =====

impl Room<'_> {
    /// Takes so many bytes more.
    fn take(self, taken: &mut Option<Taken>, bytes: usize) -> Result<(), Error> {
        let before = self.taken.fetch_add(bytes, Ordering::Relaxed);
        let taken = taken.get_or_insert_with(|| Taken {
            of: Arc::clone(self.taken),
            bytes: 0,
        });
        taken.bytes += bytes;
        match before.saturating_add(bytes) > self.most {
            true => Err(refuse::no_room()),
            false => Ok(()),
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.of.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

/// Reads a body that is short. As [`whole`].
pub(crate) async fn short<B>(
    body: B,
    length: Option<&HeaderValue>,
    most: usize,
    within: Duration,
) -> Result<Bytes, Error>
where
    B: Body<Data = Bytes>,
{
    whole(body, length, most, within, None).await
}

/// Reads a body. One that says that it is too large is not read at all.
///
/// # Errors
///
/// 413 where it is larger, 503 where there is no room for it, 408 where it takes longer, 400 where it breaks off.
pub(super) async fn whole<B>(
    body: B,
    length: Option<&HeaderValue>,
    most: usize,
    within: Duration,
    room: Option<Room<'_>>,
) -> Result<Bytes, Error>
where
    B: Body<Data = Bytes>,
{
    let length = length
        .and_then(|length| length.to_str().ok())
        .and_then(|length| length.parse::<usize>().ok());
    if length.is_some_and(|length| length > most) {
        return Err(refuse::too_large(most));
    }
    let mut body = pin!(body);
    // Armed when a body is first waited for: most come with their head.
    let mut timer = None;
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    let mut taken = None;
    loop {
        let frame = poll_fn(|cx| match body.as_mut().poll_frame(cx) {
            Poll::Ready(frame) => Poll::Ready(Ok(frame)),
            Poll::Pending => timer
                .get_or_insert_with(|| Box::pin(tokio::time::sleep(within)))
                .as_mut()
                .poll(cx)
                .map(|()| Err(refuse::too_slow(within.as_secs_f64()))),
        })
        .await?;
        let data = match frame {
            // A copy of its own: the frame would keep the buffer that the connection reads into for as long as the call lasts.
            None if rest.is_empty() => return Ok(Bytes::copy_from_slice(&first)),
            None => {
                return Ok(Bytes::from_owner(Kept {
                    body: rest,
                    _room: taken,
                }));
            }
            Some(Err(_)) => return Err(refuse::broken_off()),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => data,
                // Trailers tell nothing.
                Err(_) => continue,
            },
        };
        if first.len().max(rest.len()) + data.len() > most {
            return Err(refuse::too_large(most));
        }
        if first.is_empty() {
            first = data;
            continue;
        }
        if let Some(room) = room {
            let more = if rest.is_empty() { first.len() } else { 0 };
            room.take(&mut taken, more + data.len())?;
        }
        if rest.is_empty() {
            rest.reserve(
                length
                    .unwrap_or(0)
                    .clamp(first.len() + data.len(), ROOM.max(first.len() + data.len())),
            );
            rest.extend_from_slice(&first);
        }
        rest.extend_from_slice(&data);
    }
}
