//! Embeddings by Gemini's interface.

use http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};

use super::EmbeddingRequest;
use crate::{
    dialect::{Outgoing, segment},
    error::{Class, Error},
};

pub(super) fn request(request: &EmbeddingRequest, model: &str) -> Result<Outgoing, Error> {
    let model = model.strip_prefix("models/").unwrap_or(model);
    let dimensions = request.dimensions();
    let one = |text: &String| {
        let mut one = json!({
            "model": format!("models/{model}"),
            "content": { "parts": [{ "text": text }] },
        });
        if let Some(dimensions) = &dimensions {
            one["outputDimensionality"] = dimensions.clone();
        }
        one
    };
    let texts = request.texts()?;
    let (method, body) = match &texts[..] {
        [text] => ("embedContent", one(text)),
        texts => {
            let requests: Vec<Value> = texts.iter().map(one).collect();
            ("batchEmbedContents", json!({ "requests": requests }))
        }
    };
    Ok(Outgoing {
        path: format!("/v1beta/models/{}:{method}", segment(model)),
        body: body.to_string().into(),
        headers: HeaderMap::new(),
    })
}

pub(super) fn vectors(body: &[u8]) -> Result<Vec<Vec<f32>>, Error> {
    #[derive(Deserialize)]
    struct Answer {
        embedding: Option<Vector>,
        #[serde(default)]
        embeddings: Vec<Vector>,
    }
    #[derive(Deserialize)]
    struct Vector {
        #[serde(default)]
        values: Vec<f32>,
    }
    let answer: Answer = serde_json::from_slice(body).map_err(|_| {
        let message = "the answer is no embedding as Gemini's interface has it";
        Error::new(Class::Malformed, message)
    })?;
    let vectors = answer.embedding.into_iter().chain(answer.embeddings);
    Ok(vectors.map(|vector| vector.values).collect())
}
