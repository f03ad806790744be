//! Providers of every interface, broken in every way, over real sockets, for callers of every dialect: what the caller sees, what
//! the layers of the endpoint count, and what becomes of the call at the provider.

mod llm;

use std::time::Duration;

use bytes::Bytes;
use campanile::Call;
use campanile_llm::{
    chat::Answer as Answered,
    dialect::{Api, Dialect},
    error::Class,
    front,
};
use campanile_tests::faults::{APIS, Answer, Cut, Ended, Hint, Upstream, recorded, refusing};
use http_body_util::BodyExt;
use llm::{
    DIALECTS, bounded,
    campaign::{Fate, Fault, SHORT, behind, faults, full},
    request,
    seen::{Seen, composed},
    site::{Guards, Stack, clocks, patient, site, stack},
    stream, take,
};
use tower::ServiceExt;

/// Nothing is left of the call.
async fn nothing_leaks(of: &str, upstream: &Upstream, guards: &Guards) {
    upstream.until(|counts, _| counts.active == 0).await;
    assert_eq!(guards.limit.in_use(), 0, "{of}: permits are back");
    assert_eq!(upstream.counts().requests, 1, "{of}: it was asked once");
}

async fn suffers(api: Api, dialect: Dialect, fault: Fault) {
    let of = format!("{api:?} to {dialect:?}: {}", fault.name);
    let (upstream, stack, guards) = site(
        api,
        if fault.timed {
            clocks(SHORT)
        } else {
            patient()
        },
    )
    .await
    .unwrap();
    upstream.next(fault.answer.clone());
    let result = bounded(stack.clone().oneshot(Call::new(request(dialect, true)))).await;
    match (&fault.fate, result) {
        (Fate::Fails(classes), Err(error)) => {
            assert!(classes.contains(&error.class()), "{of}: {error:?}");
        }
        (Fate::Breaks(classes), Ok(response)) => {
            let taken = bounded(take(stream(response))).await;
            let seen = Seen::read(dialect, &taken.bytes());
            let error = taken
                .error
                .as_ref()
                .unwrap_or_else(|| panic!("{of}: a false end"));
            assert!(classes.contains(&error.class()), "{of}: {error:?}");
            assert!(!seen.ended && seen.begins(&composed()), "{of}: {seen:?}");
            assert_eq!(
                seen.reasoning,
                composed().reasoning,
                "{of}: what was said before is passed on"
            );
            let usage = taken.events.last().unwrap().usage();
            assert!(
                usage.input_tokens > Some(0) && usage.output_tokens > Some(0),
                "{of}: {usage:?}"
            );
        }
        (Fate::Whole, Ok(response)) => {
            let taken = bounded(take(stream(response))).await;
            let seen = Seen::read(dialect, &taken.bytes());
            assert!(taken.ended() && seen.is_clean(), "{of}: {:?}", taken.error);
            assert!(seen.says(&composed()), "{of}: {seen:?}");
        }
        // A reset may overtake what was sent before it.
        (Fate::Breaks(_), Err(error)) if fault.name.ends_with("Reset") => {
            assert!(
                matches!(error.class(), Class::Interrupted | Class::Unreachable),
                "{of}: {error:?}"
            );
        }
        (fate, Err(error)) => panic!("{of}: {fate:?}, but {error:?}"),
        (fate, Ok(_)) => panic!("{of}: {fate:?}, but it was answered"),
    }
    nothing_leaks(&of, &upstream, &guards).await;
    let target = match api {
        Api::Anthropic => "POST /v1/messages",
        Api::Gemini => "POST /v1beta/models/m:streamGenerateContent?alt=sse",
        Api::Ollama => "POST /api/chat",
        _ => "POST /v1/chat/completions",
    };
    assert_eq!(upstream.exchanges()[0].target, target, "{of}");
    let failures = guards.failures();
    assert!(
        (failures - fault.failures).abs() < 1e-6,
        "{of}: the breaker counts {failures}"
    );
    let ended = upstream.exchanges()[0].ended;
    assert!(
        fault.ended.is_none() || ended == fault.ended,
        "{of}: {ended:?}"
    );
    if ended == Some(Ended::Cancelled) {
        upstream.until(|counts, _| counts.open == 0).await;
    }
    let total = guards.ledger.total();
    assert_eq!(total.calls, 1, "{of}: the ledger has it once");
    let (spent, taken) = (guards.spent(), total.taken());
    match &fault.fate {
        Fate::Whole => {
            assert_eq!(
                (total.outcomes.success, total.reported.calls),
                (1, 1),
                "{of}"
            );
            assert_eq!(
                (taken.input_tokens, taken.output_tokens),
                (64, 48),
                "{of}: the ledger"
            );
            assert!(taken.nano_dollars > 0, "{of}: it has a price");
            assert_eq!(spent, 112, "{of}: the budget");
        }
        Fate::Breaks(_) if taken.calls > 0 => {
            // Too much work is no failure of the provider's, whenever it says so.
            assert_eq!(total.interrupted, total.outcomes.failure, "{of}: {total:?}");
            assert_eq!(
                total.outcomes.failure + total.outcomes.overloaded,
                1,
                "{of}: {total:?}"
            );
            assert!(
                taken.input_tokens > 0 && taken.output_tokens > 0,
                "{of}: {taken:?}"
            );
            assert_eq!(
                spent,
                taken.input_tokens + taken.output_tokens,
                "{of}: the budget pays what the ledger has"
            );
        }
        _ => assert_eq!(taken.output_tokens, 0, "{of}: nothing was said"),
    }
    let tokens = guards.tokens();
    match fault.fate {
        Fate::Whole => assert_eq!(tokens, 112, "{of}: what was reported"),
        Fate::Breaks(_) => assert!(tokens > 0, "{of}: work was done"),
        Fate::Fails(classes)
            if !fault.timed
                && !classes.contains(&Class::Interrupted)
                && !classes.contains(&Class::Malformed) =>
        {
            // Nothing was said, and nobody worked: or it is not known, and stays taken as estimated.
            let known = !matches!(classes[0], Class::Timeout | Class::Empty);
            assert!(tokens == 0 || !known, "{of}: {tokens} tokens are gone");
        }
        Fate::Fails(_) => {}
    }
}

async fn suffers_all(api: Api) {
    for dialect in DIALECTS {
        for fault in faults(api) {
            suffers(api, dialect, fault).await;
        }
    }
}

/// The same, as a caller sees it over HTTP: bytes.
async fn shows(api: Api, dialect: Dialect, fault: Fault) {
    let of = format!("{api:?} to {dialect:?}: {}", fault.name);
    let clocks = if fault.timed {
        clocks(SHORT)
    } else {
        patient()
    };
    let (upstream, stack, guards) = site(api, clocks).await.unwrap();
    upstream.next(fault.answer.clone());
    let result = bounded(stack.oneshot(Call::new(request(dialect, true)))).await;
    let response = front::answer(result, dialect);
    let (head, body) = response.into_parts();
    let body = bounded(body.collect())
        .await
        .expect("a failure is told in the body")
        .to_bytes();
    let header = |name: &str| head.headers.get(name).map(|value| value.to_str().unwrap());
    if head.status == 200 {
        assert!(!matches!(fault.fate, Fate::Fails(_)), "{of}: it failed");
        assert_eq!(header("content-type"), Some("text/event-stream"), "{of}");
        let seen = Seen::read(dialect, &body);
        assert_eq!((seen.after, seen.garbage), (0, 0), "{of}: {seen:?}");
        match fault.fate {
            Fate::Whole => assert!(seen.is_clean() && seen.says(&composed()), "{of}: {seen:?}"),
            _ => {
                assert!(!seen.ended, "{of}: a false end");
                assert_eq!(seen.errors.len(), 1, "{of}: one error frame: {seen:?}");
                assert!(seen.errors[0]["message"].is_string(), "{of}: {seen:?}");
                assert!(seen.begins(&composed()), "{of}: {seen:?}");
            }
        }
    } else {
        assert!(
            !matches!(fault.fate, Fate::Whole),
            "{of}: {head:?} {body:?}"
        );
        assert_eq!(header("content-type"), Some("application/json"), "{of}");
        assert_eq!(
            header("x-should-retry"),
            Some("false"),
            "{of}: its retries are made here"
        );
        let error: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert!(
            error["error"]["message"].is_string() && error["error"]["type"].is_string(),
            "{of}: {error}"
        );
        assert_eq!(
            error["type"] == "error",
            dialect == Dialect::Anthropic,
            "{of}: {error}"
        );
        assert!(!error.to_string().contains("very-secret-key"), "{of}");
        let wanted = match &fault.fate {
            Fate::Fails(classes) if classes == &[Class::Rate] => 429,
            Fate::Fails(classes) if classes == &[Class::Overload] => 503,
            Fate::Fails(classes) if classes == &[Class::Timeout] => 504,
            Fate::Fails(classes) if classes == &[Class::Request] => 400,
            _ => 502,
        };
        assert!(
            head.status == wanted || fault.name.contains("error event"),
            "{of}: {head:?}"
        );
    }
    nothing_leaks(&of, &upstream, &guards).await;
}

#[tokio::test]
async fn faults_show_in_openais_dialect() {
    for api in APIS {
        for fault in faults(api) {
            shows(api, Dialect::OpenAi, fault).await;
        }
    }
}

#[tokio::test]
async fn faults_show_in_anthropics_dialect() {
    for api in APIS {
        for fault in faults(api) {
            shows(api, Dialect::Anthropic, fault).await;
        }
    }
}

#[tokio::test]
async fn openais_streams_break_in_every_way() {
    suffers_all(Api::OpenAi).await;
}

#[tokio::test]
async fn anthropics_streams_break_in_every_way() {
    suffers_all(Api::Anthropic).await;
}

#[tokio::test]
async fn geminis_streams_break_in_every_way() {
    suffers_all(Api::Gemini).await;
}

#[tokio::test]
async fn ollamas_streams_break_in_every_way() {
    suffers_all(Api::Ollama).await;
}

#[tokio::test]
async fn nobody_listens() {
    for api in APIS {
        for dialect in DIALECTS {
            let (address, _held) = refusing().unwrap();
            let (stack, guards) = stack(api, &format!("http://{address}"), patient());
            let error = bounded(stack.oneshot(Call::new(request(dialect, true))))
                .await
                .unwrap_err();
            assert_eq!(
                error.class(),
                Class::Unreachable,
                "{api:?} to {dialect:?}: {error:?}"
            );
            assert!((guards.failures() - 1.0).abs() < 1e-6);
            assert_eq!((guards.limit.in_use(), guards.tokens()), (0, 0));
            assert!(!format!("{error:?}").contains("very-secret-key"));
        }
    }
}

#[tokio::test]
async fn each_form_of_hint_is_understood() {
    for api in APIS {
        for hint in Hint::each(7) {
            let of = format!("{api:?} {hint:?}");
            let (upstream, stack, guards) = site(api, patient()).await.unwrap();
            upstream.next(Answer::rate_limited(api, hint));
            let call = Call::new(request(Dialect::OpenAi, true));
            let error = bounded(stack.oneshot(call)).await.unwrap_err();
            let told = match (hint, api) {
                (Hint::None, _) => false,
                (Hint::RetryInfo(_), _) => api == Api::Gemini,
                // These have no such headers; to understand them all the same does no harm.
                (Hint::Reset(_), Api::Gemini | Api::Ollama) => error.retry_after().is_some(),
                _ => true,
            };
            let after = error.retry_after();
            assert_eq!(after.is_some(), told, "{of}: {error:?}");
            if let Some(after) = after {
                let seconds = after.as_secs_f64();
                // A date is told in whole seconds, and time goes by.
                assert!((4.9..=7.1).contains(&seconds), "{of}: {seconds}");
                let parked = guards
                    .parked()
                    .unwrap_or_else(|| panic!("{of}: it is left alone"));
                assert!((4.0..=8.0).contains(&parked), "{of}: {parked}");
            }
        }
    }
}

#[tokio::test]
async fn usage_that_is_not_told_is_estimated() {
    let frames = |name: &str| {
        let body = recorded(Api::OpenAi, name);
        Answer::stream(Api::OpenAi, body)
    };
    for dialect in DIALECTS {
        let (upstream, stack, guards) = site(Api::OpenAi, patient()).await.unwrap();
        upstream.next(frames("llama_text_without_usage.sse"));
        let response = bounded(stack.clone().oneshot(Call::new(request(dialect, true))))
            .await
            .unwrap();
        let taken = bounded(take(stream(response))).await;
        assert!(taken.ended(), "{:?}", taken.error);
        let last = taken.events.last().unwrap();
        assert!(!last.is_reported());
        let written = last.usage().output_tokens.unwrap();
        // "The capital of France is Paris." is 7 tokens, and 31 bytes.
        assert!((6..=10).contains(&written), "{written}");
        assert!(last.usage().input_tokens > Some(0));
        assert!(guards.tokens() > 0);
    }
}

/// Whole answers, and what breaks them.
#[tokio::test]
async fn whole_answers_break_in_every_way() {
    for api in APIS {
        for dialect in DIALECTS {
            let body = recorded(api, "aimock_text.json");
            let answer = || Answer::whole(200, body.clone());
            let half = body.len() / 2;
            for (name, answer, classes, failures) in [
                ("as it is", answer(), vec![], 0.0),
                ("reset", Answer::reset(), vec![Class::Unreachable], 1.0),
                (
                    "half, as a whole",
                    answer().cut_at(half, Cut::Terminated),
                    vec![Class::Malformed],
                    1.0,
                ),
                (
                    "half",
                    answer().cut_at(half, Cut::Fin),
                    vec![Class::Interrupted],
                    1.0,
                ),
                (
                    "half and a reset",
                    answer().cut_at(half, Cut::Reset),
                    vec![Class::Interrupted, Class::Unreachable],
                    1.0,
                ),
                (
                    "nothing",
                    Answer::whole(200, ""),
                    vec![Class::Empty, Class::Malformed],
                    1.0,
                ),
                (
                    "HTML",
                    Answer::whole(200, "<html></html>").header("content-type", "text/html"),
                    vec![Class::Malformed],
                    1.0,
                ),
                (
                    "an error",
                    Answer::error(api, 500, "api_error", "no"),
                    vec![Class::Server],
                    1.0,
                ),
                (
                    "overload",
                    Answer::error(api, 529, "overloaded_error", "no"),
                    vec![Class::Overload],
                    0.5,
                ),
            ] {
                let of = format!("{api:?} to {dialect:?}: {name}");
                let (upstream, stack, guards) = site(api, patient()).await.unwrap();
                upstream.next(answer);
                match bounded(stack.oneshot(Call::new(request(dialect, false)))).await {
                    Ok(response) => {
                        let Answered::Whole(whole) = response.answer else {
                            panic!("{of}: it was not asked for a stream");
                        };
                        assert!(classes.is_empty(), "{of}: {whole:?}");
                        let text = whole.text();
                        assert!(
                            text.starts_with("Rome lies") && text.ends_with("said of it."),
                            "{of}: {text}"
                        );
                        assert_eq!(whole.dialect(), dialect, "{of}");
                    }
                    Err(error) => assert!(classes.contains(&error.class()), "{of}: {error:?}"),
                }
                nothing_leaks(&of, &upstream, &guards).await;
                let counted = guards.failures();
                assert!(
                    (counted - failures).abs() < 1e-6,
                    "{of}: the breaker counts {counted}"
                );
            }
        }
    }
}

/// The caller goes, at each stage.
#[tokio::test]
async fn a_caller_that_leaves_cancels_the_call_at_the_provider() {
    for api in APIS {
        for dialect in DIALECTS {
            let answer = || Answer::stream(api, full(api));
            let late = behind(api, "I ask");
            for (stage, answer, sent) in [
                ("before the head", answer().no_head(), 0),
                ("before the first word", answer().stall_at(0), 0),
                ("amid words", answer().stall_at(late), late),
            ] {
                let of = format!("{api:?} to {dialect:?}: {stage}");
                let (upstream, stack, guards) = site(api, patient()).await.unwrap();
                upstream.next(answer);
                leave(&stack, dialect, &upstream, sent).await;
                let exchanges = upstream.ended(1).await;
                assert_eq!(exchanges[0].ended, Some(Ended::Cancelled), "{of}");
                upstream.until(|counts, _| counts.open == 0).await;
                nothing_leaks(&of, &upstream, &guards).await;
                assert!(guards.failures() < 1e-6, "{of}: nobody failed");
                let total = guards.ledger.total();
                assert_eq!((total.calls, total.outcomes.cancelled), (1, 1), "{of}");
                assert!(guards.spent() > 0, "{of}: it may well have been worked on");
                if sent > 0 {
                    let taken = total.taken();
                    assert!(taken.output_tokens > 0, "{of}: {taken:?}");
                }
                assert!(guards.tokens() > 0, "{of}: it may well have been worked on");
            }
        }
    }
}

/// Asks, takes what there is once so much was sent, and goes.
async fn leave(stack: &Stack, dialect: Dialect, upstream: &Upstream, sent: usize) {
    use futures_util::StreamExt;
    let mut call = std::pin::pin!(stack.clone().oneshot(Call::new(request(dialect, true))));
    let asked = upstream.until(|counts, all| counts.active == 1 && all[0].sent >= sent);
    let response = tokio::select! {
        response = &mut call => Some(response.unwrap()),
        () = asked => None,
    };
    let response = match (response, sent) {
        (None, 0) => return,
        (None, _) => bounded(call).await.unwrap(),
        (Some(response), _) => response,
    };
    let mut events = stream(response);
    let mut said = Vec::new();
    while Seen::read(dialect, &said).text.is_empty() {
        said.extend_from_slice(bounded(events.next()).await.unwrap().unwrap().frame());
    }
}

#[tokio::test]
async fn a_caller_that_leaves_after_the_end_changes_nothing() {
    for api in APIS {
        let (upstream, stack, guards) = site(api, patient()).await.unwrap();
        upstream.always(Answer::stream(api, full(api)));
        for _ in 0..2 {
            let call = Call::new(request(Dialect::OpenAi, true));
            let response = bounded(stack.clone().oneshot(call)).await.unwrap();
            let mut events = stream(response);
            assert!(bounded(take(&mut events)).await.ended());
            drop(events);
        }
        let exchanges = upstream.ended(2).await;
        assert!(
            exchanges
                .iter()
                .all(|exchange| exchange.ended == Some(Ended::Whole))
        );
        assert_eq!(guards.tokens(), 224, "{api:?}");
        assert!(guards.failures() < 1e-6);
    }
}

/// A caller that stops reading stops the provider: nothing is read on, and nothing is held here.
#[tokio::test]
async fn a_caller_that_does_not_read_holds_the_provider_back() {
    use futures_util::StreamExt;
    /// More than sockets of the loopback interface hold.
    const FRAMES: usize = 1_000;
    let word = "word ".repeat(16 << 10);
    let (upstream, stack, guards) = site(Api::OpenAi, patient()).await.unwrap();
    let frame =
        format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{word}\"}}}}]}}\n\n");
    let body = Bytes::from(frame.repeat(FRAMES));
    let length = body.len();
    upstream.next(Answer::stream(Api::OpenAi, body));
    let call = Call::new(request(Dialect::OpenAi, true));
    let mut events = stream(bounded(stack.oneshot(call)).await.unwrap());
    bounded(events.next()).await.unwrap().unwrap();
    // Until no more is taken.
    let (mut sent, mut same) = (0, 0);
    bounded(async {
        while same < 20 {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let now = upstream.exchanges()[0].sent;
            same = if now == sent { same + 1 } else { 0 };
            sent = now;
        }
    })
    .await;
    assert!(sent < length / 2, "{sent} of {length} bytes were taken");
    assert_eq!(upstream.counts().active, 1);
    drop(events);
    assert_eq!(upstream.ended(1).await[0].ended, Some(Ended::Cancelled));
    nothing_leaks("not read", &upstream, &guards).await;
}
