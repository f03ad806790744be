use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use axum::{Json, Router, routing::post};
use campanile::BoxError;
use campanile_examples::http::serve;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::verdict::DIMENSIONS;

/// What a call takes, and every text in it: as long as they are, batches pay.
const CALL: Duration = Duration::from_millis(4);
const TEXT: Duration = Duration::from_micros(100);

/// One call at a time, as a model on one processor.
static PROCESSOR: Semaphore = Semaphore::const_new(1);

/// Starts a server that makes vectors up, the same for the same text. It answers in no particular order.
pub(crate) async fn start() -> Result<String, BoxError> {
    let app = Router::new().route("/v1/embeddings", post(embed));
    let (address, _) = serve(app, 0).await?;
    Ok(format!("http://{address}"))
}

async fn embed(Json(request): Json<Value>) -> Json<Value> {
    let texts = request["input"].as_array().map_or(&[][..], Vec::as_slice);
    if let Ok(_processor) = PROCESSOR.acquire().await {
        tokio::time::sleep(CALL + TEXT * texts.len() as u32).await;
    }
    let mut data: Vec<Value> = texts
        .iter()
        .enumerate()
        .map(|(index, text)| {
            let text = text.as_str().unwrap_or_default();
            json!({ "object": "embedding", "index": index, "embedding": vector(text) })
        })
        .collect();
    fastrand::shuffle(&mut data);
    Json(json!({ "object": "list", "data": data, "model": request["model"] }))
}

/// Numbers that follow from the text, together of length 1.
fn vector(text: &str) -> Vec<f32> {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    let mut random = fastrand::Rng::with_seed(hasher.finish());
    let numbers: Vec<f32> = (0..DIMENSIONS).map(|_| random.f32() - 0.5).collect();
    let length = numbers
        .iter()
        .map(|number| number * number)
        .sum::<f32>()
        .sqrt();
    numbers.iter().map(|number| number / length).collect()
}
