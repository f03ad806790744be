//! What `docs/gateway/errors.md` says, held against the answers.

use std::{collections::BTreeSet, fs, path::Path};

use campanile_llm::{Error, chat::ChatResponse, dialect::Dialect, error::Class, front};
use http_body_util::BodyExt;

use super::*;

const CHAT: &str = "/v1/chat/completions";

const SETTINGS: &str = "
providers:
  sim: { simulated: { first_word: 60, words_per_second: 1 }, models: { small: null } }
keys:
  one: { secret: sk-one, priority: batch }
  few: { secret: sk-few, limits: { requests_per_minute: 1 } }
server: { max_body: 2000, max_head: 100000 }
";

const KEY: &str = "authorization: Bearer sk-one\r\n";

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/gateway/errors.md");
    fs::read_to_string(&path).unwrap()
}

/// The statuses and codes of the page's tables.
fn told() -> BTreeSet<(u16, String)> {
    let page = page();
    let mut told = BTreeSet::new();
    for line in page.lines() {
        let cells: Vec<&str> = line.split(" | ").collect();
        let status = cells[0]
            .strip_prefix("| ")
            .and_then(|cell| cell.parse().ok());
        let (Some(status), Some(names)) = (status, cells.get(1)) else {
            continue;
        };
        for name in names.split('`').skip(1).step_by(2) {
            // A header that goes with it.
            if name.contains(':') {
                continue;
            }
            told.insert((status, name.to_owned()));
        }
    }
    told
}

/// The status and the code of an answer.
fn seen(answer: &Answer) -> (u16, Option<String>) {
    let code = &answer.json()["error"]["code"];
    (answer.status, code.as_str().map(ToOwned::to_owned))
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_here_is_on_the_page_and_nothing_else() {
    let gateway = gateway(SETTINGS);
    let served = served(&gateway);
    let mut all = Vec::new();
    let chat = chat().to_string();
    let json = "content-type: application/json\r\n";
    let post = |path: &str, headers: &str, body: &str| request(path, headers, body);
    let mut other = chat.clone();
    other = other.replace("small", "nobodys");
    let late = "x-campanile-timeout: 1\r\n";
    let few = format!("authorization: Bearer sk-few\r\n{late}");
    for text in [
        post(CHAT, KEY, "{"),
        "nonsense\r\n\r\n".to_owned(),
        post(CHAT, "", &chat),
        post(
            CHAT,
            &format!("{KEY}x-campanile-priority: critical\r\n"),
            &chat,
        ),
        post(CHAT, KEY, &other),
        post("/stages/none/v1/chat/completions", KEY, &chat),
        post("/v2", KEY, &chat),
        format!("GET {CHAT} HTTP/1.1\r\nhost: x\r\n\r\n"),
        "GET /hea".to_owned(),
        format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\n{json}{KEY}content-length: 9\r\n\r\n{{"),
        post(CHAT, KEY, &" ".repeat(2001)),
        format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "x".repeat(70_000)),
        format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\n{KEY}content-length: 0\r\n\r\n"),
        post(CHAT, &few, &chat),
        post(CHAT, &few, &chat),
        format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(200_000)),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
    ] {
        let mut client = Client::with_pipe(&served, 1 << 20);
        client.send(text).await;
        all.push(seen(&client.answer().await));
    }
    let mut cut = Client::new(&served);
    cut.send(post(CHAT, KEY, &chat)).await;
    tokio::time::sleep(SECOND).await;
    gateway.stop();
    let mut late = Client::new(&served);
    late.send(post(CHAT, KEY, &chat)).await;
    all.push(seen(&late.answer().await));
    served.stop.enter(Phase::Cutting);
    all.push(seen(&cut.answer().await));

    let told = told();
    for (status, code) in &all {
        let code = code.clone().unwrap_or("invalid_request_error".to_owned());
        let is_told = told.contains(&(*status, code.clone()));
        assert!(is_told, "{status} {code} is not on the page");
    }
    // What the page says beyond, providers say, or a bug does, or is a type.
    let all: BTreeSet<_> = all
        .into_iter()
        .filter_map(|(status, code)| Some((status, code?)))
        .collect();
    let others = [
        "rate_limit_error",
        "insufficient_quota",
        "invalid_request_error",
        "server_error",
        "server",
        "context_length_exceeded",
        "content_filter",
    ];
    for (status, code) in told {
        let is_class = Class::ALL.iter().any(|class| class.name() == code);
        let known = is_class || others.contains(&&*code) || all.contains(&(status, code.clone()));
        assert!(
            known,
            "{status} {code} is on the page, and nothing is answered so"
        );
    }
}

#[tokio::test]
async fn each_class_is_on_the_page_with_its_status() {
    let page = page();
    let told = told();
    for class in Class::ALL {
        let name = class.name();
        for dialect in [Dialect::OpenAi, Dialect::Anthropic] {
            let status = Error::new(class, "").answer_status_in(dialect).to_string();
            let row = page.lines().find(|line| {
                let first = line.split(" | ").next().unwrap_or("");
                first.contains(&format!("`{name}`")) && first.starts_with("| `")
            });
            let row = row.unwrap_or_else(|| panic!("{name} is not in the table of classes"));
            assert!(row.contains(&status), "{name} is {status}: {row}");
        }
        let error = Error::new(class, "");
        let status = error.answer_status();
        let answer: Result<ChatResponse, _> = Err(error);
        let body = front::answer(answer, Dialect::OpenAi).into_body();
        let body = body.collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap();
        let (kind, code) = (&body["error"]["type"], &body["error"]["code"]);
        let code = code.as_str().or(kind.as_str()).unwrap().to_owned();
        assert!(told.contains(&(status, code.clone())), "{status} {code}");
    }
}
