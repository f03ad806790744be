//! Embeddings.

use std::sync::Arc;

use bytes::Bytes;
use campanile::Call;
use campanile_llm::{Error, embed::EmbeddingRequest};
use http::{
    HeaderValue, Response,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
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

/// Answers with embeddings.
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
    let result = caller.embeds.send(call).await;
    told.note(&result);
    let mut response = match result {
        Ok(answer) => {
            let mut response = json(answer.body().clone());
            if id.logs() {
                let about = told::about(&caller, &model, &answer.meta);
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

fn call(asked: &Asked<'_>, caller: &Caller, body: Bytes) -> Result<Call<EmbeddingRequest>, Error> {
    let mut message = EmbeddingRequest::parse(body)?;
    if let Some(model) = stage::model(asked.call.gateway, caller, asked.stage, message.model())? {
        message = message.with_model(&model);
    }
    let mut context = caller.context(asked.said)?;
    context.id = Some(Arc::clone(asked.call.id.text()));
    context.deadline = context.deadline.or_else(|| asked.said.patience());
    Ok(Call { context, message })
}

/// A response of status 200 with this JSON.
pub(super) fn json(body: Bytes) -> Response<Body> {
    let length = body.len();
    let mut response = Response::new(Body::whole(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CONTENT_LENGTH, length.into());
    response
}
