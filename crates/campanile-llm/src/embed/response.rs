use std::fmt;

use bytes::Bytes;
use campanile::Usage;
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

use super::base64;
use crate::{
    chat::Meta,
    dialect::openai,
    error::{Class, Error},
};

/// Embeddings, in the form of OpenAI's `/v1/embeddings`.
#[derive(Clone)]
pub struct EmbeddingResponse {
    /// Where they come from.
    pub meta: Meta,
    body: Bytes,
    usage: Usage,
    reported: bool,
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow, default)]
    data: Option<Vec<Item<'a>>>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(default)]
    index: Option<usize>,
    #[serde(borrow)]
    embedding: &'a RawValue,
}

// ===== impl EmbeddingResponse =====

impl EmbeddingResponse {
    /// Embeddings with what they took, as a provider would report it.
    #[must_use]
    pub fn new(model: &str, vectors: &[Vec<f32>], usage: Usage) -> Self {
        Self::of(Meta::default(), model, vectors, false, usage, true)
    }

    pub(super) fn of(
        meta: Meta,
        model: &str,
        vectors: &[Vec<f32>],
        base64: bool,
        usage: Usage,
        reported: bool,
    ) -> Self {
        #[derive(Serialize)]
        struct Data {
            object: &'static str,
            index: usize,
            embedding: Value,
        }
        let data = vectors.iter().enumerate();
        let data: Vec<_> = data
            .map(|(index, vector)| Data {
                object: "embedding",
                index,
                embedding: match base64 {
                    true => base64::encode(vector).into(),
                    false => vector.iter().copied().collect(),
                },
            })
            .collect();
        let tokens = usage.input_tokens.unwrap_or(0);
        let body = serde_json::json!({
            "object": "list",
            "data": data,
            "model": model,
            "usage": { "prompt_tokens": tokens, "total_tokens": tokens },
        });
        Self {
            meta,
            body: body.to_string().into(),
            usage,
            reported,
        }
    }

    /// Reads what a provider of OpenAI's interface answered to a prompt of about so many tokens, and of so many texts, where
    /// that is known.
    pub(super) fn read(
        meta: Meta,
        body: Bytes,
        estimate: u64,
        texts: Option<usize>,
    ) -> Result<Self, Error> {
        let answer = parse(&body)?;
        if answer.error.is_some() {
            return Err(openai::error_in(&body));
        }
        let data = answer.data.unwrap_or_default();
        if data.is_empty() {
            return Err(Error::new(Class::Empty, "the answer has no embeddings"));
        }
        as_many(data.len(), texts)?;
        let usage = answer.usage.and_then(|usage| openai::usage(usage.get()));
        let reported = usage.is_some_and(|usage| usage.input_tokens.is_some());
        let usage = usage.unwrap_or_default();
        Ok(Self {
            meta,
            usage: Usage {
                input_tokens: usage.input_tokens.or(Some(estimate)),
                output_tokens: Some(0),
                ..usage
            },
            reported,
            body,
        })
    }

    /// The answer's JSON.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    /// The vectors, in the order of the texts, whether they were written as numbers or in base64.
    ///
    /// # Errors
    ///
    /// [`Class::Malformed`] when they are neither.
    pub fn embeddings(&self) -> Result<Vec<Vec<f32>>, Error> {
        let data = parse(&self.body)?.data.unwrap_or_default();
        let mut vectors = data
            .into_iter()
            .enumerate()
            .map(|(place, item)| {
                let raw = item.embedding.get();
                let vector = match serde_json::from_str::<String>(raw) {
                    Ok(text) => base64::decode(&text),
                    Err(_) => serde_json::from_str(raw).ok(),
                };
                let message = "an embedding is neither a list of numbers nor base64 of floats";
                let vector = vector.ok_or_else(|| Error::new(Class::Malformed, message))?;
                Ok((item.index.unwrap_or(place), vector))
            })
            .collect::<Result<Vec<_>, Error>>()?;
        vectors.sort_by_key(|(index, _)| *index);
        Ok(vectors.into_iter().map(|(_, vector)| vector).collect())
    }

    /// What the call has taken: as the provider reported it, or as estimated.
    #[must_use]
    pub const fn usage(&self) -> &Usage {
        &self.usage
    }

    /// What the call has taken, to add to it.
    pub const fn usage_mut(&mut self) -> &mut Usage {
        &mut self.usage
    }

    /// Whether the usage is what the provider reported.
    #[must_use]
    pub const fn is_reported(&self) -> bool {
        self.reported
    }
}

/// There are as many as were asked for, or nobody could tell which is whose.
pub(super) fn as_many(vectors: usize, texts: Option<usize>) -> Result<(), Error> {
    if texts.is_some_and(|texts| texts != vectors) {
        let message = "the answer has not as many embeddings as there are texts";
        return Err(Error::new(Class::Malformed, message));
    }
    Ok(())
}

fn parse(body: &[u8]) -> Result<Answer<'_>, Error> {
    serde_json::from_slice(body).map_err(|error| {
        let at = error.column();
        let message = format!("the answer is no list of embeddings: wrong at column {at}");
        Error::new(Class::Malformed, message)
    })
}

impl fmt::Debug for EmbeddingResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddingResponse")
            .field("meta", &self.meta)
            .field("bytes", &self.body.len())
            .field("usage", &self.usage)
            .finish_non_exhaustive()
    }
}
