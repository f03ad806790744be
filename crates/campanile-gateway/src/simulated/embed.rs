//! Vectors of texts: made of their words alone, so that the same text has the same vector, and texts that share words have
//! vectors that are near.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{refusal::Refusal, text::tokens};

/// How many numbers a vector has.
const DIMENSIONS: usize = 384;
/// How many it may be asked to have.
const MOST_DIMENSIONS: usize = 4_096;
/// How many texts at once.
const MOST_TEXTS: usize = 2_048;
/// How many tokens a text may have.
const MOST_TOKENS: usize = 8_192;
/// How many places of a vector a word has a part in.
const PLACES: usize = 8;

#[derive(Debug, Deserialize)]
struct Ask {
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    input: Option<Input>,
    #[serde(default)]
    dimensions: Option<usize>,
    #[serde(default)]
    encoding_format: Option<String>,
}

/// Texts, or tokens in place of texts.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Input {
    Text(String),
    Texts(Vec<String>),
    Tokens(Vec<u32>),
    ManyTokens(Vec<Vec<u32>>),
}

/// The answer to a request for vectors.
pub(super) fn embeddings(body: &[u8]) -> Result<Value, Refusal> {
    let ask: Ask = serde_json::from_slice(body).map_err(|error| Refusal::unreadable(&error))?;
    let model = ask.model.filter(|model| !model.is_empty());
    let model = model.ok_or_else(|| Refusal::invalid("model", "a model must be named"))?;
    let input = ask
        .input
        .ok_or_else(|| Refusal::invalid("input", "there must be one"))?;
    let dimensions = ask.dimensions.unwrap_or(DIMENSIONS);
    if !(1..=MOST_DIMENSIONS).contains(&dimensions) {
        let rule = format!("it must be from 1 to {MOST_DIMENSIONS}");
        return Err(Refusal::invalid("dimensions", rule));
    }
    let base64 = match ask.encoding_format.as_deref() {
        None | Some("float") => false,
        Some("base64") => true,
        Some(_) => {
            return Err(Refusal::invalid(
                "encoding_format",
                "it must be float or base64",
            ));
        }
    };
    let texts = input.texts();
    if texts.is_empty() || texts.len() > MOST_TEXTS {
        let rule = format!("there must be from 1 to {MOST_TEXTS} texts");
        return Err(Refusal::invalid("input", rule));
    }
    let mut total = 0;
    for (_, count) in &texts {
        match *count {
            0 => return Err(Refusal::invalid("input", "no text may be empty")),
            count if count > MOST_TOKENS => return Err(Refusal::too_long(count, MOST_TOKENS)),
            count => total += count,
        }
    }
    let data = texts.iter().enumerate().map(|(index, (text, _))| {
        let vector = vector(text, dimensions);
        let embedding = match base64 {
            true => {
                let bytes: Vec<u8> = vector.iter().flat_map(|part| part.to_le_bytes()).collect();
                STANDARD.encode(bytes).into()
            }
            false => json!(vector),
        };
        json!({ "object": "embedding", "index": index, "embedding": embedding })
    });
    let data: Vec<Value> = data.collect();
    Ok(json!({
        "object": "list",
        "data": data,
        "model": model,
        "usage": { "prompt_tokens": total, "total_tokens": total },
    }))
}

/// A vector of length 1.
fn vector(text: &str, dimensions: usize) -> Vec<f32> {
    let mut vector = vec![0.0_f32; dimensions];
    // What has no words is taken as it is.
    let bare = |word: &str| {
        let word = word.trim_matches(|letter: char| !letter.is_alphanumeric());
        word.to_lowercase()
    };
    for word in text.split_whitespace().map(bare).chain([String::new()]) {
        let hash = blake3::hash(word.as_bytes());
        for place in hash.as_bytes().chunks_exact(4).take(PLACES) {
            let bits = u32::from_le_bytes([place[0], place[1], place[2], place[3]]);
            let sign = if bits & 1 == 0 { 1.0 } else { -1.0 };
            // What all texts have in common counts little.
            let weight = if word.is_empty() { 0.1 } else { 1.0 };
            vector[(bits >> 1) as usize % dimensions] += sign * weight;
        }
    }
    let length = vector.iter().map(|part| part * part).sum::<f32>().sqrt();
    match length > 1e-6 {
        true => vector.iter_mut().for_each(|part| *part /= length),
        // All of its parts have cancelled each other.
        false => {
            vector.fill(0.0);
            vector[0] = 1.0;
        }
    }
    vector
}

// ===== impl Input =====

impl Input {
    /// The texts, each with how many tokens it has.
    fn texts(self) -> Vec<(String, usize)> {
        let counted = |text: String| {
            let count = tokens(&text);
            (text, count)
        };
        let spelt = |tokens: Vec<u32>| {
            let words: Vec<String> = tokens.iter().map(u32::to_string).collect();
            (words.join(" "), tokens.len())
        };
        match self {
            Self::Text(text) => vec![counted(text)],
            Self::Texts(texts) => texts.into_iter().map(counted).collect(),
            Self::Tokens(tokens) if tokens.is_empty() => Vec::new(),
            Self::Tokens(tokens) => vec![spelt(tokens)],
            Self::ManyTokens(many) => many.into_iter().map(spelt).collect(),
        }
    }
}
