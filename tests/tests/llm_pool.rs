//! Two providers behind one pool, and many callers at once: what fails before the first word is not seen, what fails after it is
//! not hidden, and neither budgets nor limits are exceeded.

mod llm;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use campanile::{
    Call, Cost, Endpoint,
    balance::{BalanceLayer, RoundRobin},
    circuit_breaker::{CircuitBreakerConfig, CircuitBreakerLayer},
    concurrency_limit::{ConcurrencyLimitConfig, ConcurrencyLimitHandle, ConcurrencyLimitLayer},
    discover::{PerEndpointLayer, Roster},
    rate_limit::{Limit, RateLimitConfig, RateLimitLayer},
    retry::{Backoff, RetryAfter, RetryConfig, RetryLayer},
    spend_limit::{Period, SpendBudget, SpendLimitConfig, SpendLimitHandle, SpendLimitLayer},
    timeout::TimeoutLayer,
};
use campanile_llm::{
    Chat,
    chat::{ChatRequest, ChatResponse},
    commit::CommitLayer,
    dialect::{Api, Dialect},
    error::Class,
    provider::{HttpClient, HttpConfig, Provider},
};
use campanile_tests::faults::{APIS, Answer, Cut, Hint, Upstream, recorded, streamed};
use futures_util::{StreamExt, future::join_all};
use llm::{
    DIALECTS, bounded, config, request,
    seen::{Seen, composed},
    site::{Stack, clocks, patient},
    stream, take,
};
use tower::{ServiceBuilder, ServiceExt, util::BoxCloneSyncService};

/// A pool of these providers, in turn.
fn pool(members: Vec<(&'static str, Api, String, bool)>) -> Stack {
    let roster = Roster::new();
    for (name, api, url, hurried) in members {
        roster.insert(name, (api, url, hurried)).unwrap();
    }
    let retry = RetryConfig::default()
        .with_backoff(Backoff::fixed(Duration::from_millis(1)))
        .with_retry_after(RetryAfter::Elsewhere)
        .with_budget(None);
    let http = HttpClient::new(HttpConfig::default()).unwrap();
    let stack = ServiceBuilder::new()
        .map_response(ChatResponse::boxed)
        .layer(RetryLayer::new(retry).unwrap().protocol(Chat))
        .layer(BalanceLayer::new(RoundRobin::default()).protocol(Chat))
        .layer(PerEndpointLayer::new(
            move |endpoint: &Endpoint, (api, url, hurried): (Api, String, bool)| {
                let clocks = if hurried {
                    clocks(Duration::from_millis(100))
                } else {
                    patient()
                };
                ServiceBuilder::new()
                    .layer(
                        CircuitBreakerLayer::new(CircuitBreakerConfig::default())
                            .unwrap()
                            .protocol(Chat)
                            .gate(endpoint),
                    )
                    .layer(CommitLayer::default())
                    .layer(TimeoutLayer::new(clocks).unwrap().protocol(Chat))
                    .service(Provider::new(http.clone(), &config(api, &url)).unwrap())
            },
        ))
        .service(roster.changes());
    BoxCloneSyncService::new(stack)
}

fn good(api: Api) -> Answer {
    Answer::stream(api, recorded(api, &streamed(api, "composed_full")))
}

/// What may befall a call before its first word, so that another provider can take it.
fn early_faults(api: Api) -> Vec<(&'static str, Answer, bool)> {
    let body = good(api).bytes();
    let early = body
        .windows(10)
        .position(|bytes| bytes == b"Two cities")
        .unwrap();
    vec![
        ("reset", Answer::reset(), false),
        ("no head", good(api).no_head(), true),
        ("nothing after the head", good(api).stall_at(0), true),
        ("nothing before a word", good(api).stall_at(early), true),
        ("429", Answer::rate_limited(api, Hint::Seconds(60)), false),
        (
            "429 without a hint",
            Answer::rate_limited(api, Hint::None),
            false,
        ),
        (
            "401",
            Answer::error(api, 401, "authentication_error", "no"),
            false,
        ),
        ("500", Answer::error(api, 500, "api_error", "no"), false),
        ("503", Answer::error(api, 503, "api_error", "no"), false),
        (
            "529",
            Answer::error(api, 529, "overloaded_error", "no"),
            false,
        ),
        (
            "an error event",
            good(api).insert(0, Answer::error_frame(api)),
            false,
        ),
        (
            "an empty answer",
            good(api).cut_at(0, Cut::Terminated),
            false,
        ),
        (
            "an early end",
            good(api).cut_at(early, Cut::Terminated),
            false,
        ),
        ("an early cut", good(api).cut_at(early, Cut::Fin), false),
        ("an early reset", good(api).cut_at(early, Cut::Reset), false),
        (
            "HTML",
            Answer::whole(200, "<html></html>").header("content-type", "text/html"),
            false,
        ),
    ]
}

#[tokio::test]
async fn what_fails_before_the_first_word_is_not_seen() {
    for (index, bad) in APIS.into_iter().enumerate() {
        // The other one speaks another interface.
        let other = APIS[(index + 1) % APIS.len()];
        for dialect in DIALECTS {
            for (name, answer, hurried) in early_faults(bad) {
                let of = format!("{bad:?}, then {other:?}, to {dialect:?}: {name}");
                let (sick, well) = (
                    Upstream::start().await.unwrap(),
                    Upstream::start().await.unwrap(),
                );
                sick.always(answer);
                well.always(good(other));
                let pool = pool(vec![
                    ("sick", bad, sick.url(), hurried),
                    ("well", other, well.url(), false),
                ]);
                // In turn: one of the two at least begins with the sick one.
                for _ in 0..2 {
                    let call = Call::new(request(dialect, true));
                    let response = bounded(pool.clone().oneshot(call)).await;
                    let response = response.unwrap_or_else(|error| panic!("{of}: {error:?}"));
                    let taken = bounded(take(stream(response))).await;
                    let seen = Seen::read(dialect, &taken.bytes());
                    assert!(
                        taken.ended() && seen.is_clean(),
                        "{of}: {:?} {seen:?}",
                        taken.error
                    );
                    assert!(seen.says(&composed()), "{of}: {seen:?}");
                }
                // After a retry the turn is the sick one's again, unless its gate is closed.
                assert!(
                    (1..=2).contains(&sick.counts().requests),
                    "{of}: {:?}",
                    sick.counts()
                );
                assert_eq!(well.counts().requests, 2, "{of}");
                sick.until(|counts, _| counts.active == 0).await;
                well.until(|counts, _| counts.active == 0).await;
            }
        }
    }
}

#[tokio::test]
async fn what_fails_after_the_first_word_is_told_and_not_tried_again() {
    for api in APIS {
        for dialect in DIALECTS {
            let body = good(api).bytes();
            let late = body.windows(5).position(|bytes| bytes == b"I ask").unwrap();
            for (name, answer, hurried) in [
                ("a cut", good(api).cut_at(late, Cut::Terminated), false),
                ("a stall", good(api).stall_at(late), true),
            ] {
                let of = format!("{api:?} to {dialect:?}: {name}");
                let upstream = Upstream::start().await.unwrap();
                upstream.always(answer);
                let pool = pool(vec![
                    ("one", api, upstream.url(), hurried),
                    ("other", api, upstream.url(), hurried),
                ]);
                let response = bounded(pool.oneshot(Call::new(request(dialect, true))))
                    .await
                    .unwrap();
                let taken = bounded(take(stream(response))).await;
                let error = taken.error.as_ref().expect("it is told");
                assert!(
                    matches!(error.class(), Class::Interrupted | Class::Timeout),
                    "{of}: {error:?}"
                );
                let seen = Seen::read(dialect, &taken.bytes());
                assert!(seen.begins(&composed()) && !seen.ended, "{of}: {seen:?}");
                assert_eq!(
                    upstream.counts().requests,
                    1,
                    "{of}: words would come twice"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_faulty_request_is_not_tried_again() {
    for api in APIS {
        let upstream = Upstream::start().await.unwrap();
        upstream.always(Answer::error(api, 400, "invalid_request_error", "no"));
        let members = ["one", "other"].map(|name| (name, api, upstream.url(), false));
        let call = Call::new(request(Dialect::OpenAi, true));
        let error = bounded(pool(members.into()).oneshot(call))
            .await
            .unwrap_err();
        assert_eq!(error.class(), Class::Request, "{api:?}");
        assert_eq!(upstream.counts().requests, 1, "{api:?}");
    }
}

/// What each call is taken to take; it turns out to be 112.
const ESTIMATE: u64 = 150;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_calls_at_once_exceed_neither_a_budget_nor_a_limit() {
    const CALLS: usize = 1_000;
    const LIMIT: u64 = 20_000;
    const AT_ONCE: u32 = 20;
    let upstream = Upstream::start().await.unwrap();
    upstream.always(good(Api::OpenAi));
    let budget = SpendLimitConfig::new(SpendBudget::tokens(LIMIT, Period::Forever));
    let budget = SpendLimitHandle::new(budget).unwrap();
    let limit = ConcurrencyLimitConfig::fixed(AT_ONCE).waiting(CALLS, Duration::from_secs(60));
    let limit = ConcurrencyLimitHandle::new(limit).unwrap();
    let http = HttpClient::new(HttpConfig::default()).unwrap();
    let stack = ServiceBuilder::new()
        .map_response(ChatResponse::boxed)
        .layer(
            SpendLimitLayer::shared(&budget)
                .protocol(Chat)
                .cost(|_: &Call<ChatRequest>| Cost::tokens(ESTIMATE)),
        )
        .layer(ConcurrencyLimitLayer::shared(&limit).protocol(Chat))
        .service(Provider::new(http, &config(Api::OpenAi, &upstream.url())).unwrap());
    let stack = BoxCloneSyncService::new(stack);

    let most = Arc::new(AtomicU64::new(0));
    let (mut served, mut left_early) = (0, 0);
    // Until nobody finds room any more. What was reserved and not used makes room for later calls.
    for wave in 0.. {
        assert!(wave < 50, "it ends");
        let calls = (0..CALLS).map(|index| {
            let (stack, budget, most): (Stack, _, _) =
                (stack.clone(), budget.clone(), Arc::clone(&most));
            tokio::spawn(async move {
                let response = match stack
                    .oneshot(Call::new(request(Dialect::OpenAi, true)))
                    .await
                {
                    Ok(response) => response,
                    Err(error) => {
                        let rejection = error.rejection().unwrap_or_else(|| panic!("{error:?}"));
                        assert_eq!(rejection.layer(), "spend_limit");
                        return None;
                    }
                };
                let snapshot = &budget.snapshot()[0];
                most.fetch_max(snapshot.spent + snapshot.reserved, Ordering::Relaxed);
                let mut events = stream(response);
                if index % 5 == 0 {
                    // This one leaves at its first event.
                    events.next().await.unwrap().unwrap();
                    return Some(false);
                }
                assert!(take(events).await.ended());
                Some(true)
            })
        });
        let results: Vec<_> = bounded(join_all(calls))
            .await
            .into_iter()
            .map(Result::unwrap)
            .collect();
        served += results
            .iter()
            .filter(|result| **result == Some(true))
            .count() as u64;
        left_early += results
            .iter()
            .filter(|result| **result == Some(false))
            .count() as u64;
        if results.iter().all(Option::is_none) {
            break;
        }
    }
    upstream.until(|counts, _| counts.active == 0).await;
    let snapshot = &budget.snapshot()[0];
    assert_eq!(snapshot.reserved, 0, "all is settled");
    assert!(snapshot.spent <= LIMIT, "{} of {LIMIT}", snapshot.spent);
    assert!(
        snapshot.left < ESTIMATE,
        "what was not used was given back, and used: {snapshot:?}"
    );
    assert!(most.load(Ordering::Relaxed) <= LIMIT);
    assert!(
        snapshot.spent >= served * 112,
        "{served} calls took 112 each: {snapshot:?}"
    );
    assert!(
        served * 112 + left_early * ESTIMATE >= snapshot.spent,
        "and the others no more than their estimate"
    );
    let counts = upstream.counts();
    assert_eq!(
        counts.requests,
        served + left_early,
        "who was refused was sent nowhere"
    );
    assert!(counts.most_active <= u64::from(AT_ONCE), "{counts:?}");
    assert_eq!(limit.in_use(), 0, "permits are back");
    assert!(served > LIMIT / ESTIMATE / 2, "{served} were served");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_calls_at_once_do_not_exceed_a_rate() {
    let upstream = Upstream::start().await.unwrap();
    upstream.always(good(Api::Anthropic));
    let daily =
        |limit: u64| Limit::new(limit as f64, Duration::from_secs(86_400)).with_burst(limit);
    let rate = RateLimitConfig::requests(daily(100))
        .with_max_wait(Duration::ZERO)
        .with_learn(None);
    let http = HttpClient::new(HttpConfig::default()).unwrap();
    let stack = ServiceBuilder::new()
        .map_response(ChatResponse::boxed)
        .layer(RateLimitLayer::new(rate).unwrap().protocol(Chat))
        .service(Provider::new(http, &config(Api::Anthropic, &upstream.url())).unwrap());
    let stack = BoxCloneSyncService::new(stack);
    let calls = (0..1_000).map(|_| {
        let stack: Stack = stack.clone();
        tokio::spawn(async move {
            match stack
                .oneshot(Call::new(request(Dialect::OpenAi, true)))
                .await
            {
                Ok(response) => {
                    assert!(take(stream(response)).await.ended());
                    true
                }
                Err(error) => {
                    let after = error
                        .rejection()
                        .and_then(campanile::Rejection::retry_after);
                    assert!(after > Some(Duration::ZERO), "it is told when to come back");
                    false
                }
            }
        })
    });
    let served = bounded(join_all(calls)).await;
    let served = served
        .into_iter()
        .map(Result::unwrap)
        .filter(|served| *served)
        .count();
    assert_eq!((served, upstream.counts().requests), (100, 100));
}
