use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes, BytesMut};
use campanile::BoxError;
use http_body::Body;
use pin_project_lite::pin_project;

use super::stream::broken;
use crate::error::{Class, Error};

pin_project! {
    /// Reads a body to its end, or to a bound.
    pub(crate) struct Collect<B> {
        #[pin]
        body: B,
        most: usize,
        // Whether what is beyond the bound is left unread, or an error.
        cut: bool,
        first: Bytes,
        more: BytesMut,
    }
}

// ===== impl Collect =====

impl<B: Body> Collect<B> {
    /// All of a body, which may be so long.
    pub(crate) fn all(body: B, most: usize) -> Self {
        Self::new(body, most, false)
    }

    /// The beginning of a body.
    pub(crate) fn beginning(body: B, most: usize) -> Self {
        Self::new(body, most, true)
    }

    fn new(body: B, most: usize, cut: bool) -> Self {
        Self {
            body,
            most,
            cut,
            first: Bytes::new(),
            more: BytesMut::new(),
        }
    }

    /// Reads on, to the end.
    pub(crate) fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Bytes, Error>>
    where
        B::Error: Into<BoxError>,
    {
        let mut this = self.project();
        let long = |most: usize| {
            let message = format!("the answer is above the cap of {most} bytes");
            Error::new(Class::Malformed, message)
        };
        if !*this.cut && this.body.size_hint().lower() > *this.most as u64 {
            return Poll::Ready(Err(long(*this.most)));
        }
        loop {
            let whole = match ready!(this.body.as_mut().poll_frame(cx)) {
                Some(Ok(frame)) => {
                    let Ok(mut data) = frame.into_data() else {
                        continue;
                    };
                    let read = this.first.len() + this.more.len();
                    let room = *this.most - read;
                    if data.remaining() > room && !*this.cut {
                        return Poll::Ready(Err(long(*this.most)));
                    }
                    let data = data.copy_to_bytes(data.remaining().min(room));
                    if this.first.is_empty() && this.more.is_empty() {
                        *this.first = data;
                    } else {
                        if this.more.is_empty() {
                            this.more.extend_from_slice(&std::mem::take(this.first));
                        }
                        this.more.extend_from_slice(&data);
                    }
                    this.first.len() + this.more.len() >= *this.most && *this.cut
                }
                // Of an error, what came counts.
                Some(Err(_)) if *this.cut => true,
                Some(Err(error)) => return Poll::Ready(Err(broken(error.into()))),
                None => true,
            };
            if whole {
                return Poll::Ready(Ok(match this.more.is_empty() {
                    true => std::mem::take(this.first),
                    false => this.more.split().freeze(),
                }));
            }
        }
    }
}
