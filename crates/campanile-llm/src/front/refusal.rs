use std::time::Duration;

use campanile::rejection::RejectionKind;
use http::{HeaderName, HeaderValue, Response, StatusCode, header::RETRY_AFTER};

use super::{Body, answer::json};
use crate::{
    dialect::Dialect,
    error::{Class, Error},
};

const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");
const X_SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// The longest wait that all SDKs keep to.
const LONGEST: Duration = Duration::from_secs(60);

// ===== impl Error =====

impl Error {
    /// Whether the caller should send the call again by itself, once [`retry_after`](Self::retry_after) is over: when a
    /// limit of its own, or a shedding of load, refused it, so that it was sent nowhere, and that time is known and at most 60 s.
    /// A concurrency limit counts where it is [said](Self::limit_of) to be the caller's. A budget does only while calls under way
    /// have reserved what is left of it: one that is used up is no matter of waiting. Whatever else comes out of a stack has been
    /// tried again by the stack. See [`front`](crate::front#retries-of-callers).
    #[must_use]
    pub fn should_retry(&self) -> bool {
        use RejectionKind::{BudgetExhausted, ConcurrencyLimited, RateLimited, Shed};
        let Some(rejection) = self.rejection() else {
            return false;
        };
        let own = match rejection.kind() {
            RateLimited | Shed => !self.is_endpoints_limit(),
            BudgetExhausted => !self.is_budget_used_up(),
            ConcurrencyLimited => self.is_callers_limit(),
            _ => false,
        };
        own && rejection
            .retry_after()
            .is_some_and(|after| after <= LONGEST)
    }

    /// The HTTP status to answer a caller with that speaks this dialect: [`answer_status`](Self::answer_status), but 529 where
    /// providers are [overloaded](Class::Overload) and the interface is Anthropic's, which has a status of its own for it.
    #[must_use]
    pub fn answer_status_in(&self, dialect: Dialect) -> u16 {
        match (dialect, self.class()) {
            (Dialect::Anthropic, Class::Overload) => 529,
            _ => self.answer_status(),
        }
    }

    /// This error as an HTTP response in the caller's dialect: [`answer_status_in`](Self::answer_status_in), the dialect's body,
    /// `Retry-After` and `retry-after-ms` where it is known when to come back, and `x-should-retry`. See
    /// [`front`](crate::front).
    pub fn into_http<S>(self, dialect: Dialect) -> Response<Body<S>> {
        let mut response = json(dialect.error_body(&self));
        *response.status_mut() =
            StatusCode::from_u16(self.answer_status_in(dialect)).unwrap_or(StatusCode::BAD_GATEWAY);
        let headers = response.headers_mut();
        if let Some(after) = self.retry_after() {
            let up =
                |nanos: u128| u64::try_from(after.as_nanos().div_ceil(nanos)).unwrap_or(u64::MAX);
            headers.insert(RETRY_AFTER, up(1_000_000_000).into());
            headers.insert(RETRY_AFTER_MS, up(1_000_000).into());
        }
        let again = if self.should_retry() { "true" } else { "false" };
        headers.insert(X_SHOULD_RETRY, HeaderValue::from_static(again));
        response
    }
}
