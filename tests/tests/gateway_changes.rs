//! New settings and a stop, under load: no call is dropped, no stream is cut without a word.

mod gateway;
mod llm;

use std::time::Duration;

use campanile_llm::dialect::{Api, Dialect};
use campanile_tests::faults::{Answer, Ended, Upstream};
use futures_util::future::join_all;
use gateway::{
    Site,
    load::{Load, WORD, words},
    settings,
};
use llm::{
    campaign::{behind, full},
    seen::{Seen, composed},
};
use tokio::net::TcpStream;

fn members(urls: &[(&str, &str)]) -> String {
    let providers: String = urls
        .iter()
        .map(|(name, url)| format!("  {name}: {{preset: compatible, base_url: \"{url}/v1\"}}\n"))
        .collect();
    format!("providers:\n{providers}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_settings_drop_nothing() {
    let mut upstreams = Vec::new();
    for _ in 0..3 {
        let upstream = Upstream::start().await.unwrap();
        upstream.always(words(WORD / 3));
        upstreams.push(upstream);
    }
    let url = |at: usize| upstreams[at].url();
    let (one, two, three) = (url(0), url(1), url(2));
    let files = [
        members(&[("one", &one), ("two", &two)]),
        // Another one, in place of one; others' limits; another strategy; keys that are not there any more.
        members(&[("one", &one), ("three", &three)]),
        members(&[("one", &one), ("two", &two), ("three", &three)])
            + "pools:\n  default: {strategy: least_loaded, patience: 3s}\n",
        members(&[("three", &three)]) + "server: {max_body: 1000000}\n",
    ];
    let site = Site::start(&files[0]).await;
    let load = Load::start(&site.url, 60);
    for round in 0..40 {
        let whole = load.tally.of(|tally| &tally.whole);
        // Some streams begin and some end between any two.
        while load.tally.of(|tally| &tally.whole) < whole + 20 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let file = format!("listen: 127.0.0.1:0\n{}", files[(round + 1) % files.len()]);
        site.gateway.reload(settings(&file)).unwrap();
    }
    let tally = load.end().await;
    let others = [
        tally.of(|tally| &tally.failed),
        tally.of(|tally| &tally.broken),
        tally.of(|tally| &tally.wrong),
    ];
    assert_eq!(others, [0; 3], "{tally:?}");
    for upstream in &upstreams {
        upstream.until(|counts, _| counts.active == 0).await;
        assert!(upstream.counts().requests > 20, "each was asked");
        let all = upstream.exchanges();
        assert!(
            all.iter().all(|one| one.ended == Some(Ended::Whole)),
            "none was left"
        );
    }
    // A broken one changes nothing.
    let broken =
        "listen: 127.0.0.1:0\nproviders: {one: {preset: compatible, base_url: \"not a url\"}}\n";
    let refused = match campanile_gateway::config::load(broken) {
        Ok(loaded) => site.gateway.reload(loaded.config).is_err(),
        Err(_) => true,
    };
    assert!(refused);
    assert_eq!(site.ask(Dialect::OpenAi, "m", true).await.status, 200);
}

/// A gateway before one provider, and so many streams of it that have begun.
async fn begun(
    streams: usize,
    within: &str,
    answer: Answer,
) -> (Upstream, Site, Vec<tokio::task::JoinHandle<Seen>>) {
    let upstream = Upstream::start().await.unwrap();
    upstream.always(answer);
    let file =
        members(&[("one", &upstream.url())]) + &format!("server: {{stop_within: {within}}}\n");
    let site = Site::start(&file).await;
    let callers = (0..streams)
        .map(|number| {
            let (client, dialect) = (
                site.client(),
                [Dialect::OpenAi, Dialect::Anthropic][number % 2],
            );
            let (path, body) = gateway::question(dialect, "m", true);
            let request = site.request("POST", path, body);
            tokio::spawn(async move {
                use http_body_util::BodyExt;
                let response = client.request(request).await.expect("it is answered");
                assert_eq!(response.status(), 200);
                let body = response
                    .into_body()
                    .collect()
                    .await
                    .expect("HTTP's end is clean");
                Seen::read(dialect, &body.to_bytes())
            })
        })
        .collect();
    upstream
        .until(|counts, all| counts.active == streams as u64 && all.iter().all(|one| one.sent > 0))
        .await;
    (upstream, site, callers)
}

/// The answer to a request on a connection of its own, as it is written.
async fn head(address: &str, line: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut connection = TcpStream::connect(address).await.expect("it still listens");
    let request =
        format!("{line} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    let _ = connection.write_all(request.as_bytes()).await;
    let mut answer = String::new();
    // Whoever comes as it begins to stop, and has said nothing by then, may find the connection closed.
    let _ = connection.read_to_string(&mut answer).await;
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_lets_streams_end() {
    let answer = Answer::stream(Api::OpenAi, full(Api::OpenAi)).paced(Duration::from_millis(60));
    let (upstream, site, callers) = begun(100, "20s", answer).await;
    let address = site.address().to_owned();
    let stopping = tokio::spawn(site.stop());
    // It is not ready, and says so; and calls are refused.
    let end = tokio::time::Instant::now() + gateway::BOUND;
    while !head(&address, "GET /readyz")
        .await
        .starts_with("HTTP/1.1 503")
    {
        assert!(tokio::time::Instant::now() < end, "it is still ready");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let refused = head(&address, "POST /v1/chat/completions").await;
    assert!(refused.starts_with("HTTP/1.1 503"), "{refused}");
    assert!(upstream.counts().active > 0, "while they still run");
    for seen in join_all(callers).await {
        let seen = seen.unwrap();
        assert!(seen.is_clean() && seen.says(&composed()), "{seen:?}");
    }
    let stopped = stopping.await.unwrap();
    assert_eq!(stopped.cut, 0, "{stopped:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_cuts_what_does_not_end_and_says_so() {
    let late = behind(Api::OpenAi, "I ask");
    let answer = Answer::stream(Api::OpenAi, full(Api::OpenAi)).stall_at(late);
    let (upstream, site, callers) = begun(40, "300ms", answer).await;
    let began = tokio::time::Instant::now();
    let stopped = site.stop().await;
    let took = tokio::time::Instant::now() - began;
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert_eq!(stopped.cut, 40, "{stopped:?}");
    for seen in join_all(callers).await {
        // The caller is told in its dialect, or HTTP tells it; but never that it was all.
        match seen {
            Ok(seen) => {
                assert!(!seen.ended && seen.errors.len() == 1, "{seen:?}");
                assert!(seen.begins(&composed()), "{seen:?}");
            }
            Err(panic) => assert!(panic.is_panic(), "{panic}"),
        }
    }
    upstream.until(|counts, _| counts.active == 0).await;
    assert_eq!(upstream.counts().cancelled, 40);
}
