//! Behind a real provider.

use campanile::Call;
use campanile_llm::{
    chat::{Answer, ChatRequest, Part},
    embed::EmbeddingRequest,
    error::Class,
    models::ListModels,
    provider::{Provider, ProviderConfig},
};
use futures_util::StreamExt;

use super::*;

fn provider(config: &SimulatedConfig) -> Provider<Simulated> {
    let settings = ProviderConfig::default().with_name("here");
    Provider::new(Simulated::new("here", config), &settings).unwrap()
}

#[tokio::test(start_paused = true)]
async fn chats_are_answered_whole_and_as_streams() {
    let provider = provider(&config());
    let chat = ChatRequest::new("m").user("Why?");
    let response = provider
        .clone()
        .oneshot(Call::new(chat.clone()))
        .await
        .unwrap();
    let Answer::Whole(answer) = response.answer else {
        panic!("it is whole")
    };
    assert!(answer.text().starts_with("[simulated by here]"));

    let response = provider.oneshot(Call::new(chat.streamed())).await.unwrap();
    let Answer::Stream(events) = response.answer else {
        panic!("it is a stream")
    };
    let events: Vec<_> = events.map(|event| event.unwrap().part()).collect().await;
    assert_eq!(events.last(), Some(&Part::End));
    assert!(events.iter().filter(|part| **part == Part::Content).count() > 20);
}

#[tokio::test(start_paused = true)]
async fn a_cut_is_an_interruption_and_a_refusal_a_rate() {
    let mut flaky = config();
    flaky.cuts_per_thousand = 1_000;
    let chat = Call::new(ChatRequest::new("m").user("Why?").streamed());
    let response = provider(&flaky).oneshot(chat).await.unwrap();
    let Answer::Stream(events) = response.answer else {
        panic!("it is a stream")
    };
    let last = events.collect::<Vec<_>>().await.pop().unwrap();
    assert_eq!(last.unwrap_err().class(), Class::Interrupted);

    let mut busy = config();
    busy.throttled_per_thousand = 1_000;
    let chat = Call::new(ChatRequest::new("m").user("Why?"));
    let error = provider(&busy).oneshot(chat).await.unwrap_err();
    assert_eq!(error.class(), Class::Rate);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(1)));
}

#[tokio::test(start_paused = true)]
async fn vectors_and_models_are_read() {
    let provider = provider(&config());
    let texts = EmbeddingRequest::new("m", ["one", "two"]);
    let answer = provider.clone().oneshot(Call::new(texts)).await.unwrap();
    assert_eq!(answer.embeddings().unwrap().len(), 2);
    let list = provider
        .oneshot(Call::new(ListModels::default()))
        .await
        .unwrap();
    assert_eq!(list.models()[0].id(), "here");
}
