//! Answers that are whole, or none; what a provider hints at, and what it leaves out.

use campanile::Call;
use campanile_llm::{
    chat::Answer as Answered,
    dialect::{Api, Dialect},
    error::Class,
};
use campanile_tests::faults::{APIS, Answer, Cut, Hint, recorded, refusing};
use tower::ServiceExt;

use crate::{
    leaks::nothing_leaks,
    llm::{
        DIALECTS, bounded, request,
        site::{patient, site, stack},
        stream, take,
    },
};

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
