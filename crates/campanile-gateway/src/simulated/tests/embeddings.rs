use base64::{Engine, engine::general_purpose::STANDARD};

use super::*;

async fn embed(server: &Simulated, input: &Value, more: Value) -> Response<SimulatedBody> {
    let body = with(json!({ "model": "m", "input": input }), more);
    server
        .clone()
        .oneshot(post("/v1/embeddings", &body))
        .await
        .unwrap()
}

async fn vectors(input: &Value, more: Value) -> Vec<Vec<f32>> {
    let server = Simulated::new("here", &config());
    let answer = read(embed(&server, input, more).await).await;
    let data = answer["data"].as_array().unwrap();
    let floats = |item: &Value| serde_json::from_value(item["embedding"].clone()).unwrap();
    data.iter().map(floats).collect()
}

fn dot(one: &[f32], two: &[f32]) -> f32 {
    one.iter().zip(two).map(|(one, two)| one * two).sum()
}

#[tokio::test(start_paused = true)]
async fn vectors_have_length_one_and_are_the_same_each_time() {
    let input = json!(["bells ring", "!", "日本語", "a a a a"]);
    let first = vectors(&input, json!({})).await;
    assert_eq!(first.len(), 4);
    for vector in &first {
        assert_eq!(vector.len(), 384);
        assert!((dot(vector, vector) - 1.0).abs() < 1e-3);
    }
    assert_eq!(first, vectors(&input, json!({})).await);
}

#[tokio::test(start_paused = true)]
async fn texts_that_share_words_are_nearer() {
    let input = json!([
        "The bell of the tower rings.",
        "the tower has a bell",
        "Cats sleep all day"
    ]);
    let vectors = vectors(&input, json!({})).await;
    let near = dot(&vectors[0], &vectors[1]);
    let far = dot(&vectors[0], &vectors[2]);
    assert!(near > 0.4 && far < 0.25, "{near} {far}");
}

#[tokio::test(start_paused = true)]
async fn base64_says_the_same() {
    let server = Simulated::new("here", &config());
    let input = json!("bells ring");
    let floats = vectors(&input, json!({ "dimensions": 16 })).await;
    let more = json!({ "dimensions": 16, "encoding_format": "base64" });
    let answer = read(embed(&server, &input, more).await).await;
    let bytes = STANDARD
        .decode(answer["data"][0]["embedding"].as_str().unwrap())
        .unwrap();
    let read: Vec<f32> = bytes
        .chunks_exact(4)
        .map(|part| f32::from_le_bytes(part.try_into().unwrap()))
        .collect();
    assert_eq!(read, floats[0]);
    assert_eq!(answer["usage"]["prompt_tokens"], 3);
}

#[tokio::test(start_paused = true)]
async fn tokens_are_taken_in_place_of_texts() {
    assert_eq!(vectors(&json!([1, 2, 3]), json!({})).await.len(), 1);
    assert_eq!(vectors(&json!([[1, 2], [3]]), json!({})).await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_is_refused() {
    let server = Simulated::new("here", &config());
    let long = "bell ".repeat(10_000);
    for (input, more) in [
        (json!([]), json!({})),
        (json!(""), json!({})),
        (json!(["a", ""]), json!({})),
        (json!(long), json!({})),
        (json!("a"), json!({ "dimensions": 0 })),
        (json!("a"), json!({ "dimensions": 1_000_000 })),
        (json!("a"), json!({ "encoding_format": "hex" })),
        (json!({ "text": "a" }), json!({})),
        (json!(null), json!({})),
    ] {
        let response = embed(&server, &input, more).await;
        assert_eq!(response.status(), 400);
        assert_eq!(
            read(response).await["error"]["type"],
            "invalid_request_error"
        );
    }
}
