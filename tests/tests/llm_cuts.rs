//! Streams of every interface, for callers of every dialect: whole, in pieces of every size, and cut at each byte.
//!
//! A stream that ends in [`Part::End`] has said all of it. One that is cut before the provider said why it stopped ends in an
//! error, and what was said before is a beginning of the whole: nothing is missing in it, and nothing comes twice.

mod llm;

use bytes::Bytes;
use campanile::Call;
use campanile_llm::{
    chat::Part,
    dialect::{Api, Dialect},
    error::Class,
    provider::Provider,
};
use campanile_tests::faults::{APIS, recorded, streamed};
use llm::{
    DIALECTS, Taken,
    body::{End, streams},
    config, request,
    seen::{Seen, composed},
    stream, take,
};
use tower::ServiceExt;

/// Streams of an interface that is recorded, and with which mark the provider says why it stopped.
fn recordings(api: Api) -> (Vec<&'static str>, &'static [u8]) {
    match api {
        Api::Anthropic => (
            vec![
                "composed_full",
                "aimock_text",
                "aimock_tools",
                "aimock_reasoning",
                "llama_text",
                "llama_length",
                "llama_reasoning",
            ],
            b"\"type\":\"message_stop\"",
        ),
        Api::Gemini => (
            vec![
                "composed_full",
                "aimock_text",
                "aimock_tools",
                "aimock_reasoning",
            ],
            b"\"finishReason\":\"",
        ),
        Api::Ollama => (
            vec![
                "composed_full",
                "aimock_text",
                "aimock_tools",
                "aimock_reasoning",
            ],
            b"\"done\":true",
        ),
        _ => (
            vec![
                "composed_full",
                "composed_without_done",
                "aimock_text",
                "aimock_tools",
                "aimock_reasoning",
                "llama_text",
                "llama_text_without_usage",
                "llama_length",
                "llama_tools",
                "llama_reasoning",
            ],
            b"\"finish_reason\":\"",
        ),
    }
}

/// What a caller of the dialect takes of a stream of these chunks.
async fn taken(api: Api, dialect: Dialect, chunks: Vec<Bytes>, end: End) -> Taken {
    let provider = Provider::new(streams(api, chunks, end), &config(api, "http://test")).unwrap();
    match provider.oneshot(Call::new(request(dialect, true))).await {
        Ok(response) => take(stream(response)).await,
        Err(error) => Taken {
            events: Vec::new(),
            error: Some(error),
        },
    }
}

async fn whole(api: Api, dialect: Dialect, name: &str) -> (Bytes, Taken, Seen) {
    let body = recorded(api, &streamed(api, name));
    let taken = taken(api, dialect, vec![body.clone()], End::Eof).await;
    let seen = Seen::read(dialect, &taken.bytes());
    (body, taken, seen)
}

#[tokio::test]
async fn whole_streams_are_passed_on_whole() {
    for api in APIS {
        for dialect in DIALECTS {
            for name in recordings(api).0 {
                let (body, taken, seen) = whole(api, dialect, name).await;
                let of = format!("{api:?} to {dialect:?}: {name}");
                assert!(taken.ended(), "{of}: {:?}", taken.error);
                assert!(seen.finish.is_some(), "{of}: {seen:?}");
                assert!(seen.is_clean(), "{of}: {seen:?}");
                if (api, dialect) == (Api::OpenAi, Dialect::OpenAi)
                    || (api, dialect) == (Api::Anthropic, Dialect::Anthropic)
                {
                    // What is missing is added: the caller's library waits for it.
                    let done: &[u8] = match name {
                        "composed_without_done" => b"data: [DONE]\n\n",
                        _ => b"",
                    };
                    assert_eq!(taken.bytes(), [&body, done].concat(), "{of}: verbatim");
                }
                let finish = taken
                    .events
                    .iter()
                    .filter_map(campanile_llm::chat::ChatEvent::finish);
                assert_eq!(finish.count(), 1, "{of}: why it stopped is told once");
            }
        }
    }
}

#[tokio::test]
async fn everything_that_was_said_is_passed_on() {
    for api in APIS {
        for dialect in DIALECTS {
            let (_, taken, seen) = whole(api, dialect, "composed_full").await;
            let of = format!("{api:?} to {dialect:?}");
            assert!(seen.says(&composed()), "{of}: {seen:?}");
            let finish = match dialect {
                Dialect::Anthropic => "tool_use",
                _ => "tool_calls",
            };
            assert_eq!(seen.finish.as_deref(), Some(finish), "{of}");
            assert_eq!(
                seen.usage,
                (Some(64), Some(48)),
                "{of}: as the caller is told"
            );
            let last = taken.events.last().unwrap();
            assert!(last.is_reported(), "{of}");
            let usage = last.usage();
            assert_eq!(
                (usage.input_tokens, usage.output_tokens),
                (Some(64), Some(48)),
                "{of}"
            );
            if api != Api::Ollama {
                assert_eq!(usage.cached_tokens, Some(32), "{of}");
            }
            if matches!(api, Api::OpenAi | Api::Gemini) {
                assert_eq!(usage.reasoning_tokens, Some(11), "{of}");
            }
            if api == Api::Anthropic {
                assert_eq!(usage.cache_write_tokens, Some(2), "{of}");
            }
        }
    }
}

#[tokio::test]
async fn it_does_not_matter_where_chunks_end() {
    for api in APIS {
        for dialect in DIALECTS {
            let (body, all, _) = whole(api, dialect, "composed_full").await;
            let of = format!("{api:?} to {dialect:?}");
            let bytes = (0..body.len()).map(|at| body.slice(at..=at)).collect();
            let one_by_one = taken(api, dialect, bytes, End::Eof).await;
            // What is told of time and identifiers is made once for each stream.
            let said = |taken: &Taken| Seen::read(dialect, &taken.bytes());
            assert_eq!(said(&one_by_one), said(&all), "{of}");
            assert_eq!(one_by_one.events.len(), all.events.len(), "{of}");
            for at in 1..body.len() {
                let two = vec![body.slice(..at), body.slice(at..)];
                let two = taken(api, dialect, two, End::Eof).await;
                assert!(two.ended(), "{of}, in two at {at}: {:?}", two.error);
                assert_eq!(said(&two), said(&all), "{of}, in two at {at}");
            }
        }
    }
}

/// Recordings, cut by an end of the body, and by an error of it: the composed one and one with calls of tools at each byte, the
/// others at many.
async fn cut_everywhere(api: Api) {
    let (names, mark) = recordings(api);
    for dialect in DIALECTS {
        for name in &names {
            let (body, all, said) = whole(api, dialect, name).await;
            let marked = body
                .windows(mark.len())
                .position(|bytes| bytes == mark)
                .unwrap();
            // The mark counts once its JSON is whole.
            let line = body[marked..]
                .iter()
                .position(|byte| *byte == b'\n')
                .unwrap();
            let proven = marked + line;
            for end in [End::Eof, End::Error] {
                let step = match *name {
                    "composed_full" => 1,
                    "llama_tools" if dialect == Dialect::OpenAi => 1,
                    "aimock_tools" if api != Api::OpenAi => 1,
                    _ => 13,
                };
                let places = (0..body.len()).step_by(step).chain([body.len()]);
                for at in places {
                    let of = format!(
                        "{api:?} to {dialect:?}: {name}, {end:?} at {at} of {}",
                        body.len()
                    );
                    let cut = taken(api, dialect, vec![body.slice(..at)], end).await;
                    let seen = Seen::read(dialect, &cut.bytes());
                    assert_eq!(cut.ended(), cut.error.is_none(), "{of}: an end or an error");
                    assert!(
                        seen.begins(&said),
                        "{of}: {seen:?} is no beginning of {said:?}"
                    );
                    assert_eq!((seen.garbage, seen.after), (0, 0), "{of}: {seen:?}");
                    if cut.ended() {
                        assert!(seen.says(&said), "{of}: it ends, and has not said {said:?}");
                        assert_eq!(seen.finish, said.finish, "{of}");
                        assert!(
                            at >= proven,
                            "{of}: it ends before that is proven, at {proven}"
                        );
                    } else {
                        assert!(!seen.ended, "{of}: what it passed on says that it is whole");
                    }
                    if at == body.len() && end == End::Eof {
                        assert!(cut.ended(), "{of}: nothing is missing");
                    }
                    if let Some(error) = &cut.error {
                        let class = error.class();
                        let classes = match cut.events.is_empty() {
                            true => &[
                                Class::Empty,
                                Class::Interrupted,
                                Class::Malformed,
                                Class::Unreachable,
                            ][..],
                            false => &[Class::Interrupted, Class::Malformed],
                        };
                        assert!(classes.contains(&class), "{of}: {error:?}");
                        assert!(class.outcome(None).is_failure(), "{of}");
                    }
                    if let (Some(last), Some(whole)) = (cut.events.last(), all.events.last()) {
                        let (usage, most) = (last.usage(), whole.usage());
                        assert!(
                            usage.input_tokens.is_some(),
                            "{of}: usage is known up to the cut"
                        );
                        assert!(
                            usage.output_tokens.is_some(),
                            "{of}: usage is known up to the cut"
                        );
                        if last.is_reported() && whole.is_reported() {
                            assert!(usage.output_tokens <= most.output_tokens, "{of}: {usage:?}");
                        }
                    }
                    let said_something = !(seen.text.is_empty() && seen.reasoning.is_empty());
                    let told = cut.events.iter().any(|event| event.part() == Part::Content);
                    assert!(told || !said_something, "{of}: text is content");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_cut_at_any_byte_shows_in_openais_streams() {
    cut_everywhere(Api::OpenAi).await;
}

#[tokio::test]
async fn a_cut_at_any_byte_shows_in_anthropics_streams() {
    cut_everywhere(Api::Anthropic).await;
}

#[tokio::test]
async fn a_cut_at_any_byte_shows_in_geminis_streams() {
    cut_everywhere(Api::Gemini).await;
}

#[tokio::test]
async fn a_cut_at_any_byte_shows_in_ollamas_streams() {
    cut_everywhere(Api::Ollama).await;
}
