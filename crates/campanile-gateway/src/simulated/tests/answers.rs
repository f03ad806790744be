use super::*;

#[tokio::test(start_paused = true)]
async fn an_answer_says_that_it_is_simulated_and_by_whom() {
    let answer = answer(&Simulated::new("here", &config()), &hi()).await;
    let text = answer["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(
        text.starts_with("[simulated by here] You said: \"Why do bells ring?\"."),
        "{text}"
    );
    assert_eq!(answer["choices"][0]["finish_reason"], "stop");
    assert_eq!(answer["model"], "m");
    let usage = &answer["usage"];
    assert_eq!(usage["completion_tokens"], text.len().div_ceil(4));
    let sum =
        usage["prompt_tokens"].as_u64().unwrap() + usage["completion_tokens"].as_u64().unwrap();
    assert_eq!(usage["total_tokens"], sum);
}

#[tokio::test(start_paused = true)]
async fn it_takes_the_time_of_its_words() {
    let begun = Instant::now();
    let answer = answer(&Simulated::new("here", &config()), &hi()).await;
    let text = answer["choices"][0]["message"]["content"].as_str().unwrap();
    let words = text.split_whitespace().count() as u32;
    let expected = Duration::from_millis(200) + Duration::from_millis(20) * (words - 1);
    assert_eq!(
        Instant::now().duration_since(begun).as_millis(),
        expected.as_millis()
    );
}

#[tokio::test(start_paused = true)]
async fn the_first_word_varies_around_its_setting() {
    let mut config = config();
    config.spread = 0.3;
    config.slots = 1_000;
    let server = Simulated::new("here", &config);
    let mut times = Vec::new();
    for _ in 0..400 {
        let begun = Instant::now();
        let mut body = ask(&server, &with(hi(), json!({ "stream": true })))
            .await
            .into_body();
        body.frame().await.unwrap().unwrap();
        times.push(Instant::now().duration_since(begun));
    }
    times.sort();
    let (low, middle, high) = (times[40], times[200], times[360]);
    // exp(1.28 × 0.3) is 1.47.
    assert!((180..=220).contains(&middle.as_millis()), "{middle:?}");
    assert!((120..=155).contains(&low.as_millis()), "{low:?}");
    assert!((265..=330).contains(&high.as_millis()), "{high:?}");
}

#[tokio::test(start_paused = true)]
async fn one_seed_gives_the_same_answers_again_and_another_gives_others() {
    let mut other = config();
    other.seed = Some(8);
    let mut said = Vec::new();
    for config in [&config(), &config(), &other] {
        let server = Simulated::new("here", config);
        let mut texts = Vec::new();
        for _ in 0..3 {
            texts.push(answer(&server, &hi()).await["choices"][0]["message"].to_string());
        }
        said.push(texts);
    }
    assert_eq!(said[0], said[1]);
    assert_ne!(said[0], said[2]);
    let different: BTreeSet<_> = said[0].iter().collect();
    assert_eq!(different.len(), 3, "calls of one server differ");
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_tokens_and_a_stop_end_it() {
    let server = Simulated::new("here", &config());
    for name in ["max_tokens", "max_completion_tokens"] {
        let short = answer(&server, &with(hi(), json!({ name: 5 }))).await;
        assert_eq!(short["choices"][0]["finish_reason"], "length");
        assert_eq!(short["usage"]["completion_tokens"], 5);
        assert_eq!(
            short["choices"][0]["message"]["content"],
            "[simulated by here] "
        );
    }
    let stopped = answer(
        &server,
        &with(hi(), json!({ "stop": ["nowhere", "] You"] })),
    )
    .await;
    assert_eq!(stopped["choices"][0]["finish_reason"], "stop");
    assert_eq!(
        stopped["choices"][0]["message"]["content"],
        "[simulated by here"
    );
}

#[tokio::test(start_paused = true)]
async fn a_tool_is_called_when_the_prompt_speaks_of_it() {
    let server = Simulated::new("here", &config());
    let weather = json!({ "type": "function", "function": {
        "name": "get_weather",
        "parameters": { "type": "object", "properties": {
            "city": { "type": "string" },
            "unit": { "type": "string", "enum": ["celsius", "fahrenheit"] },
        }, "required": ["city"] },
    }});
    let other = json!({ "type": "function", "function": { "name": "sendMail" } });
    let asked = json!({
        "model": "m",
        "messages": [{ "role": "user", "content": "What is the weather in New York, in Fahrenheit?" }],
        "tools": [other, weather],
    });
    let called = answer(&server, &asked).await;
    let choice = &called["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    assert_eq!(choice["message"]["content"], Value::Null);
    let call = &choice["message"]["tool_calls"][0];
    assert_eq!(call["function"]["name"], "get_weather");
    let arguments: Value =
        serde_json::from_str(call["function"]["arguments"].as_str().unwrap()).unwrap();
    assert_eq!(
        arguments,
        json!({ "city": "New York", "unit": "fahrenheit" })
    );

    // What the tool says is told.
    let mut told = asked.clone();
    let messages = told["messages"].as_array_mut().unwrap();
    messages.push(choice["message"].clone());
    messages.push(json!({ "role": "tool", "tool_call_id": call["id"], "content": "12 degrees" }));
    let told = answer(&server, &told).await;
    let text = told["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(text.contains("The tool says: 12 degrees."), "{text}");

    // Nobody speaks of a tool, or it must not be called, or it must.
    for (prompt, choice, expected) in [
        ("Why do bells ring?", json!("auto"), None),
        ("How is the weather?", json!("none"), None),
        ("Why do bells ring?", json!("required"), Some("sendMail")),
        (
            "How is the weather?",
            json!("required"),
            Some("get_weather"),
        ),
        ("Send a mail!", json!(null), Some("sendMail")),
        (
            "Why do bells ring?",
            json!({ "type": "function", "function": { "name": "get_weather" } }),
            Some("get_weather"),
        ),
    ] {
        let messages = json!([{ "role": "user", "content": prompt }]);
        let body = with(
            asked.clone(),
            json!({ "messages": messages, "tool_choice": choice }),
        );
        let answer = answer(&server, &body).await;
        let name = answer["choices"][0]["message"]["tool_calls"][0]["function"]["name"].as_str();
        assert_eq!(name, expected, "{prompt} {choice}");
    }
    let body = with(
        asked,
        json!({ "tool_choice": { "type": "function", "function": { "name": "x" } } }),
    );
    assert_eq!(ask(&server, &body).await.status(), 400);
}

#[tokio::test(start_paused = true)]
async fn json_is_answered_where_it_is_asked_for() {
    let server = Simulated::new("here", &config());
    let schema = json!({ "type": "object", "properties": { "name": { "type": "string" } }, "required": ["name"] });
    let format =
        json!({ "type": "json_schema", "json_schema": { "name": "person", "schema": schema } });
    let messages = json!([{ "role": "user", "content": "Who was Ada Lovelace?" }]);
    let body = json!({ "model": "m", "messages": messages, "response_format": format });
    let person = answer(&server, &body).await;
    let person: Value =
        serde_json::from_str(person["choices"][0]["message"]["content"].as_str().unwrap()).unwrap();
    assert_eq!(person, json!({ "name": "Ada Lovelace" }));
    let body = with(
        hi(),
        json!({ "response_format": { "type": "json_object" } }),
    );
    let any = answer(&server, &body).await;
    let any: Value =
        serde_json::from_str(any["choices"][0]["message"]["content"].as_str().unwrap()).unwrap();
    assert_eq!(any["simulated_by"], "here");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_broke_off_goes_on() {
    let server = Simulated::new("there", &config());
    let messages = json!([
        { "role": "user", "content": "Why?" },
        { "role": "assistant", "content": "[simulated by here] You" },
    ]);
    let answer = answer(&server, &json!({ "model": "m", "messages": messages })).await;
    let text = answer["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(text.starts_with(" [goes on, simulated by there]"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn it_lists_its_name_as_a_model() {
    let server = Simulated::new("here", &config());
    let request = Request::get("http://simulated/v1/models")
        .body(Full::default())
        .unwrap();
    let list = read(server.clone().oneshot(request).await.unwrap()).await;
    assert_eq!(list["data"][0]["id"], "here");
    assert_eq!(list["data"][0]["owned_by"], "simulated");
}

#[tokio::test(start_paused = true)]
async fn requests_at_fault_are_told_so() {
    let server = Simulated::new("here", &config());
    for (more, param) in [
        (json!({ "model": null }), json!("model")),
        (json!({ "messages": [] }), json!("messages")),
        (json!({ "n": 2 }), json!("n")),
        (json!({ "max_tokens": 0 }), json!("max_tokens")),
        (json!({ "messages": "hi" }), json!(null)),
    ] {
        let response = ask(&server, &with(hi(), more)).await;
        assert_eq!(response.status(), 400);
        let error = read(response).await;
        assert_eq!(error["error"]["type"], "invalid_request_error");
        assert_eq!(error["error"]["param"], param);
    }
    for (method, path, status) in [
        (Method::GET, "/v1/chat/completions", 405),
        (Method::POST, "/v1/models", 405),
        (Method::POST, "/v1/audio", 404),
    ] {
        let request = Request::builder()
            .method(method)
            .uri(format!("http://simulated{path}"));
        let response = server
            .clone()
            .oneshot(request.body(Full::default()).unwrap())
            .await
            .unwrap();
        assert_eq!(response.status(), status, "{path}");
    }
}
