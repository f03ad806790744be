//! Chats, in the dialect of the caller.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use campanile::Call;
use campanile_llm::{
    Error,
    chat::{ChatRequest, ChatResponse, Meta},
    dialect::Dialect,
};
use http::Response;

use super::{answer::Asked, body::Body, call::Asks};
use crate::{
    access::{Caller, Said},
    trail::Told,
};

impl Asks for ChatRequest {
    type Answer = ChatResponse;

    fn parse(dialect: Dialect, body: Bytes) -> Result<Self, Error> {
        Self::parse(dialect, body)
    }

    fn with_said(self, said: &Said<'_>) -> Self {
        match said.anthropic_beta {
            Some(features) => self.with_anthropic_beta(features.clone()),
            None => self,
        }
    }

    fn name(&self) -> Arc<str> {
        self.model_shared()
    }

    fn is_streamed(&self) -> bool {
        self.is_streamed()
    }

    async fn send(
        caller: &Caller,
        call: Call<Self>,
        told: &mut Told,
    ) -> Result<ChatResponse, Error> {
        told.follow(caller.chats.send(call).await)
    }

    fn meta(answer: &ChatResponse) -> &Meta {
        &answer.meta
    }

    fn respond(asked: &Asked<'_>, answer: ChatResponse, heartbeat: Duration) -> Response<Body> {
        let dialect = asked.call.dialect;
        answer.into_http(dialect).map(|body| {
            let body = body.heartbeat(heartbeat);
            Body::Left(match dialect {
                Dialect::Anthropic => body.request_id(Arc::clone(asked.call.id.text())),
                _ => body,
            })
        })
    }
}
