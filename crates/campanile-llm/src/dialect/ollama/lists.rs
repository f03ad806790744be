use serde::Deserialize;

use crate::error::{Class, Error};

/// What `/api/tags` says: the models that are there.
pub(crate) fn models(body: &[u8]) -> Result<Vec<String>, Error> {
    #[derive(Deserialize)]
    struct Tags {
        models: Option<Vec<Tag>>,
    }
    #[derive(Deserialize)]
    struct Tag {
        model: Option<String>,
        name: Option<String>,
    }
    let tags: Tags = read(body, "a list of models")?;
    let tags = tags.models.into_iter().flatten();
    Ok(tags.filter_map(|tag| tag.model.or(tag.name)).collect())
}

/// What `/api/embed` answers: an embedding for each input, and the tokens of them all.
pub(crate) fn embeddings(body: &[u8]) -> Result<(Vec<Vec<f32>>, Option<u64>), Error> {
    #[derive(Deserialize)]
    struct Embedded {
        embeddings: Vec<Vec<f32>>,
        prompt_eval_count: Option<u64>,
    }
    let embedded: Embedded = read(body, "embeddings")?;
    Ok((embedded.embeddings, embedded.prompt_eval_count))
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8], what: &str) -> Result<T, Error> {
    serde_json::from_slice(body)
        .map_err(|error| Error::new(Class::Malformed, format!("{what} of Ollama's: {error}")))
}
