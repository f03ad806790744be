use super::*;

async fn events(body: &mut SimulatedBody) -> Vec<String> {
    let mut events = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.unwrap().into_data().unwrap();
        let text = String::from_utf8(frame.to_vec()).unwrap();
        let data = text
            .strip_prefix("data: ")
            .and_then(|text| text.strip_suffix("\n\n"));
        events.push(
            data.expect("an event has a line and an empty one")
                .to_owned(),
        );
    }
    events
}

fn streamed() -> Value {
    with(hi(), json!({ "stream": true }))
}

#[tokio::test(start_paused = true)]
async fn a_stream_has_a_role_words_a_reason_and_an_end() {
    let server = Simulated::new("here", &config());
    let response = ask(&server, &streamed()).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let events = events(&mut response.into_body()).await;
    assert_eq!(events.last().unwrap(), "[DONE]");
    let events: Vec<Value> = events[..events.len() - 1]
        .iter()
        .map(|event| serde_json::from_str(event).unwrap())
        .collect();
    assert_eq!(events[0]["choices"][0]["delta"]["role"], "assistant");
    let finish = &events[events.len() - 1];
    assert_eq!(finish["choices"][0]["finish_reason"], "stop");
    let words = events
        .iter()
        .filter_map(|event| event["choices"][0]["delta"]["content"].as_str());
    let text: String = words.collect();
    assert!(text.starts_with("[simulated by here] You said:"), "{text}");
    let ids: BTreeSet<_> = events
        .iter()
        .map(|event| event["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), 1);
    assert!(
        events.iter().all(|event| event.get("usage").is_none()),
        "it was not asked for"
    );

    // The same call whole says the same.
    let again = Simulated::new("here", &config());
    let whole = answer(&again, &hi()).await;
    assert_eq!(whole["choices"][0]["message"]["content"], text.as_str());
}

#[tokio::test(start_paused = true)]
async fn usage_is_told_when_it_is_asked_for() {
    let server = Simulated::new("here", &config());
    let body = with(
        streamed(),
        json!({ "stream_options": { "include_usage": true } }),
    );
    let events = events(&mut ask(&server, &body).await.into_body()).await;
    let usage: Value = serde_json::from_str(&events[events.len() - 2]).unwrap();
    assert_eq!(usage["choices"], json!([]));
    assert!(usage["usage"]["completion_tokens"].as_u64().unwrap() > 20);
    let first: Value = serde_json::from_str(&events[0]).unwrap();
    assert_eq!(first.get("usage"), Some(&Value::Null));
}

#[tokio::test(start_paused = true)]
async fn words_come_when_they_are_due() {
    let server = Simulated::new("here", &config());
    let begun = Instant::now();
    let mut body = ask(&server, &streamed()).await.into_body();
    assert_eq!(
        Instant::now().duration_since(begun),
        Duration::ZERO,
        "the head comes at once"
    );
    let mut times = Vec::new();
    while let Some(frame) = body.frame().await {
        frame.unwrap();
        times.push(Instant::now().duration_since(begun).as_millis());
    }
    assert_eq!(times[..5], [200, 200, 220, 240, 260]);
    let end = times.len() - 3;
    assert!(
        times[end..].iter().all(|time| *time == times[end]),
        "the end waits for nothing"
    );
    assert_eq!(times[end], 200 + 20 * (times.len() as u128 - 4));
}

#[tokio::test(start_paused = true)]
async fn a_fast_one_writes_all_that_is_due() {
    let mut config = config();
    config.words_per_second = 100_000.0;
    config.words = 1_000;
    let server = Simulated::new("here", &config);
    let begun = Instant::now();
    let count = events(&mut ask(&server, &streamed()).await.into_body())
        .await
        .len();
    assert!(count > 700, "{count}");
    assert!(
        Instant::now().duration_since(begun) < Duration::from_millis(230),
        "{:?}",
        Instant::now().duration_since(begun)
    );
}

#[tokio::test(start_paused = true)]
async fn calls_of_tools_are_streamed() {
    let server = Simulated::new("here", &config());
    let tool = json!({ "type": "function", "function": { "name": "get_weather", "parameters": {
        "type": "object", "properties": { "city": { "type": "string" } },
    }}});
    let body = with(
        streamed(),
        json!({ "tools": [tool], "messages": [{ "role": "user", "content": "The weather in Rome?" }] }),
    );
    let events = events(&mut ask(&server, &body).await.into_body()).await;
    let events: Vec<Value> = events[..events.len() - 1]
        .iter()
        .map(|event| serde_json::from_str(event).unwrap())
        .collect();
    let first = &events[0]["choices"][0]["delta"]["tool_calls"][0];
    assert_eq!(first["function"]["name"], "get_weather");
    assert!(first["id"].as_str().unwrap().starts_with("call_"));
    let pieces = events.iter().filter_map(|event| {
        event["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"].as_str()
    });
    let arguments: Value = serde_json::from_str(&pieces.collect::<String>()).unwrap();
    assert_eq!(arguments, json!({ "city": "Rome" }));
    let last = &events[events.len() - 1];
    assert_eq!(last["choices"][0]["finish_reason"], "tool_calls");
}

#[tokio::test(start_paused = true)]
async fn a_slot_is_given_back_at_the_end_and_when_anything_is_dropped() {
    let mut config = config();
    config.slots = 1;
    let server = Simulated::new("here", &config);
    let full = async || ask(&server, &streamed()).await.status() == 429;

    let mut body = ask(&server, &streamed()).await.into_body();
    assert!(full().await);
    events(&mut body).await;
    assert!(!full().await, "it is over, though its body is still held");

    let mut body = ask(&server, &streamed()).await.into_body();
    body.frame().await.unwrap().unwrap();
    assert!(full().await);
    drop(body);
    assert!(!full().await, "it was given up amid it");

    let given_up = timeout(Duration::from_millis(100), ask(&server, &hi())).await;
    assert!(given_up.is_err());
    assert!(!full().await, "it was given up before its head");

    drop(server.clone().oneshot(post("/v1/chat/completions", &hi())));
    assert!(!full().await, "it was never polled");
}

#[tokio::test(start_paused = true)]
async fn letters_of_several_bytes_are_not_cut_in_two() {
    let server = Simulated::new("here", &config());
    let long = "é".repeat(500) + "日本語".repeat(100).as_str();
    let messages = json!([{ "role": "user", "content": long }]);
    for limit in 8..40 {
        let body = with(
            streamed(),
            json!({ "messages": messages, "max_tokens": limit }),
        );
        let events = events(&mut ask(&server, &body).await.into_body()).await;
        assert!(events.len() > 3);
    }
}
