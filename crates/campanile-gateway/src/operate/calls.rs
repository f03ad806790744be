//! Around all answers: the id of each call, and the access log.

use http::{Request, Response};
use http_body::Body;

use super::{
    access_log::{Ends, Logged, LoggedBody},
    request_id::{REQUEST_ID, RequestId},
};
use crate::config::AccessLog;

/// A call that has its [`RequestId`], and is logged, if the settings say so.
#[derive(Debug)]
pub(crate) struct Called {
    id: RequestId,
    logged: Option<Box<Logged>>,
}

// ===== impl Called =====

impl Called {
    pub(crate) fn new<B>(which: AccessLog, request: &Request<B>) -> Self {
        let logs = which != AccessLog::Off;
        let id = RequestId::of(request.headers(), logs);
        let logged = logs.then(|| Logged::begin(which, request, id.text()));
        Self { id, logged }
    }

    pub(crate) const fn id(&self) -> &RequestId {
        &self.id
    }

    /// Puts the id on the answer, and follows its body to the end, if it is logged.
    pub(crate) fn answered<B>(mut self, mut response: Response<B>) -> Response<LoggedBody<B>>
    where
        B: Body + Ends,
    {
        if let Some(logged) = &mut self.logged {
            logged.head(&mut response);
            if response.body().is_end_stream() {
                logged.is_whole();
            }
        }
        let headers = response.headers_mut();
        headers.insert(REQUEST_ID, self.id.header);
        response.map(|body| LoggedBody::new(body, self.logged))
    }
}
