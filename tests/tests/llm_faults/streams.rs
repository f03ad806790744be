//! Streams that break, as the layers around a provider see them.

use campanile::Call;
use campanile_llm::{
    dialect::{Api, Dialect},
    error::Class,
};
use campanile_tests::faults::Ended;
use tower::ServiceExt;

use crate::{
    leaks::nothing_leaks,
    llm::campaign::{Fate, Fault, SHORT, faults},
    llm::{
        DIALECTS, bounded, request,
        seen::{Seen, composed},
        site::{clocks, patient, site},
        stream, take,
    },
};

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
