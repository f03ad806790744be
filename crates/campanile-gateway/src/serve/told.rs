//! What is told of a call beside its answer: its id, what its key has left, and what its log wants.

use std::sync::Arc;

use campanile_llm::{Error, chat::Meta, dialect::Dialect};
use http::{HeaderName, Response};

use super::{answer::Asked, body::Body, refuse};
use crate::{
    access::{Caller, quota},
    operate::{About, RequestId},
};

/// `x-request-id` as Anthropic's interface calls it.
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

/// An answer that is an error.
#[cold]
pub(super) fn refused(
    asked: &Asked<'_>,
    id: &RequestId,
    caller: Option<&Caller>,
    model: Option<Arc<str>>,
    error: Error,
) -> Response<Body> {
    let about = id.logs().then(|| About {
        key: caller.map(|caller| Arc::clone(&caller.name)),
        tenant: caller.map(|caller| Arc::clone(&caller.tenant)),
        model,
        provider: error.provider().map(Into::into),
        error: Some(error.class()),
    });
    let mut response = refuse::answer(error, asked.dialect);
    if let Some(about) = about {
        response.extensions_mut().insert(about);
    }
    finish(asked, id, caller, response)
}

/// What the log wants to know of an answer.
pub(super) fn about(caller: &Caller, model: &Option<Arc<str>>, meta: &Meta) -> About {
    About {
        key: Some(Arc::clone(&caller.name)),
        tenant: Some(Arc::clone(&caller.tenant)),
        model: model.clone(),
        provider: meta.provider.clone(),
        error: None,
    }
}

/// Says whose answer it is, and what its key has left.
pub(super) fn finish(
    asked: &Asked<'_>,
    id: &RequestId,
    caller: Option<&Caller>,
    mut response: Response<Body>,
) -> Response<Body> {
    let headers = response.headers_mut();
    if asked.dialect == Dialect::Anthropic {
        headers.insert(REQUEST_ID, id.header());
    }
    if let Some(rate) = caller.and_then(|caller| caller.rate.as_ref()) {
        quota::tell(rate, asked.dialect, headers);
    }
    response
}
