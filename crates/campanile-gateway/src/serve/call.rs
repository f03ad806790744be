//! A call, from its body to its answer: the same for whatever is asked for.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use campanile::Call;
use campanile_llm::{Error, chat::Meta, dialect::Dialect, route::Routed};
use http::Response;
use http_body::Body as HttpBody;

use super::{
    answer::{Asked, Limits},
    body::Body,
    stage, told,
};
use crate::{
    access::{Caller, Said},
    trail::{self, Told},
};

/// What callers ask for.
pub(super) trait Asks: Routed + Send {
    type Answer: Send;

    /// Its body is passed on as it is: only its outermost fields are read.
    fn parse(dialect: Dialect, body: Bytes) -> Result<Self, Error>;

    /// With what the head of the request says of it.
    fn with_said(self, _: &Said<'_>) -> Self {
        self
    }

    /// The model, to be kept.
    fn name(&self) -> Arc<str>;

    /// Whether its answer comes as it is made.
    fn is_streamed(&self) -> bool {
        false
    }

    fn send(
        caller: &Caller,
        call: Call<Self>,
        told: &mut Told,
    ) -> impl Future<Output = Result<Self::Answer, Error>> + Send;

    fn meta(answer: &Self::Answer) -> &Meta;

    fn respond(asked: &Asked<'_>, answer: Self::Answer, heartbeat: Duration) -> Response<Body>;
}

/// Answers a call.
pub(super) async fn answer<T: Asks, B>(asked: &Asked<'_>, body: B) -> Response<Body>
where
    B: HttpBody<Data = Bytes>,
{
    let (found, limits) = {
        let live = asked.call.gateway.live();
        let limits = Limits::from(&live.config.server);
        (live.access.caller(asked.said), limits)
    };
    let id = asked.call.id;
    let caller = match found {
        Ok(caller) => caller,
        Err(error) => return asked.call.refused(None, None, error),
    };
    let call = asked
        .json(body, &limits)
        .await
        .and_then(|body| call::<T>(asked, &caller, body));
    let mut call = match call {
        Ok(call) => call,
        Err(error) => return asked.call.refused(Some(&caller), None, error),
    };
    let model = (id.logs() || caller.is_restricted()).then(|| call.message.name());
    let mut told = Told::begin(asked.said.trail, &mut call.context);
    asked.sends();
    let mut response = match T::send(&caller, call, &mut told).await {
        Ok(answer) => {
            let about = id
                .logs()
                .then(|| told::about(&caller, &model, T::meta(&answer)));
            let mut response = T::respond(asked, answer, limits.heartbeat);
            if let Some(about) = about {
                response.extensions_mut().insert(about);
            }
            asked.call.finish(Some(&caller), response)
        }
        Err(error) => {
            let error = stage::hide(asked.call.gateway, &caller, model.as_deref(), error);
            asked.call.refused(Some(&caller), model, error)
        }
    };
    trail::header(&told, response.headers_mut());
    response
}

/// The call that a body asks for.
fn call<T: Asks>(asked: &Asked<'_>, caller: &Caller, body: Bytes) -> Result<Call<T>, Error> {
    let mut message = T::parse(asked.call.dialect, body)?.with_said(asked.said);
    if let Some(model) = stage::model(asked.call.gateway, caller, asked.stage, message.model())? {
        message = message.with_model(&model);
    }
    let mut context = caller.context(asked.said)?;
    context.id = Some(Arc::clone(asked.call.id.text()));
    if context.deadline.is_none() && !message.is_streamed() {
        context.deadline = asked.said.patience();
    }
    Ok(Call { context, message })
}
