//! What went wrong with a call to a provider, and what that means: for the request, the endpoint, the key.

use std::{error, fmt, sync::Arc, time::Duration};

use campanile::{
    Rejection,
    outcome::{FailureKind, Outcome},
    rejection::{Lack, RejectionKind},
};

mod begun;
mod class;
#[cfg(test)]
mod tests;

pub use begun::Begun;
pub use class::Class;

/// The error of every provider and of every layer around them. One pointer wide.
///
/// It never holds a key. The provider's own words are in [`message`](Self::message), which may quote the request. A clone
/// shares what it came from: several callers who wait for one answer may each be told.
#[derive(Clone)]
pub struct Error {
    inner: Box<Inner>,
}

#[derive(Clone)]
struct Inner {
    class: Class,
    message: String,
    status: Option<u16>,
    kind: Option<String>,
    code: Option<String>,
    param: Option<String>,
    provider: Option<Arc<str>>,
    request_id: Option<String>,
    retry_after: Option<Duration>,
    rejection: Option<Rejection>,
    limit: Limit,
    logged: bool,
    begun: Option<Box<Begun>>,
    source: Option<Arc<dyn error::Error + Send + Sync>>,
}

/// Whose limit, or budget, refused a call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Limit {
    /// Nobody has said.
    Unsaid,
    /// The caller's, or of something that it is one of the callers of.
    Callers,
    /// That of a provider's endpoint, which is no matter of the caller's.
    Endpoints,
}

/// When to come again to a concurrency limit: nobody knows when a call ends.
const SHORTLY: Duration = Duration::from_secs(1);

// ===== impl Error =====

impl Error {
    /// An error of a class, with what it has to say.
    #[must_use]
    pub fn new(class: Class, message: impl Into<String>) -> Self {
        Self {
            inner: Box::new(Inner {
                class,
                message: message.into(),
                status: None,
                kind: None,
                code: None,
                param: None,
                provider: None,
                request_id: None,
                retry_after: None,
                rejection: None,
                limit: Limit::Unsaid,
                logged: false,
                begun: None,
                source: None,
            }),
        }
    }

    /// Sets the HTTP status that the provider answered with.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.inner.status = Some(status);
        self
    }

    /// Sets the provider's own type of the error.
    #[must_use]
    pub fn with_kind(mut self, kind: impl Into<String>) -> Self {
        self.inner.kind = Some(kind.into());
        self
    }

    /// Sets the provider's own code of the error.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.inner.code = Some(code.into());
        self
    }

    /// Sets which part of the request is at fault.
    #[must_use]
    pub fn with_param(mut self, param: impl Into<String>) -> Self {
        self.inner.param = Some(param.into());
        self
    }

    /// Sets whose error it is.
    #[must_use]
    pub fn with_provider(mut self, provider: impl Into<Arc<str>>) -> Self {
        self.inner.provider = Some(provider.into());
        self
    }

    /// Sets the provider's name of the request.
    #[must_use]
    pub fn with_request_id(mut self, id: impl Into<String>) -> Self {
        self.inner.request_id = Some(id.into());
        self
    }

    /// Sets when to try again, counted from now.
    #[must_use]
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        self.inner.retry_after = Some(after);
        self
    }

    /// Sets what it came from.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<campanile::BoxError>) -> Self {
        self.inner.source = Some(source.into().into());
        self
    }

    /// Sets what was seen of an answer that had begun, unless that is set.
    #[must_use]
    pub fn with_begun(mut self, begun: Begun) -> Self {
        self.inner.begun.get_or_insert_with(|| Box::new(begun));
        self
    }

    /// Notes that a line about it was written to the log, so that nobody need write another.
    #[must_use]
    pub fn with_logged(mut self) -> Self {
        self.inner.logged = true;
        self
    }

    /// Changes the provider's own words, and those of what the error came from: what must not be seen is taken out of them.
    pub(crate) fn edit(&mut self, mut change: impl FnMut(&mut String)) {
        let inner = &mut *self.inner;
        change(&mut inner.message);
        let others = [
            &mut inner.kind,
            &mut inner.code,
            &mut inner.param,
            &mut inner.request_id,
        ];
        others.into_iter().flatten().for_each(&mut change);
        // Whoever logs an error logs what it came from.
        let Some(source) = &inner.source else { return };
        let (mut shown, mut words) = (format!("{source:?}"), source.to_string());
        let mut next = source.source();
        while let Some(source) = next {
            shown.push_str(&format!("{source:?}"));
            words.push_str(&format!(": {source}"));
            next = source.source();
        }
        let whole = (shown.clone(), words.clone());
        change(&mut shown);
        change(&mut words);
        if whole.0 != shown || whole.1 != words {
            let hidden: campanile::BoxError = words.into();
            inner.source = Some(hidden.into());
        }
    }

    /// What it means.
    #[must_use]
    pub fn class(&self) -> Class {
        self.inner.class
    }

    /// What the provider, or the layer, has to say.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.inner.message
    }

    /// The HTTP status that the provider answered with.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.inner.status
    }

    /// The provider's own type of the error, as `rate_limit_error`.
    #[must_use]
    pub fn kind(&self) -> Option<&str> {
        self.inner.kind.as_deref()
    }

    /// The provider's own code of the error, as `insufficient_quota`.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.inner.code.as_deref()
    }

    /// Which part of the request is at fault.
    #[must_use]
    pub fn param(&self) -> Option<&str> {
        self.inner.param.as_deref()
    }

    /// Whose error it is.
    #[must_use]
    pub fn provider(&self) -> Option<&str> {
        self.inner.provider.as_deref()
    }

    /// The provider's name of the request.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.inner.request_id.as_deref()
    }

    /// When to try again, counted from the error.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.inner.retry_after
    }

    /// The refusal that it is, where a layer of the stack refused the call.
    #[must_use]
    pub fn rejection(&self) -> Option<&Rejection> {
        self.inner.rejection.as_ref()
    }

    /// Whether somebody has [written a line](Self::with_logged) about it.
    #[must_use]
    pub fn is_logged(&self) -> bool {
        self.inner.logged
    }

    /// What was seen of the answer, if it had begun when it failed and nothing of it was passed on: who holds answers back, as
    /// a [`CommitLayer`](crate::commit::CommitLayer), tells those who account for them.
    #[must_use]
    pub fn begun(&self) -> Option<&Begun> {
        self.inner.begun.as_deref()
    }

    /// Says that a limit or a budget in front of the endpoints refused the call, if one did and nobody has said whose it was: that
    /// of `holder`, as `key "web-shop"`, which the message then names. So the caller is answered with 429 and may come again,
    /// also where too many calls were under way.
    #[must_use]
    pub fn limit_of(mut self, holder: impl fmt::Display) -> Self {
        use RejectionKind::{BudgetExhausted, ConcurrencyLimited, RateLimited};
        let inner = &mut *self.inner;
        let Some(rejection) = inner.rejection else {
            return self;
        };
        let limits = matches!(
            rejection.kind(),
            RateLimited | ConcurrencyLimited | BudgetExhausted
        );
        if inner.limit != Limit::Unsaid || !limits {
            return self;
        }
        let rejection = match (rejection.kind(), rejection.retry_after()) {
            (ConcurrencyLimited, None) => rejection.with_retry_after(SHORTLY),
            _ => rejection,
        };
        inner.limit = Limit::Callers;
        inner.retry_after = rejection.retry_after();
        inner.rejection = Some(rejection);
        inner.message = format!("{holder}: {}", rejection.reason());
        let shortage = rejection.shortage();
        if shortage.is_some_and(|of| of.lack == Lack::TooLarge && of.needs > 1) {
            inner
                .message
                .push_str("; with a lower max_tokens, or a shorter prompt, it takes less");
        }
        self
    }

    /// Says that whatever refused the call stands at the endpoints: it is no limit of the caller's.
    #[must_use]
    pub fn limit_of_endpoints(mut self) -> Self {
        if self.inner.limit == Limit::Unsaid {
            self.inner.limit = Limit::Endpoints;
        }
        self
    }

    /// Whether a limit or a budget [of the caller's](Self::limit_of) refused the call.
    #[must_use]
    pub fn is_callers_limit(&self) -> bool {
        self.inner.limit == Limit::Callers
    }

    pub(crate) fn is_endpoints_limit(&self) -> bool {
        self.inner.limit == Limit::Endpoints
    }

    /// Whether a budget refused the call in which there is no room until its next period, or never.
    #[must_use]
    pub fn is_budget_used_up(&self) -> bool {
        self.rejection().is_some_and(|rejection| {
            let lack = rejection.shortage().map(|shortage| shortage.lack);
            rejection.kind() == RejectionKind::BudgetExhausted && lack != Some(Lack::Reserved)
        })
    }

    /// What it means for the endpoint.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match &self.inner.rejection {
            Some(rejection) => campanile::outcome::classify_error(rejection),
            None => self.inner.class.outcome(self.inner.retry_after),
        }
    }

    /// The HTTP status to answer a caller with.
    #[must_use]
    pub fn answer_status(&self) -> u16 {
        match &self.inner.rejection {
            Some(_) if self.is_callers_limit() => 429,
            Some(rejection) => rejection.status(),
            None => self.inner.class.status(self.inner.status),
        }
    }
}

impl From<Rejection> for Error {
    fn from(rejection: Rejection) -> Self {
        let class = match rejection.kind() {
            RejectionKind::TimedOut | RejectionKind::DeadlineExceeded => Class::Timeout,
            _ => Class::Refused,
        };
        let mut error = Self::new(class, rejection.to_string());
        error.inner.retry_after = rejection.retry_after();
        error.inner.rejection = Some(rejection);
        error
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(provider) = &self.inner.provider {
            write!(f, "{provider}: ")?;
        }
        f.write_str(&self.inner.message)?;
        if let Some(status) = self.inner.status {
            write!(f, " (status {status})")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("class", &self.inner.class)
            .field("message", &self.inner.message)
            .field("status", &self.inner.status)
            .field("kind", &self.inner.kind)
            .field("code", &self.inner.code)
            .field("param", &self.inner.param)
            .field("provider", &self.inner.provider)
            .field("request_id", &self.inner.request_id)
            .field("retry_after", &self.inner.retry_after)
            .field("rejection", &self.inner.rejection)
            .field("begun", &self.inner.begun)
            .field("source", &self.inner.source)
            .finish()
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match (&self.inner.rejection, &self.inner.source) {
            (Some(rejection), _) => Some(rejection),
            (None, Some(source)) => Some(&**source),
            (None, None) => None,
        }
    }
}

impl Class {
    fn failure(self) -> FailureKind {
        match self {
            Self::Timeout => FailureKind::Timeout,
            Self::Interrupted => FailureKind::Interrupted,
            Self::Unreachable => FailureKind::Error,
            _ => FailureKind::Server,
        }
    }
}
