//! Providers of every interface, broken in every way, behind a whole gateway, for callers of every dialect: what the caller sees
//! over HTTP, and what becomes of the call at the provider.

mod gateway;
mod llm;

use campanile_llm::{
    dialect::{Api, Dialect},
    error::Class,
};
use campanile_tests::faults::{APIS, Answer, Cut, Upstream, recorded, refusing};
use gateway::{Answered, Site};
use llm::{
    DIALECTS,
    campaign::{Fate, Fault, SHORT, faults},
    seen::{Seen, composed},
};

const PRESETS: [(Api, &str); 4] = [
    (Api::OpenAi, "openai"),
    (Api::Anthropic, "anthropic"),
    (Api::Gemini, "gemini"),
    (Api::Ollama, "ollama_native"),
];

/// A provider of the file.
fn provider(name: &str, api: Api, url: &str) -> String {
    let preset = PRESETS.iter().find(|(known, _)| *known == api).unwrap().1;
    let base = match api {
        Api::OpenAi => "/v1",
        _ => "",
    };
    format!("  {name}: {{preset: {preset}, base_url: \"{url}{base}\", key: very-secret-key}}\n")
}

/// A provider alone, without retries and breaker, so that each fault shows: `m` is patient, `hurried` is not.
async fn alone(api: Api, url: &str) -> Site {
    let bare = "retry: null, breaker: null";
    let site = format!(
        "providers:\n{}pools:
  patient: {{members: [it], {bare}}}
  hurried: {{members: [it], {bare}, timeouts: {{first_data: {short}ms, between_data: {short}ms}}}}
stages:
  patient: {{models: [m]}}
  hurried: {{model: m}}
",
        provider("it", api, url),
        short = SHORT.as_millis(),
    );
    Site::start(&site).await
}

/// What a caller sees of a call that ended so.
fn shows(of: &str, dialect: Dialect, fate: &Fate, answered: &Answered) {
    assert!(answered.complete, "{of}: HTTP says that it is cut");
    let text = String::from_utf8_lossy(&answered.body);
    assert!(!text.contains("very-secret-key"), "{of}: {text}");
    if answered.status == 200 {
        assert_eq!(
            answered.header("content-type"),
            Some("text/event-stream"),
            "{of}"
        );
        let seen = Seen::read(dialect, &answered.body);
        assert_eq!((seen.after, seen.garbage), (0, 0), "{of}: {seen:?}");
        match fate {
            Fate::Whole => {
                assert!(seen.is_clean() && seen.says(&composed()), "{of}: {seen:?}");
                assert_eq!(seen.usage, (Some(64), Some(48)), "{of}");
            }
            Fate::Breaks(_) => {
                assert!(!seen.ended, "{of}: a false end");
                assert_eq!(seen.errors.len(), 1, "{of}: one error frame: {seen:?}");
                assert!(seen.errors[0]["message"].is_string(), "{of}: {seen:?}");
                assert!(seen.begins(&composed()), "{of}: {seen:?}");
                assert!(!seen.reasoning.is_empty(), "{of}: {seen:?}");
            }
            Fate::Fails(_) => panic!("{of}: it failed before its first content"),
        }
        return;
    }
    assert!(!matches!(fate, Fate::Whole), "{of}: {answered:?}");
    assert_eq!(
        answered.header("content-type"),
        Some("application/json"),
        "{of}"
    );
    let again = answered.header("x-should-retry");
    assert_eq!(again, Some("false"), "{of}: its retries are made here");
    let error = answered.json();
    let detail = &error["error"];
    assert!(
        detail["message"].is_string() && detail["type"].is_string(),
        "{of}: {error}"
    );
    let anthropic = dialect == Dialect::Anthropic;
    assert_eq!(error["type"] == "error", anthropic, "{of}: {error}");
    let status = answered.status.as_u16();
    let wanted: &[u16] = match fate {
        Fate::Fails(classes) => match classes.as_slice() {
            [Class::Rate] => &[429],
            [Class::Overload] => &[503, 529],
            [Class::Timeout] => &[504],
            [Class::Request] => &[400],
            [Class::Overload, Class::Server] => &[502, 503, 529],
            _ => &[502],
        },
        _ => &[502],
    };
    assert!(wanted.contains(&status), "{of}: {answered:?}");
}

async fn suffers(api: Api, dialect: Dialect) {
    let upstream = Upstream::start().await.unwrap();
    for (
        index,
        Fault {
            name,
            answer,
            fate,
            ended,
            timed,
            ..
        },
    ) in faults(api).into_iter().enumerate()
    {
        let of = format!("{api:?} to {dialect:?}: {name}");
        // A gateway for each: one that was refused for its key leaves the provider alone for minutes.
        let site = alone(api, &upstream.url()).await;
        upstream.next(answer);
        let model = if timed { "hurried" } else { "m" };
        let answered = site.ask(dialect, model, true).await;
        // A reset may overtake what was sent before it: then nothing was passed on.
        let overtaken = name.ends_with("Reset") && answered.status != 200;
        let fate = if overtaken {
            Fate::Fails(vec![Class::Interrupted, Class::Unreachable])
        } else {
            fate
        };
        shows(&of, dialect, &fate, &answered);
        let exchanges = upstream.ended(index + 1).await;
        assert_eq!(exchanges.len(), index + 1, "{of}: it was asked once");
        assert!(
            ended.is_none() || exchanges[index].ended == ended,
            "{of}: {:?}",
            exchanges[index].ended
        );
        assert_eq!(
            exchanges[index].header("authorization").is_some(),
            matches!(api, Api::OpenAi | Api::Ollama),
            "{of}"
        );
        assert_eq!(site.stop().await.cut, 0, "{of}");
    }
    upstream.until(|counts, _| counts.active == 0).await;
}

#[tokio::test]
async fn openais_streams_break_in_every_way() {
    for dialect in DIALECTS {
        suffers(Api::OpenAi, dialect).await;
    }
}

#[tokio::test]
async fn anthropics_streams_break_in_every_way() {
    for dialect in DIALECTS {
        suffers(Api::Anthropic, dialect).await;
    }
}

#[tokio::test]
async fn geminis_streams_break_in_every_way() {
    for dialect in DIALECTS {
        suffers(Api::Gemini, dialect).await;
    }
}

#[tokio::test]
async fn ollamas_streams_break_in_every_way() {
    for dialect in DIALECTS {
        suffers(Api::Ollama, dialect).await;
    }
}

#[tokio::test]
async fn whole_answers_break_in_every_way() {
    for api in APIS {
        let upstream = Upstream::start().await.unwrap();
        let site = alone(api, &upstream.url()).await;
        let body = recorded(api, "aimock_text.json");
        let half = body.len() / 2;
        let answer = || Answer::whole(200, body.clone());
        for dialect in DIALECTS {
            for (name, answer, status) in [
                ("as it is", answer(), 200),
                ("byte by byte", answer().byte_by_byte(), 200),
                ("reset", Answer::reset(), 502),
                (
                    "half, as a whole",
                    answer().cut_at(half, Cut::Terminated),
                    502,
                ),
                ("half", answer().cut_at(half, Cut::Fin), 502),
                ("half and a reset", answer().cut_at(half, Cut::Reset), 502),
                ("a page", Answer::whole(200, "<html>"), 502),
                ("nothing", Answer::whole(200, ""), 502),
                ("503", Answer::error(api, 503, "api_error", "no"), 503),
            ] {
                let of = format!("{api:?} to {dialect:?}: {name}");
                upstream.next(answer);
                let answered = site.ask(dialect, "m", false).await;
                assert!(answered.complete, "{of}");
                // As the dialect says that a provider is overloaded.
                let status = match (status, dialect) {
                    (503, Dialect::Anthropic) => 529,
                    _ => status,
                };
                assert_eq!(answered.status, status, "{of}: {answered:?}");
                let json = answered.json();
                assert_eq!(json["error"].is_object(), status != 200, "{of}: {json}");
            }
        }
        upstream.until(|counts, _| counts.active == 0).await;
    }
}

#[tokio::test]
async fn nobody_listens() {
    let (address, _held) = refusing().unwrap();
    let site = alone(Api::OpenAi, &format!("http://{address}")).await;
    for dialect in DIALECTS {
        for streamed in [false, true] {
            let answered = site.ask(dialect, "m", streamed).await;
            let fate = Fate::Fails(vec![Class::Unreachable]);
            shows("nobody listens", dialect, &fate, &answered);
        }
    }
}

/// What fails before its first content is answered by another one; nobody sees it.
#[tokio::test]
async fn others_answer_what_fails_early() {
    for (index, sick_api) in APIS.into_iter().enumerate() {
        // The other one speaks another interface.
        let well_api = APIS[(index + 1) % APIS.len()];
        let sick = Upstream::start().await.unwrap();
        let well = Upstream::start().await.unwrap();
        well.always(Answer::stream(well_api, llm::campaign::full(well_api)));
        let file = format!(
            "providers:\n{}{}pools:
  all: {{breaker: null, strategy: round_robin, timeouts: {{first_data: 400ms, between_data: 20s}},
         retry: {{backoff: {{kind: fixed, wait: 1ms}}, retry_after: elsewhere, budget: null}}}}
",
            provider("sick", sick_api, &sick.url()),
            provider("well", well_api, &well.url()),
        );
        let site = Site::start(&file).await;
        let early = faults(sick_api).into_iter().filter(|fault| {
            // What is the caller's fault is told; the rest is another's to answer.
            matches!(&fault.fate, Fate::Fails(classes) if !classes.contains(&Class::Request))
        });
        for fault in early {
            for dialect in DIALECTS {
                let of = format!(
                    "{sick_api:?}, then {well_api:?}, to {dialect:?}: {}",
                    fault.name
                );
                sick.always(fault.answer.clone());
                // In turn: one of two at least begins with the sick one.
                for _ in 0..2 {
                    let answered = site.ask(dialect, "m", true).await;
                    shows(&of, dialect, &Fate::Whole, &answered);
                }
            }
        }
        sick.until(|counts, _| counts.active == 0 && counts.requests > 0)
            .await;
        well.until(|counts, _| counts.active == 0).await;
    }
}
