use super::*;

/// What becomes of 500 calls: succeeded, failed, throttled, cut.
async fn five_hundred(config: &SimulatedConfig) -> [usize; 4] {
    let server = Simulated::new("here", config);
    let mut counts = [0; 4];
    for _ in 0..500 {
        let response = ask(
            &server,
            &with(hi(), json!({ "stream": true, "max_tokens": 12 })),
        )
        .await;
        let became = match response.status().as_u16() {
            500 => 1,
            429 => 2,
            _ => match response.into_body().collect().await {
                Ok(_) => 0,
                Err(_) => 3,
            },
        };
        counts[became] += 1;
    }
    counts
}

#[tokio::test(start_paused = true)]
async fn it_fails_as_often_as_it_is_set_to() {
    assert_eq!(five_hundred(&config()).await, [500, 0, 0, 0]);
    let mut flaky = config();
    flaky.failures_per_thousand = 100;
    flaky.throttled_per_thousand = 200;
    flaky.cuts_per_thousand = 300;
    let [_, failed, throttled, cut] = five_hundred(&flaky).await;
    // Of the 400 that are not throttled a tenth, and of the 360 that are left three tenths; four deviations to each side.
    assert!((16..=64).contains(&failed), "{failed}");
    assert!((64..=136).contains(&throttled), "{throttled}");
    assert!((73..=143).contains(&cut), "{cut}");
    flaky.failures_per_thousand = 1_000;
    flaky.throttled_per_thousand = 0;
    assert_eq!(five_hundred(&flaky).await, [0, 500, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_a_servers_and_takes_a_while() {
    let mut config = config();
    config.failures_per_thousand = 1_000;
    let begun = Instant::now();
    let response = ask(&Simulated::new("here", &config), &hi()).await;
    assert_eq!(Instant::now().duration_since(begun).as_millis(), 100);
    assert_eq!(response.status(), 500);
    let error = read(response).await;
    assert_eq!(error["error"]["type"], "server_error");
    assert!(
        error["error"]["message"]
            .as_str()
            .unwrap()
            .contains("[simulated by here]")
    );
}

#[tokio::test(start_paused = true)]
async fn a_refusal_says_when_to_come_back() {
    let mut config = config();
    config.throttled_per_thousand = 1_000;
    config.retry_after = Duration::from_millis(2_500);
    let response = ask(&Simulated::new("here", &config), &hi()).await;
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["retry-after"], "3");
    assert_eq!(read(response).await["error"]["code"], "rate_limit_exceeded");
}

#[tokio::test(start_paused = true)]
async fn a_cut_comes_after_a_word_and_before_the_end() {
    let mut config = config();
    config.cuts_per_thousand = 1_000;
    let server = Simulated::new("here", &config);
    for _ in 0..50 {
        let mut body = ask(&server, &with(hi(), json!({ "stream": true })))
            .await
            .into_body();
        let mut text = String::new();
        let error = loop {
            match body.frame().await.expect("it does not end cleanly") {
                Ok(frame) => text += std::str::from_utf8(frame.data_ref().unwrap()).unwrap(),
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        assert!(text.contains("[simulated"), "{text}");
        assert!(!text.contains("\"stop\""), "{text}");
        assert!(body.frame().await.is_none());
    }
}

#[test]
fn settings_beyond_their_bounds_are_refused() {
    #[allow(clippy::type_complexity)] // a table
    let fields: [(&str, fn(&mut SimulatedConfig)); 7] = [
        ("first_word", |config| {
            config.first_word = Duration::from_secs(4_000)
        }),
        ("spread", |config| config.spread = f64::NAN),
        ("words_per_second", |config| config.words_per_second = 0.0),
        ("words", |config| config.words = 0),
        ("failures_per_thousand", |config| {
            config.failures_per_thousand = 1_001
        }),
        ("slots", |config| config.slots = 0),
        ("retry_after", |config| config.retry_after = Duration::MAX),
    ];
    assert!(SimulatedConfig::default().build().is_ok());
    for (field, change) in fields {
        let mut config = SimulatedConfig::default();
        change(&mut config);
        assert_eq!(config.build().unwrap_err().field, field);
    }
}
