//! A steady load of streams, and what became of each.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use campanile_llm::dialect::Dialect;
use campanile_tests::faults::Answer;
use futures_util::future::join_all;
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::task::JoinHandle;

use super::{BOUND, question};

/// Words of each answer.
pub(crate) const WORDS: usize = 8;

/// How long a healthy provider takes for a word.
pub(crate) const WORD: Duration = Duration::from_millis(60);

/// An answer of [`WORDS`] words, one each so often.
pub(crate) fn words(every: Duration) -> Answer {
    let mut body = String::new();
    for word in 0..WORDS {
        body += &format!(
            "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"w{word} \"}},\"finish_reason\":null}}]}}\n\n"
        );
    }
    body += "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    body += "data: [DONE]\n\n";
    Answer::stream(campanile_llm::dialect::Api::OpenAi, body.into()).paced(every)
}

/// All that it says, in their order and each once.
pub(crate) fn said() -> String {
    (0..WORDS).map(|word| format!("w{word} ")).collect()
}

/// What became of the streams of a load.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Words that arrived.
    pub(crate) words: AtomicUsize,
    /// Streams that were whole: each word once, in order, and the end.
    pub(crate) whole: AtomicUsize,
    /// Streams that broke off behind a word, and said so.
    pub(crate) broken: AtomicUsize,
    /// Calls that failed before the first word.
    pub(crate) failed: AtomicUsize,
    /// Streams that ended without saying how, or said something that was not there. There must be none.
    pub(crate) wrong: AtomicUsize,
}

/// Streams, one after the other for each of so many callers, until it is told to stop.
pub(crate) struct Load {
    pub(crate) tally: Arc<Tally>,
    stop: Arc<AtomicBool>,
    callers: Vec<JoinHandle<()>>,
}

// ===== impl Load =====

impl Load {
    /// Starts so many callers of the server at this URL.
    pub(crate) fn start(url: &str, callers: usize) -> Self {
        let tally = Arc::<Tally>::default();
        let stop = Arc::<AtomicBool>::default();
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        let callers = (0..callers)
            .map(|number| {
                let (client, url) = (client.clone(), format!("{url}/v1/chat/completions"));
                let (tally, stop) = (Arc::clone(&tally), Arc::clone(&stop));
                tokio::spawn(async move {
                    // Not all in step.
                    tokio::time::sleep(WORD * u32::try_from(number % WORDS).unwrap()).await;
                    while !stop.load(Ordering::Relaxed) {
                        let one = one(&client, &url, &tally);
                        tokio::time::timeout(BOUND, one)
                            .await
                            .expect("a stream hangs");
                    }
                })
            })
            .collect();
        Self {
            tally,
            stop,
            callers,
        }
    }

    /// Lets each caller end the stream that it takes, and no other begin.
    pub(crate) async fn end(self) -> Arc<Tally> {
        self.stop.store(true, Ordering::Relaxed);
        for caller in join_all(self.callers).await {
            caller.unwrap();
        }
        self.tally
    }
}

async fn one(client: &Client<HttpConnector, Full<Bytes>>, url: &str, tally: &Tally) {
    let (_, body) = question(Dialect::OpenAi, "m", true);
    let request = http::Request::post(url)
        .header("content-type", "application/json")
        .body(Full::new(body))
        .unwrap();
    let add = |counter: &AtomicUsize| counter.fetch_add(1, Ordering::Relaxed);
    let response = match client.request(request).await {
        Ok(response) if response.status() == 200 => response,
        _ => {
            add(&tally.failed);
            // What refuses at once is not asked again at once.
            tokio::time::sleep(WORD).await;
            return;
        }
    };
    let mut body = response.into_body();
    let (mut text, mut words, mut rest) = (String::new(), 0, String::new());
    let (mut ended, mut error) = (false, false);
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { break };
        rest += std::str::from_utf8(frame.data_ref().unwrap_or(&Bytes::new())).expect("UTF-8");
        while let Some(end) = rest.find("\n\n") {
            let frame = rest[..end].to_owned();
            rest.drain(..end + 2);
            let Some(data) = frame.strip_prefix("data: ") else {
                continue;
            };
            if data == "[DONE]" {
                ended = true;
                continue;
            }
            let data: serde_json::Value = serde_json::from_str(data).expect("a frame is JSON");
            error |= data["error"].is_object();
            if let Some(content) = data["choices"][0]["delta"]["content"].as_str() {
                text += content;
                words += 1;
                add(&tally.words);
            }
        }
    }
    let counter = match (ended, error) {
        (true, false) if text == said() => &tally.whole,
        (false, true) if words > 0 && said().starts_with(&text) => &tally.broken,
        (false, true) if words == 0 => &tally.failed,
        _ => &tally.wrong,
    };
    add(counter);
}

// ===== impl Tally =====

impl Tally {
    pub(crate) fn of(&self, counter: impl Fn(&Self) -> &AtomicUsize) -> usize {
        counter(self).load(Ordering::Relaxed)
    }
}
