//! Embeddings by Ollama's own interface.

use http::HeaderMap;
use serde::Deserialize;
use serde_json::json;

use super::EmbeddingRequest;
use crate::{
    dialect::Outgoing,
    error::{Class, Error},
};

pub(super) fn request(request: &EmbeddingRequest, model: &str) -> Result<Outgoing, Error> {
    let mut body = json!({ "model": model, "input": request.texts()? });
    if let Some(dimensions) = request.dimensions() {
        body["dimensions"] = dimensions;
    }
    Ok(Outgoing {
        path: "/api/embed".to_owned(),
        body: body.to_string().into(),
        headers: HeaderMap::new(),
    })
}

/// The vectors, and how many tokens they took.
pub(super) fn vectors(body: &[u8]) -> Result<(Vec<Vec<f32>>, Option<u64>), Error> {
    #[derive(Deserialize)]
    struct Answer {
        embeddings: Vec<Vec<f32>>,
        prompt_eval_count: Option<u64>,
    }
    let answer: Answer = serde_json::from_slice(body).map_err(|_| {
        let message = "the answer is no embedding as Ollama's interface has it";
        Error::new(Class::Malformed, message)
    })?;
    Ok((answer.embeddings, answer.prompt_eval_count))
}
