//! Chats, in the dialect of the caller.

use std::sync::Arc;

use bytes::Bytes;
use campanile::Call;
use campanile_llm::{Error, chat::ChatRequest, dialect::Dialect};
use http::Response;
use http_body::Body as HttpBody;

use super::{
    answer::{Asked, Limits},
    body::Body,
    stage, told,
};
use crate::{
    access::Caller,
    trail::{self, Told},
};

/// Answers a chat. Its body is passed on as it is: only its outermost fields are read.
pub(super) async fn answer<B>(asked: &Asked<'_>, body: B) -> Response<Body>
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
        .and_then(|body| call(asked, &caller, body));
    let mut call = match call {
        Ok(call) => call,
        Err(error) => return asked.call.refused(Some(&caller), None, error),
    };
    let model = (id.logs() || caller.is_restricted()).then(|| call.message.model_shared());
    let mut told = Told::begin(asked.said.trail, &mut call.context);
    asked.sends();
    let result = told.follow(caller.chats.send(call).await);
    let mut response = match result {
        Ok(answer) => {
            let about = id
                .logs()
                .then(|| told::about(&caller, &model, &answer.meta));
            let response = answer.into_http(asked.call.dialect);
            let named = (asked.call.dialect == Dialect::Anthropic).then(|| Arc::clone(id.text()));
            let mut response = response.map(|body| {
                let body = body.heartbeat(limits.heartbeat);
                Body::front(match named {
                    Some(id) => body.request_id(id),
                    None => body,
                })
            });
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
fn call(asked: &Asked<'_>, caller: &Caller, body: Bytes) -> Result<Call<ChatRequest>, Error> {
    let mut message = ChatRequest::parse(asked.call.dialect, body)?;
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
