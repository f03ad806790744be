//! Guards around the endpoints of a pool, with retries over it: circuit breaker, rate limit, concurrency limit and
//! timeout, each with the endpoint's gate in its hands.

use std::{collections::BTreeMap, panic, sync::Once, time::Duration};

use bytes::Bytes;
use campanile::{
    BoxError, Endpoint, Rejection,
    balance::{AvoidTried, BalanceLayer, RoundRobin},
    circuit_breaker::{
        BreakerState, CircuitBreakerConfig, CircuitBreakerHandle, CircuitBreakerLayer,
    },
    concurrency_limit::{ConcurrencyLimitConfig, ConcurrencyLimitHandle, ConcurrencyLimitLayer},
    context::Call,
    discover::PerEndpointLayer,
    endpoint::Reason,
    protocol::Enveloped,
    rate_limit::{Limit, RateLimitConfig, RateLimitHandle, RateLimitLayer, Unit},
    retry::{Backoff, RetryAfter, RetryConfig, RetryLayer},
    testing::{DiscoverHandle, Script, ScriptBody, ScriptStream, Step, discovery, seeded},
    time::Timestamp,
    timeout::{TimeoutConfig, TimeoutLayer},
};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};
use tokio::{task::JoinSet, time::sleep};
use tower::{Service, ServiceBuilder, ServiceExt, util::BoxCloneSyncService};
use tower_layer::Layer;

const MS: Duration = Duration::from_millis(1);
const SEC: Duration = Duration::from_secs(1);

/// An endpoint, what it does, and its guards.
#[derive(Clone)]
struct Member<T> {
    endpoint: Endpoint,
    script: Script<T>,
    breaker: CircuitBreakerHandle,
    rate: RateLimitHandle,
    limit: ConcurrencyLimitHandle,
}

/// How the guards are set.
#[derive(Clone)]
struct Settings {
    breaker: CircuitBreakerConfig,
    rate: RateLimitConfig,
    limit: ConcurrencyLimitConfig,
    clocks: TimeoutConfig,
}

impl Default for Settings {
    fn default() -> Self {
        let requests = Limit::per_second(1_000.0).with_burst(1_000);
        Self {
            breaker: CircuitBreakerConfig::default(),
            rate: RateLimitConfig::requests(requests),
            limit: ConcurrencyLimitConfig::fixed(2),
            clocks: TimeoutConfig::new()
                .with_head(2 * SEC)
                .with_between_data(SEC)
                .with_total(10 * SEC),
        }
    }
}

impl<T> Member<T> {
    fn new(key: &'static str, settings: &Settings, script: Script<T>) -> Self {
        Self {
            endpoint: Endpoint::new(key),
            script,
            breaker: CircuitBreakerHandle::new(settings.breaker).unwrap(),
            rate: RateLimitHandle::new(settings.rate.clone()).unwrap(),
            limit: ConcurrencyLimitHandle::new(settings.limit).unwrap(),
        }
    }

    /// Why its gate is closed.
    fn closed(&self) -> Vec<Reason> {
        let gate = self.endpoint.gate();
        gate.reasons(Timestamp::now())
            .map(|(reason, _)| reason)
            .collect()
    }

    fn assert_at_rest(&self) {
        let key = self.endpoint.key();
        assert_eq!(self.endpoint.in_flight(), 0, "{key}");
        assert_eq!(self.script.counts().in_flight, 0, "{key}");
        assert_eq!((self.limit.in_use(), self.limit.waiting()), (0, 0), "{key}");
        assert_eq!(self.breaker.snapshot().probes, 0, "{key}");
    }
}

fn retries() -> RetryConfig {
    RetryConfig::default()
        .with_backoff(Backoff::fixed(MS))
        .with_retry_after(RetryAfter::Elsewhere)
        .with_budget(None)
}

// ===== Unary =====

type Answer = &'static str;
type Unary = BoxCloneSyncService<Call<()>, Answer, BoxError>;

/// A pool of these, each behind its guards, and retries over it.
fn pool(members: &[Member<Answer>], settings: &Settings) -> Unary {
    let (tell, discover) = discovery();
    let clocks = settings.clocks.clone();
    for member in members {
        tell.insert(member.endpoint.clone(), member.clone());
    }
    let per_endpoint = PerEndpointLayer::new(move |endpoint: &Endpoint, member: Member<Answer>| {
        ServiceBuilder::new()
            .layer(
                CircuitBreakerLayer::shared(&member.breaker)
                    .calls()
                    .gate(endpoint),
            )
            .layer(RateLimitLayer::shared(&member.rate).calls().gate(endpoint))
            .layer(
                ConcurrencyLimitLayer::shared(&member.limit)
                    .calls()
                    .gate(endpoint),
            )
            .layer(TimeoutLayer::new(clocks.clone()).unwrap().calls())
            .service(member.script.service())
    });
    BoxCloneSyncService::new(
        ServiceBuilder::new()
            .layer(RetryLayer::new(retries()).unwrap().calls())
            .layer(
                BalanceLayer::bare(AvoidTried::new(RoundRobin::default()))
                    .protocol(Enveloped::default())
                    .seed(1),
            )
            .layer(per_endpoint)
            .service(discover),
    )
}

fn answering(settings: &Settings) -> [Member<Answer>; 2] {
    ["a", "b"].map(|key| Member::new(key, settings, Script::answering(key)))
}

async fn ask(pool: &Unary) -> Result<Answer, BoxError> {
    pool.clone().oneshot(Call::new(())).await
}

#[tokio::test(start_paused = true)]
async fn calls_go_elsewhere_when_one_breaks_and_come_back_when_it_is_well() {
    let settings = Settings::default();
    let members = answering(&settings);
    let pool = pool(&members, &settings);
    let [sick, well] = &members;
    sick.script.set(Step::error("out of order"));
    for _ in 0..100 {
        assert_eq!(ask(&pool).await.unwrap(), "b");
    }
    assert_eq!(sick.script.counts().calls, 5, "then it is left alone");
    assert_eq!(sick.closed(), [Reason::Breaker]);
    assert_eq!(well.closed(), []);

    sick.script.set(Step::answer("a"));
    sleep(30 * SEC).await;
    assert_eq!(sick.closed(), []);
    let mut answers = BTreeMap::new();
    for _ in 0..20 {
        *answers.entry(ask(&pool).await.unwrap()).or_insert(0) += 1;
    }
    assert!(answers["a"] >= 3, "{answers:?}");
    assert_eq!(sick.breaker.state(), BreakerState::Closed);
    members.iter().for_each(Member::assert_at_rest);
}

#[tokio::test(start_paused = true)]
async fn gates_close_each_for_its_own_reason_and_open_when_that_is_gone() {
    let mut settings = Settings::default();
    let requests = Limit::per_second(1.0).with_burst(3);
    settings.rate = RateLimitConfig::requests(requests);
    let members = answering(&settings);
    let pool = pool(&members, &settings);
    let [a, b] = &members;
    b.endpoint.gate().close(Reason::Disabled);
    a.script.set(Step::answer("a").after(SEC));

    let mut calls = JoinSet::new();
    for _ in 0..2 {
        let pool = pool.clone();
        calls.spawn(async move { ask(&pool).await });
    }
    sleep(100 * MS).await;
    assert_eq!(a.closed(), [Reason::Concurrency]);
    b.endpoint.gate().open(Reason::Disabled);
    assert_eq!(ask(&pool).await.unwrap(), "b");
    b.endpoint.gate().close(Reason::Disabled);
    while let Some(answer) = calls.join_next().await {
        assert_eq!(answer.unwrap().unwrap(), "a");
    }
    assert_eq!(a.closed(), []);

    a.script.set(Step::answer("a"));
    while a.closed().is_empty() {
        ask(&pool).await.unwrap();
    }
    assert_eq!(a.closed(), [Reason::Quota]);
    sleep(4 * SEC).await;
    assert_eq!(a.closed(), []);
    assert_eq!(ask(&pool).await.unwrap(), "a");

    a.breaker.force_open();
    assert_eq!(a.closed(), [Reason::Breaker]);
    ask(&pool).await.unwrap_err();
    a.breaker.reset();
    assert_eq!(a.closed(), []);
    sleep(SEC).await;
    assert_eq!(ask(&pool).await.unwrap(), "a");
    members.iter().for_each(Member::assert_at_rest);
}

/// A time-out is the service's failure to the breaker, gives the permit back, and what it took of the quota stays taken.
#[tokio::test(start_paused = true)]
async fn a_call_that_times_out_counts_with_each_guard_as_what_it_is() {
    let mut settings = Settings::default();
    let requests = Limit::per_second(0.001).with_burst(100);
    settings.rate = RateLimitConfig::requests(requests).with_learn(None);
    let members = answering(&settings);
    let pool = pool(&members, &settings);
    let [hung, well] = &members;
    hung.script.set(Step::stall());
    for _ in 0..20 {
        assert_eq!(ask(&pool).await.unwrap(), "b");
    }
    let calls = hung.script.counts().calls;
    assert_eq!(calls, 5);
    assert_eq!(hung.breaker.state(), BreakerState::Open);
    assert_eq!(hung.closed(), [Reason::Breaker]);
    let left = hung.rate.left(Unit::Requests).unwrap();
    assert!((94.9..95.5).contains(&left), "{left}");
    assert_eq!(well.breaker.state(), BreakerState::Closed);
    members.iter().for_each(Member::assert_at_rest);
}

/// A refusal by a guard further in says nothing of the endpoint.
#[tokio::test(start_paused = true)]
async fn refusals_further_in_trip_nothing_and_take_nothing() {
    let script = Script::<Answer>::new(Step::stall());
    let breaker = CircuitBreakerHandle::new(CircuitBreakerConfig::default()).unwrap();
    let requests = Limit::per_second(0.001).with_burst(100);
    let rate = RateLimitHandle::new(RateLimitConfig::requests(requests)).unwrap();
    let limit = ConcurrencyLimitHandle::new(ConcurrencyLimitConfig::fixed(1).refusing()).unwrap();
    let service = ServiceBuilder::new()
        .layer(CircuitBreakerLayer::shared(&breaker))
        .layer(RateLimitLayer::shared(&rate))
        .layer(ConcurrencyLimitLayer::shared(&limit))
        .service(script.service());
    let mut held = Box::pin(service.clone().oneshot(()));
    assert!(tokio_test::task::spawn(held.as_mut()).poll().is_pending());
    for _ in 0..50 {
        service.clone().oneshot(()).await.unwrap_err();
    }
    assert_eq!(breaker.state(), BreakerState::Closed);
    assert!(rate.left(Unit::Requests).unwrap() > 98.9);
    drop(held);
    assert_eq!(limit.in_use(), 0);
}

// ===== HTTP =====

type Page = Response<ScriptBody>;
type Web = BoxCloneSyncService<Request<()>, Response<UnsyncBoxBody<Bytes, BoxError>>, BoxError>;

fn web(members: &[Member<Page>], settings: &Settings) -> Web {
    let (tell, discover) = discovery();
    let clocks = settings.clocks.clone();
    for member in members {
        tell.insert(member.endpoint.clone(), member.clone());
    }
    let per_endpoint = PerEndpointLayer::new(move |endpoint: &Endpoint, member: Member<Page>| {
        ServiceBuilder::new()
            .layer(
                CircuitBreakerLayer::shared(&member.breaker)
                    .http()
                    .gate(endpoint),
            )
            .layer(RateLimitLayer::shared(&member.rate).http().gate(endpoint))
            .layer(
                ConcurrencyLimitLayer::shared(&member.limit)
                    .http()
                    .gate(endpoint),
            )
            .layer(TimeoutLayer::new(clocks.clone()).unwrap().http())
            .service(member.script.service())
    });
    BoxCloneSyncService::new(
        ServiceBuilder::new()
            .map_response(|response: Response<_>| response.map(BodyExt::boxed_unsync))
            .layer(RetryLayer::new(retries()).unwrap().http())
            .layer(BalanceLayer::http(AvoidTried::new(RoundRobin::default())).seed(1))
            .layer(per_endpoint)
            .service(discover),
    )
}

fn ok(stream: ScriptStream<Bytes>) -> Step<Page> {
    Step::respond(StatusCode::OK, ScriptBody::new(stream))
}

fn pieces() -> ScriptStream<Bytes> {
    ScriptStream::new()
        .piece("one".into())
        .pause(10 * MS)
        .piece("two".into())
}

#[tokio::test(start_paused = true)]
async fn over_a_body_all_guards_last_to_its_end() {
    let settings = Settings::default();
    let member = Member::new("a", &settings, Script::new(ok(pieces())));
    let pool = web(std::slice::from_ref(&member), &settings);
    let get = || pool.clone().oneshot(Request::new(()));
    let mut first = get().await.unwrap().into_body();
    let second = get().await.unwrap().into_body();
    assert_eq!((member.endpoint.in_flight(), member.limit.in_use()), (2, 2));
    assert_eq!(member.closed(), [Reason::Concurrency]);
    let frame = first.frame().await.unwrap().unwrap();
    assert_eq!(frame.into_data().unwrap(), "one");
    assert_eq!(member.limit.in_use(), 2);
    drop(first);
    assert_eq!((member.endpoint.in_flight(), member.limit.in_use()), (1, 1));
    assert_eq!(member.closed(), []);
    assert_eq!(second.collect().await.unwrap().to_bytes(), "onetwo");
    member.assert_at_rest();

    // Nothing of that was a failure; these are.
    assert_eq!(member.breaker.snapshot().failures_in_a_row, 0.0);
    member.script.set(ok(pieces().cut("connection reset")));
    get()
        .await
        .unwrap()
        .into_body()
        .collect()
        .await
        .unwrap_err();
    assert_eq!(member.breaker.snapshot().failures_in_a_row, 1.0);
    member.script.set(ok(pieces().stall()));
    get()
        .await
        .unwrap()
        .into_body()
        .collect()
        .await
        .unwrap_err();
    assert_eq!(member.breaker.snapshot().failures_in_a_row, 2.0);
    member.script.set(ok(pieces().panic()));
    let panicked = tokio::spawn(get().await.unwrap().into_body().collect()).await;
    assert!(panicked.unwrap_err().is_panic());
    assert_eq!(member.breaker.snapshot().failures_in_a_row, 3.0);
    member.assert_at_rest();
}

/// Whoever knows that nothing more comes may drop a body without polling it to its end: that is no cancellation.
#[tokio::test(start_paused = true)]
async fn a_body_that_is_dropped_at_its_end_is_complete_for_all_guards() {
    let mut settings = Settings::default();
    settings.breaker.half_open_max_calls = 1;
    let member = Member::new("a", &settings, Script::new(Step::error("out of order")));
    let pool = web(std::slice::from_ref(&member), &settings);
    for _ in 0..2 {
        pool.clone().oneshot(Request::new(())).await.unwrap_err();
    }
    assert_eq!(member.breaker.state(), BreakerState::Open);
    sleep(30 * SEC).await;
    member
        .script
        .set(ok(ScriptStream::new().piece("all".into())));
    let mut body = pool
        .clone()
        .oneshot(Request::new(()))
        .await
        .unwrap()
        .into_body();
    assert_eq!(member.breaker.state(), BreakerState::HalfOpen);
    assert_eq!(member.closed(), [Reason::Breaker]);
    body.frame().await.unwrap().unwrap();
    assert!(http_body::Body::is_end_stream(&body));
    drop(body);
    assert_eq!(member.breaker.state(), BreakerState::Closed);
    assert_eq!(member.closed(), []);
    member.assert_at_rest();
}

// ===== Membership =====

type Guarded = campanile::concurrency_limit::ConcurrencyLimit<
    campanile::testing::Scripted<Answer>,
    campanile::protocol::Unary,
>;

fn limited(endpoint: &Endpoint, limit: &ConcurrencyLimitHandle, step: Step<Answer>) -> Guarded {
    ConcurrencyLimitLayer::shared(limit)
        .gate(endpoint)
        .layer(Script::new(step).service())
}

/// The gate belongs to the new service: what still goes on at the old one closes it no more.
#[tokio::test(start_paused = true)]
async fn a_service_that_was_replaced_leaves_the_gate_alone() {
    let endpoint = Endpoint::new("a");
    let limits = [2, 2]
        .map(|limit| ConcurrencyLimitHandle::new(ConcurrencyLimitConfig::fixed(limit)).unwrap());
    let (tell, discover): (DiscoverHandle<Endpoint, Guarded>, _) = discovery();
    let pool = BalanceLayer::bare(RoundRobin::default()).layer(discover);
    let is_open = || endpoint.gate().is_open(Timestamp::now());

    tell.insert(
        endpoint.clone(),
        limited(&endpoint, &limits[0], Step::stall()),
    );
    let mut hung = Vec::new();
    for _ in 0..2 {
        sleep(MS).await;
        let mut call = Box::pin(pool.clone().oneshot(()));
        assert!(tokio_test::task::spawn(call.as_mut()).poll().is_pending());
        hung.push(call);
    }
    assert!(!is_open());
    tell.insert(
        endpoint.clone(),
        limited(&endpoint, &limits[1], Step::answer("well")),
    );
    sleep(MS).await;
    assert!(is_open());
    // As an adaptive limit does, or the back-pressure rule.
    limits[0].set_limit(1);
    assert!(is_open());
    assert_eq!(pool.clone().oneshot(()).await.unwrap(), "well");
    drop(hung);
    assert!(is_open());
    assert!(limits.iter().all(|limit| limit.in_use() == 0));
}

/// Nobody would open what a limit has closed whose service is gone.
#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_removed_while_it_is_gated_comes_back_open() {
    let endpoint = Endpoint::new("a");
    let limit = ConcurrencyLimitHandle::new(ConcurrencyLimitConfig::fixed(1)).unwrap();
    let mut service = limited(&endpoint, &limit, Step::stall());
    ServiceExt::<()>::ready(&mut service).await.unwrap();
    let hung = service.call(());
    assert!(!endpoint.gate().is_open(Timestamp::now()));
    drop(service);
    assert!(endpoint.gate().is_open(Timestamp::now()));
    drop(hung);
    assert_eq!(limit.in_use(), 0);
}

// ===== Endings =====

/// Keeps panics that scripts are told to make from filling the log.
fn hush() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let told = info
                .payload()
                .downcast_ref::<&str>()
                .is_some_and(|text| text.starts_with("the script says so"));
            if !told {
                loud(info);
            }
        }));
    });
}

/// Guards that trip, fill up and run dry often, and recover soon.
fn nervous() -> Settings {
    let breaker = CircuitBreakerConfig::default()
        .with_open_for(50 * MS)
        .with_open_max(200 * MS)
        .with_retry_after_max(100 * MS)
        .with_half_open_lease(80 * MS)
        .with_failure_rate(Some(0.7))
        .with_slow_call(Some(60 * MS))
        .with_slow_rate(Some(0.9));
    let mut limit = ConcurrencyLimitConfig::fixed(6);
    let requests = Limit::per_second(300.0)
        .with_burst(20)
        .with_range(200.0, 300.0);
    limit.max_wait = 20 * MS;
    limit.max_waiting = 4;
    Settings {
        breaker,
        rate: RateLimitConfig::requests(requests).with_max_wait(20 * MS),
        limit,
        clocks: TimeoutConfig::new()
            .with_head(70 * MS)
            .with_between_data(30 * MS)
            .with_total(120 * MS),
    }
}

/// Afterwards nothing is in flight, nothing is gated, every bucket is full, and every endpoint is called again.
async fn assert_all_at_rest<T>(members: &[Member<T>]) {
    sleep(3_600 * SEC).await;
    for member in members {
        member.assert_at_rest();
        assert_eq!(member.closed(), [], "{}", member.endpoint.key());
        let full = member.rate.left(Unit::Requests).unwrap();
        assert!((full - 20.0).abs() < 1e-6, "{full}");
        let before = member.script.counts().calls;
        assert!(before > 500, "{before}");
    }
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_random_endings_of_calls_leave_every_count_at_its_start() {
    hush();
    let settings = nervous();
    let members = ["a", "b", "c", "d"].map(|key| {
        let script = Script::rule(move |call| {
            let step = match call % 23 {
                0..=3 => Step::error("out of order"),
                4 => Step::stall(),
                5 => Step::panic_in_call(),
                6 => Step::panic_in_poll(),
                _ => Step::answer(key),
            };
            step.after((call % 7) as u32 * 12 * MS)
        });
        Member::new(key, &settings, script)
    });
    let pool = pool(&members, &settings);
    let mut rng = seeded(5);
    let mut calls = JoinSet::new();
    let mut ends = BTreeMap::new();
    for _ in 0..10_000 {
        let pool = pool.clone();
        let patience = rng.u32(..150) * MS;
        let readied = rng.u8(..20) != 0;
        calls.spawn(async move {
            let mut pool = pool;
            let Ok(_) = ServiceExt::<Call<()>>::ready(&mut pool).await else {
                return "not ready";
            };
            if !readied {
                return "dropped when ready";
            }
            let call = pool.call(Call::new(()));
            if patience.is_zero() {
                drop(call);
                return "dropped unpolled";
            }
            match tokio::time::timeout(patience, call).await {
                Err(_) => "dropped in flight",
                Ok(Ok(_)) => "answered",
                Ok(Err(_)) => "failed",
            }
        });
        if rng.u8(..3) == 0 {
            sleep(rng.u32(..40) * MS).await;
        }
    }
    while let Some(end) = calls.join_next().await {
        *ends.entry(end.unwrap_or("panicked")).or_insert(0) += 1;
    }
    for end in [
        "dropped when ready",
        "dropped unpolled",
        "dropped in flight",
        "answered",
        "failed",
        "panicked",
    ] {
        assert!(ends.get(end).is_some_and(|calls| *calls > 0), "{ends:?}");
    }
    assert_all_at_rest(&members).await;
    for member in &members {
        member.script.set(Step::answer("well"));
    }
    let before = members
        .each_ref()
        .map(|member| member.script.counts().calls);
    for _ in 0..100 {
        assert_eq!(ask(&pool).await.unwrap(), "well");
    }
    let after = members
        .each_ref()
        .map(|member| member.script.counts().calls);
    assert!(
        before
            .iter()
            .zip(after)
            .all(|(before, after)| *before < after)
    );
    members.iter().for_each(Member::assert_at_rest);
}

fn page(call: u64) -> Step<Page> {
    let body = match call % 9 {
        0 => pieces().cut("connection reset"),
        1 => pieces().stall(),
        2 => pieces().panic(),
        3 => pieces().pause(100 * MS).piece("late".into()),
        4 => ScriptStream::new(),
        _ => pieces(),
    };
    let body = match call % 2 {
        0 => ScriptBody::new(body),
        _ => ScriptBody::new(body).silent_end(),
    };
    let step = match call % 29 {
        0 => Step::error("connection refused"),
        1 => Step::stall(),
        2 => Step::panic_in_call(),
        3 => Step::panic_in_poll(),
        4 => Step::respond(StatusCode::SERVICE_UNAVAILABLE, body),
        5 => Step::respond(StatusCode::TOO_MANY_REQUESTS, body),
        6 => Step::respond(StatusCode::INTERNAL_SERVER_ERROR, body),
        7 => Step::answer_with(|| {
            Response::builder()
                .status(429)
                .header("retry-after-ms", "40")
                .body(ScriptBody::full("slow down"))
                .unwrap()
        }),
        _ => Step::respond(StatusCode::OK, body),
    };
    step.after((call % 5) as u32 * 5 * MS)
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_random_endings_of_bodies_leave_every_count_at_its_start() {
    hush();
    let settings = nervous();
    let members = ["a", "b", "c", "d"].map(|key| Member::new(key, &settings, Script::rule(page)));
    let pool = web(&members, &settings);
    let mut rng = seeded(6);
    let mut calls = JoinSet::new();
    let mut ends = BTreeMap::new();
    for _ in 0..10_000 {
        let pool = pool.clone();
        let (patience, frames) = (rng.u32(1..200) * MS, rng.u32(..5));
        calls.spawn(async move {
            let read = async {
                let Ok(response) = pool.oneshot(Request::new(())).await else {
                    return "failed";
                };
                let mut body = response.into_body();
                for _ in 0..frames {
                    match body.frame().await {
                        None => return "complete",
                        Some(Err(_)) => return "cut",
                        Some(Ok(_)) => {}
                    }
                }
                "dropped mid-body"
            };
            tokio::time::timeout(patience, read)
                .await
                .unwrap_or("dropped in flight")
        });
        if rng.u8(..3) == 0 {
            sleep(rng.u32(..40) * MS).await;
        }
    }
    while let Some(end) = calls.join_next().await {
        *ends.entry(end.unwrap_or("panicked")).or_insert(0) += 1;
    }
    for end in [
        "failed",
        "complete",
        "cut",
        "dropped mid-body",
        "dropped in flight",
        "panicked",
    ] {
        assert!(ends.get(end).is_some_and(|calls| *calls > 0), "{ends:?}");
    }
    assert_all_at_rest(&members).await;
    for member in &members {
        member.script.set(ok(pieces()));
    }
    for _ in 0..100 {
        let response = pool.clone().oneshot(Request::new(())).await.unwrap();
        assert_eq!(
            response.into_body().collect().await.unwrap().to_bytes(),
            "onetwo"
        );
    }
    members.iter().for_each(Member::assert_at_rest);
}

/// On several threads at once: whoever waits for a gate is woken, long before the pool's patience ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_several_threads_nobody_is_left_waiting_at_a_gate() {
    let breaker = CircuitBreakerConfig::default()
        .with_open_for(2 * MS)
        .with_open_max(2 * MS);
    let requests = Limit::per_second(2_000.0).with_burst(5);
    let settings = Settings {
        breaker,
        rate: RateLimitConfig::requests(requests),
        limit: ConcurrencyLimitConfig::fixed(3),
        ..Settings::default()
    };
    let members = ["a", "b", "c"].map(|key| {
        let script = Script::rule(move |call| match call % 40 {
            0..=7 => Step::error("out of order"),
            rest if rest % 2 == 0 => Step::answer(key).after(MS),
            _ => Step::answer(key),
        });
        Member::new(key, &settings, script)
    });
    let pool = pool(&members, &settings);
    let mut clients = JoinSet::new();
    for _ in 0..48 {
        let pool = pool.clone();
        clients.spawn(async move {
            let mut refusals = Vec::new();
            for _ in 0..100 {
                if let Err(error) = ask(&pool).await
                    && let Some(rejection) = Rejection::find(&*error)
                    && rejection.layer() == "balance"
                {
                    refusals.push(*rejection);
                }
            }
            refusals
        });
    }
    while let Some(refusals) = clients.join_next().await {
        assert_eq!(refusals.unwrap(), []);
    }
    for member in &members {
        member.assert_at_rest();
        assert!(member.script.counts().calls > 500);
    }
}
