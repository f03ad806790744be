use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use tower_service::Service;

use super::{
    Correlate, LogLevel, TraceConfig, TraceFuture, Traced, id, line,
    place::{Facts, Place, inner_spans},
    record::Record,
};
use crate::{
    completion::Completion, context::SpareTrail, cost::Usage, protocol::Protocol, time::Timestamp,
};

/// A service whose calls have spans; made by [`TraceLayer`](super::TraceLayer). See the [module](super).
// Owned types, said here once and for all: where a call is made it would be asked of every error type anew for each
// lifetime, and an async block over a boxed error would not be `Send`.
#[derive(Clone)]
pub struct Trace<S: 'static, P, I> {
    inner: S,
    protocol: P,
    ids: I,
    place: Place,
    config: TraceConfig,
    /// The level at which somebody has to listen, if lines are to be written at all.
    line: LogLevel,
    spare: SpareTrail,
}

// ===== impl Trace =====

impl<S, P, I> Trace<S, P, I> {
    pub(super) fn new(inner: S, protocol: P, ids: I, place: Place, config: TraceConfig) -> Self {
        Self {
            inner,
            protocol,
            ids,
            place,
            config,
            line: config.highest(),
            spare: SpareTrail::default(),
        }
    }

    /// The service within.
    pub const fn inner(&self) -> &S {
        &self.inner
    }

    /// A call that somebody may listen to. Apart, so that the request of one that nobody listens to goes through as it is.
    #[inline(never)]
    fn call_traced<Req>(&mut self, mut request: Req) -> TraceFuture<S, P, Req>
    where
        S: Service<Req>,
        P: Protocol<Req, S::Response, S::Error>,
        I: Correlate<Req>,
    {
        // Before the call, which may panic.
        let mut completion = self.begin(&mut request).map(Completion::new);
        let future = Completion::watch(&mut completion, || self.inner.call(request));
        TraceFuture::new(future, completion, self.protocol.clone())
    }

    /// The span of a call and all that goes with it; `None` if nobody listens.
    pub(super) fn begin<Req>(&mut self, request: &mut Req) -> Option<Traced>
    where
        S: Service<Req>,
        P: Protocol<Req, S::Response, S::Error>,
        I: Correlate<Req>,
    {
        let is_stage = self.place.stage().is_some();
        let facts = self
            .protocol
            .context(request)
            .map_or_else(Facts::default, Facts::of);
        let known = facts.id.get().cloned();
        let (span, id) = self
            .place
            .span(&facts, || known.or_else(|| self.identify::<Req>(request)));
        if let Some(id) = id {
            let _ = facts.id.set(id);
        }
        let needed = self.ids.passes_on() || is_stage && inner_spans();
        if needed
            && facts.id.get().is_none()
            && let Some(id) = self.identify(request)
        {
            let _ = facts.id.set(id);
        }
        if self.ids.passes_on()
            && let Some(id) = facts.id.get()
        {
            self.ids.pass_on(request, id);
        }
        let is_on = !span.is_disabled();
        let line = is_stage && self.line != LogLevel::Off && (is_on || line::is_enabled(self.line));
        if !is_on && !line {
            return None;
        }
        let mut trail = None;
        if line {
            if facts.id.get().is_none()
                && let Some(id) = self.ids.find(request)
            {
                let _ = facts.id.set(id);
            }
            let has_context = || self.protocol.context(request).is_some();
            if self.config.trail.applies(has_context)
                && let Some(context) = self.protocol.context_mut(request)
            {
                trail = Some(self.spare.lend(context, None));
            }
        }
        Some(Traced::new(Record {
            span,
            line,
            place: self.place.clone(),
            config: self.config,
            facts,
            trail,
            began: Timestamp::now(),
            head: None,
            first_data: None,
            units: 0,
            usage: Usage::default(),
            status: None,
            error: None,
            rejection: None,
        }))
    }

    /// An id for a request whose context has none; its context has it from now on. A request that can carry none gets one
    /// from its stage alone: another one for each of its attempts would say that they are different calls.
    fn identify<Req>(&self, request: &mut Req) -> Option<Arc<str>>
    where
        S: Service<Req>,
        P: Protocol<Req, S::Response, S::Error>,
        I: Correlate<Req>,
    {
        let found = self.ids.find(request);
        match self.protocol.context_mut(request) {
            Some(context) => {
                let id = found.unwrap_or_else(id::new_id);
                context.id = Some(Arc::clone(&id));
                Some(id)
            }
            None => found.or_else(|| self.place.stage().map(|_| id::new_id())),
        }
    }
}

impl<S, P, I, Req> Service<Req> for Trace<S, P, I>
where
    S: Service<Req>,
    S::Error: fmt::Display,
    P: Protocol<Req, S::Response, S::Error>,
    I: Correlate<Req>,
    Req: 'static,
{
    type Response = P::Response<Traced>;
    type Error = S::Error;
    type Future = TraceFuture<S, P, Req>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        if self.place.may_be_on(self.line) || self.ids.passes_on() {
            return self.call_traced(request);
        }
        TraceFuture::new(self.inner.call(request), None, self.protocol.clone())
    }
}

impl<S: fmt::Debug, P, I> fmt::Debug for Trace<S, P, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace")
            .field("inner", &self.inner)
            .field("place", &self.place)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
