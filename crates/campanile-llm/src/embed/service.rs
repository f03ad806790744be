use std::{
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use campanile::{BoxError, Call, Usage};
use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use tower_service::Service;

use super::{EmbeddingRequest, EmbeddingResponse, gemini, ollama, response};
use crate::{
    chat::Meta,
    dialect::{Api, Outgoing},
    error::{Class, Error},
    provider::{Asking, Kind, Provider, ProviderFuture, Settings},
};

/// Embeddings that are under way.
#[derive(Debug)]
#[allow(unreachable_pub)]
pub struct AskedEmbedding {
    model: Arc<str>,
    base64: bool,
    /// The prompt, in tokens.
    estimate: u64,
    /// How many texts it has, where that is known.
    texts: Option<usize>,
}

impl<H, B> Service<Call<EmbeddingRequest>> for Provider<H>
where
    H: Service<Request<Full<Bytes>>, Response = Response<B>>,
    H::Error: Into<BoxError>,
    B: Body,
    B::Error: Into<BoxError>,
{
    type Response = EmbeddingResponse;
    type Error = Error;
    type Future = ProviderFuture<H::Future, B, AskedEmbedding>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll_http(cx)
    }

    fn call(&mut self, call: Call<EmbeddingRequest>) -> Self::Future {
        let settings = Arc::clone(self.settings());
        let request = &call.message;
        let model = settings.model(&request.model_shared());
        let outgoing = outgoing(settings.api, request, &model);
        let http = outgoing.and_then(|outgoing| settings.post(outgoing, "application/json"));
        let http = match http {
            Ok(http) => http,
            Err(error) => return ProviderFuture::refused(error, settings),
        };
        let cost = call.context.cost.map_or(0, |cost| cost.tokens);
        let asked = AskedEmbedding {
            model,
            base64: request.base64(),
            estimate: match cost {
                0 => request.input_bytes() / 4,
                tokens => tokens,
            },
            texts: request.count(),
        };
        ProviderFuture::sent(self.http_mut().call(http), asked, settings)
    }
}

fn outgoing(api: Api, request: &EmbeddingRequest, model: &str) -> Result<Outgoing, Error> {
    match api {
        Api::OpenAi => Ok(Outgoing {
            path: "/embeddings".to_owned(),
            body: request.clone().with_model(model).body(),
            headers: http::HeaderMap::new(),
        }),
        Api::Gemini => gemini::request(request, model),
        Api::Ollama => ollama::request(request, model),
        Api::Anthropic => {
            let message = "Anthropic has no embeddings: ask another provider";
            Err(Error::new(Class::Request, message).with_param("model"))
        }
    }
}

// ===== impl AskedEmbedding =====

impl<B> Asking<B> for AskedEmbedding {
    type Answer = EmbeddingResponse;

    fn model(&self) -> Option<Arc<str>> {
        Some(Arc::clone(&self.model))
    }

    fn streams(&self, _: Kind) -> bool {
        false
    }

    fn stream(self, _: Meta, _: B, _: &Arc<Settings>) -> Result<EmbeddingResponse, Error> {
        Err(Error::new(Class::Malformed, "embeddings are not streamed"))
    }

    fn whole(
        self,
        meta: Meta,
        _: Kind,
        body: Bytes,
        settings: &Arc<Settings>,
    ) -> Result<EmbeddingResponse, Error> {
        let (vectors, tokens) = match settings.api {
            Api::Gemini => (gemini::vectors(&body)?, None),
            Api::Ollama => ollama::vectors(&body)?,
            Api::OpenAi | Api::Anthropic => {
                return EmbeddingResponse::read(meta, body, self.estimate, self.texts);
            }
        };
        if vectors.iter().all(Vec::is_empty) {
            return Err(Error::new(Class::Empty, "the answer has no embeddings"));
        }
        response::as_many(vectors.len(), self.texts)?;
        let usage = Usage {
            input_tokens: tokens.or(Some(self.estimate)),
            output_tokens: Some(0),
            ..Usage::default()
        };
        let reported = tokens.is_some();
        let (model, base64) = (self.model, self.base64);
        Ok(EmbeddingResponse::of(
            meta, &model, &vectors, base64, usage, reported,
        ))
    }
}
