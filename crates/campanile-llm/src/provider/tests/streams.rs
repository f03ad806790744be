use crate::tokens::Calibrated;

use super::*;

async fn streaming(body: Pieces) -> ProviderStream<Pieces> {
    stream(
        answer(Once::new(200, SSE, body), ask().streamed())
            .await
            .unwrap(),
    )
}

#[tokio::test]
async fn a_chunk_is_pulled_only_when_it_is_wanted() {
    let body = Pieces::of([FIRST.to_owned(), format!("{FIRST}{FIRST}"), LAST.to_owned()]);
    let (taken, dropped) = (Arc::clone(&body.taken), Arc::clone(&body.dropped));
    let mut stream = streaming(body).await;
    for expected in [1, 2, 2, 3, 3] {
        assert!(stream.next().await.unwrap().is_ok());
        assert_eq!(taken.load(Ordering::Relaxed), expected);
    }
    assert_eq!(
        dropped.load(Ordering::Relaxed),
        1,
        "at the end, not when the stream is dropped"
    );
    assert!(stream.next().await.is_none());
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn what_came_before_an_error_comes_before_it() {
    let body = Pieces::of([format!("{FIRST}{FIRST}data: garbage\n\n{LAST}")]);
    let dropped = Arc::clone(&body.dropped);
    let mut stream = streaming(body).await;
    assert!(stream.next().await.unwrap().is_ok());
    assert!(stream.next().await.unwrap().is_ok());
    let error = stream.next().await.unwrap().unwrap_err();
    assert_eq!(error.class(), Class::Malformed);
    assert_eq!(error.request_id(), Some("req_9"));
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn a_body_that_breaks_is_interrupted() {
    let mut stream = streaming(Pieces::of([FIRST]).then_breaks()).await;
    assert!(stream.next().await.unwrap().is_ok());
    let error = stream.next().await.unwrap().unwrap_err();
    assert_eq!(error.class(), Class::Interrupted);
    assert!(std::error::Error::source(&error).is_some());
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn a_body_that_ends_without_a_proof_is_interrupted() {
    let mut stream = streaming(Pieces::of([FIRST])).await;
    assert!(stream.next().await.unwrap().is_ok());
    let error = stream.next().await.unwrap().unwrap_err();
    assert_eq!(error.class(), Class::Interrupted);
}

#[tokio::test]
async fn a_body_that_hangs_after_the_proof_does_not_hold_the_end_up() {
    let body = Pieces::of([format!("{FIRST}{LAST}")]).then_hangs();
    let dropped = Arc::clone(&body.dropped);
    let events: Vec<_> = streaming(body).await.collect().await;
    assert_eq!(events.last().unwrap().as_ref().unwrap().part(), Part::End);
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_stream_that_is_dropped_drops_the_body() {
    let body = Pieces::of([FIRST]).then_hangs();
    let dropped = Arc::clone(&body.dropped);
    let mut stream = streaming(body).await;
    assert!(stream.next().await.unwrap().is_ok());
    assert_eq!(dropped.load(Ordering::Relaxed), 0);
    drop(stream);
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn an_event_above_the_cap_is_malformed() {
    let long = FIRST.replace("\"a\"", &format!("\"{}\"", "a".repeat(2_000)));
    let http = Once::new(200, SSE, Pieces::of([FIRST.to_owned(), long]));
    let provider = Provider::new(http, &config().with_max_frame(1_024)).unwrap();
    let response = provider.oneshot(Call::new(ask().streamed())).await.unwrap();
    let mut stream = stream(response);
    assert!(stream.next().await.unwrap().is_ok());
    let error = stream.next().await.unwrap().unwrap_err();
    assert_eq!(error.class(), Class::Malformed);
}

#[tokio::test]
async fn the_prompt_is_estimated_by_its_bytes_or_by_what_is_learned() {
    let input = async |ratios: Option<&Calibrated>| {
        let mut call = Call::new(ask().max_tokens(100).streamed());
        // What a call may take altogether says nothing of its prompt.
        call.context.cost = Some(campanile::Cost::tokens(150_000));
        let http = Once::new(200, SSE, Pieces::of([format!("{FIRST}{LAST}")]));
        let mut provider = Provider::new(http, &config()).unwrap();
        if let Some(ratios) = ratios {
            provider = provider.ratios(ratios);
        }
        let mut stream = stream(provider.oneshot(call).await.unwrap());
        let event: ChatEvent = stream.next().await.unwrap().unwrap();
        event.usage().input_tokens.unwrap()
    };
    let bytes = ask().prompt_bytes();
    assert_eq!(input(None).await, bytes.div_ceil(4));
    let ratios = Calibrated::default();
    let model = config().models.get(ask().model()).cloned();
    let model = model.unwrap_or_else(|| ask().model().to_owned());
    for _ in 0..200 {
        ratios.learn_prompt(&model, 2_000, 1_000);
    }
    let learned = input(Some(&ratios)).await;
    assert!(
        learned.abs_diff(bytes / 2) <= 1,
        "{learned} of {bytes} bytes"
    );
}

#[tokio::test]
async fn translated_streams_are_proven_too() {
    let request =
        r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}],"stream":true}"#;
    let request = ChatRequest::parse(Dialect::Anthropic, request).unwrap();
    let Ok(response) = answer(Once::new(200, SSE, Pieces::of([FIRST])), request).await else {
        panic!("it is translated");
    };
    let events: Vec<_> = stream(response).collect().await;
    let error = events.last().unwrap().as_ref().unwrap_err();
    assert_eq!(error.class(), Class::Interrupted);
    assert!(events.len() > 1, "what was said before was passed on");
}
