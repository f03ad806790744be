//! Who goes first where calls wait for a limit.

use super::*;

const CHAT: &str = "/v1/chat/completions";
const EMBED: &str = "/v1/embeddings";

const PRIORITIES: [&str; 4] = ["critical", "normal", "batch", "sheddable"];

/// A gateway of one provider, whose answers take a second. One key may say what its calls matter, and four say it themselves.
fn settings(of_the_key: &str, of_the_stage: &str, of_all: &str) -> String {
    let keys: String = PRIORITIES
        .map(|priority| {
            format!("  {priority}: {{ secret: sk-{priority}, priority: {priority} }}\n")
        })
        .concat();
    format!(
        "
providers:
  sim:
    simulated: {{ first_word: 1, spread: 0, words: 1, words_per_second: 1000000, slots: 1000 }}
    models: {{ small: null }}
stages: {{ default: {{ limits: {of_the_stage} }} }}
limits: {of_all}
keys:
{keys}  any: {{ secret: sk-any, may_raise_priority: true, limits: {of_the_key} }}
"
    )
}

fn headers(key: &str, priority: Option<&str>) -> String {
    let said = priority.map(|priority| format!("x-campanile-priority: {priority}\r\n"));
    format!(
        "authorization: Bearer sk-{key}\r\n{}",
        said.unwrap_or_default()
    )
}

/// A call that waits for the limit, or is refused by now; it says when it has its answer.
async fn begin(
    served: &Arc<Served>,
    path: &'static str,
    headers: String,
) -> tokio::task::JoinHandle<(u16, Instant)> {
    let mut client = Client::new(served);
    let call = tokio::spawn(async move {
        let mut body = chat();
        if path == EMBED {
            body = json!({ "model": "small", "input": "some text" });
        }
        let answer = client.ask(path, &headers, &body).await;
        (answer.status, Instant::now())
    });
    tokio::time::sleep(Duration::from_millis(1)).await;
    call
}

const NONE: &str = "{}";

#[tokio::test(start_paused = true)]
async fn a_later_call_that_matters_more_overtakes_those_that_wait() {
    let concurrent = "{ concurrent: 1, max_wait: 60s }";
    let rate = "{ requests_per_second: 1, max_wait: 60s }";
    for limits in [concurrent, rate] {
        for (key, stage, all) in [
            (limits, NONE, NONE),
            (NONE, limits, NONE),
            (NONE, NONE, limits),
        ] {
            let served = served(&gateway(&settings(key, stage, all)));
            for path in [CHAT, EMBED] {
                // One key that says so in each call, or keys that say so.
                let of = |priority| match key {
                    NONE => headers(priority, None),
                    _ => headers("any", Some(priority)),
                };
                let first = begin(&served, path, of("sheddable")).await;
                let mut calls = Vec::new();
                for priority in ["sheddable", "batch", "sheddable", "normal", "critical"] {
                    calls.push((priority, begin(&served, path, of(priority)).await));
                }
                assert_eq!(first.await.unwrap().0, 200);
                let mut order = Vec::new();
                for (number, (priority, call)) in calls.into_iter().enumerate() {
                    let (status, at) = call.await.unwrap();
                    assert_eq!(status, 200, "{path} {limits}");
                    order.push((at, number, priority));
                }
                order.sort_unstable();
                let order: Vec<_> = order.iter().map(|(_, number, _)| *number).collect();
                assert_eq!(
                    order,
                    [4, 3, 1, 0, 2],
                    "{path}, key {key}, stage {stage}, all {all}"
                );
                // The limit is whole again.
                tokio::time::sleep(2 * SECOND).await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn where_too_many_wait_a_call_that_matters_less_is_refused() {
    for limits in [
        "{ concurrent: 1, max_wait: 60s, max_waiting: 1 }",
        "{ requests_per_minute: 1, max_wait: 90s, max_waiting: 1 }",
    ] {
        let served = served(&gateway(&settings(NONE, limits, NONE)));
        let first = begin(&served, CHAT, headers("sheddable", None)).await;
        let least = begin(&served, CHAT, headers("sheddable", None)).await;
        let most = begin(&served, CHAT, headers("critical", None)).await;
        assert!(least.is_finished(), "{limits}");
        assert_ne!(least.await.unwrap().0, 200);
        let late = begin(&served, CHAT, headers("normal", None)).await;
        assert!(late.is_finished(), "{limits}");
        assert_ne!(late.await.unwrap().0, 200);
        for call in [first, most] {
            assert_eq!(call.await.unwrap().0, 200, "{limits}");
        }
    }
}
