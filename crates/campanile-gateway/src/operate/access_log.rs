//! The access log: a line for each call, or for each that failed, once its answer has come to its end.
//!
//! Target `campanile::access`, level `info`, in the format of the log. Off, which is the default, a call costs one look at the
//! settings; what was [refused](super::Refusals) before a stage saw it has its line all the same.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use campanile::time::Timestamp;
use campanile_llm::error::Class;
use http::{Method, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::About;
use crate::config::AccessLog;

/// The target of the access log.
pub(super) const TARGET: &str = "campanile::access";

/// How long a path is told, in bytes: it is the client's.
const LONGEST: usize = 200;

/// A body that may end in words that say that it is not whole.
pub(crate) trait Ends {
    /// What went wrong, if it ended so.
    fn failed(&self) -> Option<Class>;
}

/// A call that is to be logged. Dropped before its end it is logged as given up.
pub(super) struct Logged {
    which: AccessLog,
    id: Arc<str>,
    method: Method,
    path: String,
    began: Timestamp,
    status: Option<StatusCode>,
    about: About,
    bytes: u64,
    head: Option<Timestamp>,
    end: &'static str,
}

pin_project! {
    /// A body whose end is logged, if its call is.
    pub(crate) struct LoggedBody<B> {
        #[pin]
        body: B,
        // Boxed, since few gateways log all calls and all bodies would carry its size.
        logged: Option<Box<Logged>>,
    }
}

// ===== impl Logged =====

impl Logged {
    /// Begins to log a call.
    pub(super) fn begin<B>(which: AccessLog, request: &Request<B>, id: &Arc<str>) -> Box<Self> {
        let path = request.uri().path();
        Box::new(Self {
            which,
            id: Arc::clone(id),
            method: request.method().clone(),
            path: shown(path),
            began: Timestamp::now(),
            status: None,
            about: About::default(),
            bytes: 0,
            head: None,
            end: "given_up",
        })
    }

    /// The head of the answer is there. What its handler knows [about](About) it lies in its extensions.
    pub(super) fn head<B>(&mut self, response: &mut Response<B>) {
        self.head = Some(Timestamp::now());
        self.status = Some(response.status());
        if let Some(about) = response.extensions_mut().remove::<About>() {
            self.about = about;
        }
    }

    /// The answer has no body, so nobody asks it for its end.
    pub(super) const fn is_whole(&mut self) {
        self.end = "whole";
    }

    /// It ended before it was whole, for this reason.
    fn failed(&mut self, end: &'static str, error: Class) {
        self.end = end;
        self.about.error.get_or_insert(error);
    }

    fn write(&self) {
        let went_well = self.status.is_some_and(|status| status.is_success());
        let is_whole = self.end == "whole";
        if self.which == AccessLog::Failed && went_well && is_whole {
            return;
        }
        let now = Timestamp::now();
        let about = &self.about;
        tracing::info!(
            target: TARGET,
            id = &*self.id,
            method = self.method.as_str(),
            path = self.path,
            status = self.status.map(|status| status.as_u16()),
            end = self.end,
            key = about.key.as_deref(),
            tenant = about.tenant.as_deref(),
            model = about.model.as_deref(),
            provider = about.provider.as_deref(),
            provider_request_id = about.provider_request_id.as_deref(),
            error = about.error.map(Class::name),
            head_s = self.head.map(|head| head.since(self.began).as_secs_f64()),
            elapsed_s = now.since(self.began).as_secs_f64(),
            bytes = self.bytes,
            "a call is over"
        );
    }
}

/// A path as it is told: without the query, in which some clients send keys.
pub(super) fn shown(path: &str) -> String {
    path.chars().take(LONGEST).collect()
}

impl Drop for Logged {
    fn drop(&mut self) {
        self.write();
    }
}

impl fmt::Debug for Logged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logged")
            .field("id", &self.id)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

// ===== impl LoggedBody =====

impl<B> LoggedBody<B> {
    pub(super) const fn new(body: B, logged: Option<Box<Logged>>) -> Self {
        Self { body, logged }
    }

    /// Notes that it ends here and now, and why.
    pub(crate) fn ends(self: Pin<&mut Self>, end: &'static str, error: Class) {
        if let Some(logged) = self.project().logged {
            logged.failed(end, error);
        }
    }
}

impl<B> Body for LoggedBody<B>
where
    B: Body<Data = bytes::Bytes> + Ends,
{
    type Data = bytes::Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<bytes::Bytes>, B::Error>>> {
        let mut this = self.project();
        let Some(logged) = this.logged else {
            return this.body.poll_frame(cx);
        };
        let frame = ready!(this.body.as_mut().poll_frame(cx));
        let is_over = match &frame {
            Some(Ok(frame)) => {
                let length = frame.data_ref().map_or(0, bytes::Bytes::len);
                logged.bytes += length as u64;
                // Servers do not ask again once a body says that it is over.
                this.body.is_end_stream()
            }
            Some(Err(_)) => {
                logged.end = "broken";
                false
            }
            None => true,
        };
        if is_over {
            match this.body.failed() {
                Some(error) => logged.failed("failed", error),
                None => logged.is_whole(),
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> fmt::Debug for LoggedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoggedBody")
            .field("logged", &self.logged)
            .finish_non_exhaustive()
    }
}
