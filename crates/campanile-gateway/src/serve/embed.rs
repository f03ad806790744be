//! Embeddings.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use campanile::Call;
use campanile_llm::{
    Error,
    chat::Meta,
    dialect::Dialect,
    embed::{EmbeddingRequest, EmbeddingResponse},
};
use http::{
    HeaderValue, Response,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};

use super::{
    answer::Asked,
    body::{self, Body},
    call::Asks,
};
use crate::{access::Caller, trail::Told};

impl Asks for EmbeddingRequest {
    type Answer = EmbeddingResponse;

    fn parse(_: Dialect, body: Bytes) -> Result<Self, Error> {
        Self::parse(body)
    }

    fn name(&self) -> Arc<str> {
        self.model_shared()
    }

    async fn send(
        caller: &Caller,
        call: Call<Self>,
        told: &mut Told,
    ) -> Result<EmbeddingResponse, Error> {
        let result = caller.embeds.send(call).await;
        told.note(&result);
        result
    }

    fn meta(answer: &EmbeddingResponse) -> &Meta {
        &answer.meta
    }

    fn respond(_: &Asked<'_>, answer: EmbeddingResponse, _: Duration) -> Response<Body> {
        json(answer.body().clone())
    }
}

/// A response of status 200 with this JSON.
pub(super) fn json(body: Bytes) -> Response<Body> {
    let length = body.len();
    let mut response = Response::new(body::whole(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CONTENT_LENGTH, length.into());
    response
}
