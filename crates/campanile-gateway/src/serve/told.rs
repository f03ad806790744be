//! What is told of a call beside its answer: its id, what its key has left, and what its log wants.

use std::sync::Arc;

use campanile_llm::{Error, chat::Meta, dialect::Dialect, error::Class};
use http::{HeaderValue, Method, Response, header::ALLOW};

use super::{body::Body, refuse};
use crate::{
    access::{Caller, quota},
    gateway::Gateway,
    operate::{About, REQUEST_ID_OF_ANTHROPIC, Refusal, RequestId},
};

/// What tells a call from others, and how its caller wants to be told.
pub(super) struct Call<'a> {
    pub(super) gateway: &'a Gateway,
    /// What it is answered in.
    pub(super) dialect: Dialect,
    pub(super) id: &'a RequestId,
    pub(super) method: &'a Method,
    pub(super) path: &'a str,
}

// ===== impl Call =====

impl Call<'_> {
    /// An answer that is an error.
    #[cold]
    pub(super) fn refused(
        &self,
        caller: Option<&Caller>,
        model: Option<Arc<str>>,
        error: Error,
    ) -> Response<Body> {
        let (class, is_logged) = (error.class(), error.is_logged());
        let about = About {
            key: caller.map(|caller| Arc::clone(&caller.name)),
            tenant: caller.map(|caller| Arc::clone(&caller.tenant)),
            model,
            provider: error.provider().map(Into::into),
            provider_request_id: error.request_id().map(Into::into),
            error: Some(class),
        };
        let mut response = refuse::answer(error, self.dialect, self.id);
        let refusal = Refusal {
            id: self.id,
            method: self.method,
            path: self.path,
            status: response.status().as_u16(),
            class,
            is_logged,
        };
        let standing = &self.gateway.kept().standing;
        standing.refusals.tell(refusal, &about);
        if self.id.logs() {
            response.extensions_mut().insert(about);
        }
        self.finish(caller, response)
    }

    /// Tells of somebody who was taken for no operator.
    #[cold]
    pub(super) fn no_operator(&self) {
        let refusal = Refusal {
            id: self.id,
            method: self.method,
            path: self.path,
            status: 401,
            class: Class::Request,
            is_logged: false,
        };
        let standing = &self.gateway.kept().standing;
        standing.refusals.tell(refusal, &About::default());
    }

    /// The answer to a call that comes when no more are taken.
    #[cold]
    pub(super) fn stopping(&self) -> Response<Body> {
        let mut response = self.refused(None, None, refuse::stopping());
        refuse::come_again(&mut response);
        response
    }

    /// The answer to a request of a path that takes others.
    #[cold]
    pub(super) fn wrong_method(&self, allowed: &'static str) -> Response<Body> {
        let mut response = self.refused(None, None, refuse::wrong_method(allowed));
        let allowed = HeaderValue::from_static(allowed);
        response.headers_mut().insert(ALLOW, allowed);
        response
    }

    /// Says whose answer it is, and what its key has left.
    pub(super) fn finish(
        &self,
        caller: Option<&Caller>,
        mut response: Response<Body>,
    ) -> Response<Body> {
        let headers = response.headers_mut();
        if self.dialect == Dialect::Anthropic {
            headers.insert(REQUEST_ID_OF_ANTHROPIC, self.id.header());
        }
        if let Some(rate) = caller.and_then(|caller| caller.rate.as_ref()) {
            quota::tell(rate, self.dialect, headers);
        }
        response
    }
}

/// What the log wants to know of an answer.
pub(super) fn about(caller: &Caller, model: &Option<Arc<str>>, meta: &Meta) -> About {
    About {
        key: Some(Arc::clone(&caller.name)),
        tenant: Some(Arc::clone(&caller.tenant)),
        model: model.clone(),
        provider: meta.provider.clone(),
        ..About::default()
    }
}
