//! Chats, in the dialect of the caller.

use std::sync::Arc;

use bytes::Bytes;
use campanile::Call;
use campanile_llm::{Error, chat::ChatRequest};
use http::Response;
use http_body::Body as HttpBody;

use super::{
    answer::{Asked, Limits},
    body::Body,
    stage, told,
};
use crate::{
    access::Caller,
    operate::RequestId,
    trail::{self, Told},
};

/// Answers a chat. Its body is passed on as it is: only its outermost fields are read.
pub(super) async fn answer<B>(asked: &Asked<'_>, body: B) -> Response<Body>
where
    B: HttpBody<Data = Bytes>,
{
    let (found, limits) = {
        let live = asked.gateway.live();
        let limits = Limits::from(&live.config.server);
        (live.access.caller(asked.said), limits)
    };
    let id = asked.id();
    let caller = match found {
        Ok(caller) => caller,
        Err(error) => return told::refused(asked, &id, None, None, error),
    };
    let call = asked
        .json(body, &limits)
        .await
        .and_then(|body| call(asked, &caller, &id, body));
    let mut call = match call {
        Ok(call) => call,
        Err(error) => return told::refused(asked, &id, Some(&caller), None, error),
    };
    let model = (id.logs() || caller.is_restricted()).then(|| call.message.model_shared());
    let mut told = Told::begin(&asked.parts.headers, &mut call.context);
    let result = told.follow(caller.chats.send(call).await);
    let mut response = match result {
        Ok(answer) => {
            let about = id
                .logs()
                .then(|| told::about(&caller, &model, &answer.meta));
            let response = answer.into_http(asked.dialect);
            let mut response = response.map(|body| Body::front(body.heartbeat(limits.heartbeat)));
            if let Some(about) = about {
                response.extensions_mut().insert(about);
            }
            told::finish(asked, &id, Some(&caller), response)
        }
        Err(error) => {
            let error = stage::hide(asked.gateway, &caller, model.as_deref(), error);
            told::refused(asked, &id, Some(&caller), model, error)
        }
    };
    trail::header(&told, response.headers_mut());
    response
}

/// The call that a body asks for.
fn call(
    asked: &Asked<'_>,
    caller: &Caller,
    id: &RequestId,
    body: Bytes,
) -> Result<Call<ChatRequest>, Error> {
    let mut message = ChatRequest::parse(asked.dialect, body)?;
    if let Some(model) = stage::model(asked.gateway, caller, asked.stage, message.model())? {
        message = message.with_model(&model);
    }
    let mut context = caller.context(asked.said)?;
    context.id = Some(Arc::clone(id.text()));
    if context.deadline.is_none() && !message.is_streamed() {
        context.deadline = asked.said.patience();
    }
    Ok(Call { context, message })
}
