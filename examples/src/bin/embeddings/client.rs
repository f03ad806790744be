use std::{
    pin::Pin,
    task::{Context, Poll},
};

use axum::body::Body;
use campanile::BoxError;
use campanile_examples::http::{Client, client};
use http::{Request, Uri, header::CONTENT_TYPE};
use http_body_util::BodyExt;
use serde::Deserialize;
use tower::{Service, ServiceExt};

/// What a text means, as numbers.
pub(crate) type Vector = Vec<f32>;

/// A client of an embeddings server with OpenAI's API: many texts in, as many vectors out, in one call.
#[derive(Debug, Clone)]
pub(crate) struct Embeddings {
    client: Client,
    uri: Uri,
}

/// What the server answers.
#[derive(Debug, Deserialize)]
struct Answer {
    data: Vec<Embedding>,
}

/// One text's vector. The server may answer in any order.
#[derive(Debug, Deserialize)]
struct Embedding {
    index: usize,
    embedding: Vector,
}

// ===== impl Embeddings =====

impl Embeddings {
    /// A client of the server at `url`.
    pub(crate) fn new(url: &str) -> Result<Self, BoxError> {
        Ok(Self {
            client: client(),
            uri: format!("{}/v1/embeddings", url.trim_end_matches('/')).parse()?,
        })
    }

    /// The same client, with a call for each text.
    pub(crate) fn one_by_one(
        self,
    ) -> impl Service<String, Response = Vector, Error = BoxError> + Clone {
        self.map_request(|text| vec![text])
            .map_result(|vectors: Result<Vec<Vector>, BoxError>| {
                vectors?.pop().ok_or_else(|| BoxError::from("no vector"))
            })
    }
}

impl Service<Vec<String>> for Embeddings {
    type Response = Vec<Vector>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Vec<Vector>, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.client.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, texts: Vec<String>) -> Self::Future {
        let body = serde_json::json!({ "model": "multilingual-e5-small", "input": texts });
        let request = Request::post(self.uri.clone())
            .header(CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_string()));
        let answer = request.map(|request| self.client.call(request));
        let texts = texts.len();
        // An async block has no name.
        Box::pin(async move {
            let answer = answer?.await?;
            let status = answer.status();
            let body = answer.into_body().collect().await?.to_bytes();
            if !status.is_success() {
                return Err(format!("{status}: {}", String::from_utf8_lossy(&body)).into());
            }
            let answer: Answer = serde_json::from_slice(&body)?;
            in_order(answer.data, texts)
        })
    }
}

/// The vectors in the order of the texts: each must be there, once.
fn in_order(mut data: Vec<Embedding>, texts: usize) -> Result<Vec<Vector>, BoxError> {
    data.sort_by_key(|embedding| embedding.index);
    if !data.iter().map(|embedding| embedding.index).eq(0..texts) {
        return Err(format!("{} answers to {texts} texts, or not theirs", data.len()).into());
    }
    Ok(data
        .into_iter()
        .map(|embedding| embedding.embedding)
        .collect())
}
