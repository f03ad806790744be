//! Pools in virtual time, whose members take as long as a function of their load says.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use campanile::{
    BoxError, Call, Endpoint,
    balance::{Balance, BalanceLayer, FastFail},
    discover::{PerEndpointLayer, Roster},
    endpoint::Weight,
    protocol::Enveloped,
};
use futures_util::{StreamExt, stream};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn, util::BoxCloneSyncService};

use super::*;
use crate::{
    Chat, Error,
    chat::{Answer, ChatEvent, ChatRequest, ChatResponse, Meta, Part},
    stream::ChatStream,
};

const MS: Duration = Duration::from_millis(1);

type Member = BoxCloneSyncService<Call<u64>, (), BoxError>;
type Pool<P = ByLabel> = Balance<Member, FastFail<Cheapest<P>>, Enveloped>;

/// How long a member takes with so many calls at it, this one included; an error if it fails.
#[derive(Clone)]
struct Law(Arc<dyn Fn(u32) -> Result<Duration, Duration> + Send + Sync>);

impl PartialEq for Law {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// What members do, and how often they were called.
struct Fleet {
    _roster: Roster<Law>,
    counts: Vec<(String, Arc<AtomicU64>)>,
}

fn takes(law: impl Fn(u32) -> Duration + Send + Sync + 'static) -> Law {
    Law(Arc::new(move |load| Ok(law(load))))
}

fn member(law: Law, count: Arc<AtomicU64>) -> Member {
    let load = Arc::new(AtomicU32::new(0));
    BoxCloneSyncService::new(service_fn(move |_: Call<u64>| {
        struct Here(Arc<AtomicU32>);
        impl Drop for Here {
            fn drop(&mut self) {
                self.0.fetch_sub(1, SeqCst);
            }
        }
        count.fetch_add(1, SeqCst);
        let takes = law.0(load.fetch_add(1, SeqCst) + 1);
        let here = Here(Arc::clone(&load));
        async move {
            let _here = here;
            tokio::time::sleep(takes.unwrap_or_else(|failed| failed)).await;
            takes.map(drop).map_err(|_| "failed".into())
        }
    }))
}

async fn pool<P: Send + Sync + 'static>(
    strategy: Cheapest<P>,
    members: &[(&str, &str, Law)],
) -> (Pool<P>, Fleet) {
    let roster = Roster::new();
    let mut counts = Vec::new();
    for (key, price, law) in members {
        let endpoint = Endpoint::builder((*key).to_owned()).label("price", *price);
        roster.insert(endpoint, law.clone()).unwrap();
        counts.push(((*key).to_owned(), Arc::new(AtomicU64::new(0))));
    }
    let counted = counts.clone();
    let pool = ServiceBuilder::new()
        .layer(BalanceLayer::calls(strategy).seed(7))
        .layer(PerEndpointLayer::new(
            move |endpoint: &Endpoint, law: Law| {
                let count = counted.iter().find(|(key, _)| key == endpoint.key());
                member(law, Arc::clone(&count.unwrap().1))
            },
        ))
        .service(roster.changes());
    tokio::time::sleep(MS).await;
    (
        pool,
        Fleet {
            _roster: roster,
            counts,
        },
    )
}

impl Fleet {
    /// How often each was called since the last time.
    fn take(&self) -> Vec<u64> {
        let counts = self.counts.iter();
        counts.map(|(_, count)| count.swap(0, SeqCst)).collect()
    }
}

fn cheapest(goal: Duration) -> Cheapest {
    let config = CheapestConfig::default()
        .with_goal(goal)
        .with_timing(Timing::Total);
    Cheapest::new(config).unwrap()
}

/// Calls one after the other.
async fn calls<P: Send + Sync + Prices<Call<u64>> + 'static>(pool: &Pool<P>, count: usize) {
    for _ in 0..count {
        let _ = pool.clone().oneshot(Call::new(1)).await;
    }
}

/// Calls that arrive at a steady pace, whether or not others have ended.
async fn arrive(pool: &Pool, count: usize, every: Duration) {
    let mut under_way = Vec::new();
    for _ in 0..count {
        under_way.push(tokio::spawn(pool.clone().oneshot(Call::new(1))));
        tokio::time::sleep(every).await;
    }
    for call in under_way {
        let _ = call.await;
    }
}

/// CostBased never compared costs.
#[tokio::test(start_paused = true)]
async fn of_those_that_meet_the_goal_the_cheapest_is_picked() {
    let members = [
        ("dear", "10", takes(|_| 10 * MS)),
        ("cheap", "0.1", takes(|_| 100 * MS)),
        ("slow", "0.01", takes(|_| 900 * MS)),
        ("unknown", "", takes(|_| 10 * MS)),
    ];
    let (pool, fleet) = pool(cheapest(500 * MS), &members).await;
    calls(&pool, 100).await;
    let counts = fleet.take();
    assert!(counts[1] >= 90, "{counts:?}");
    assert!(counts[2] <= 8, "tried now and then: {counts:?}");
    assert_eq!((counts[0], counts[3]), (0, 0), "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn prices_may_be_those_of_the_request() {
    let price = |endpoint: &Endpoint, call: &Call<u64>| match endpoint.key() {
        "flat" => 100,
        _ => call.message,
    };
    let config = CheapestConfig::default().with_timing(Timing::Total);
    let strategy = Cheapest::by(price, config).unwrap();
    let members = [("flat", "", takes(|_| MS)), ("metered", "", takes(|_| MS))];
    let (pool, fleet) = pool(strategy, &members).await;
    for size in [10, 1_000] {
        for _ in 0..10 {
            pool.clone().oneshot(Call::new(size)).await.unwrap();
        }
        let expected = if size == 10 { [0, 10] } else { [10, 0] };
        assert_eq!(fleet.take(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn of_equal_prices_the_least_loaded_is_picked() {
    let members = [
        ("a", "1", takes(|_| 100 * MS)),
        ("b", "1", takes(|_| 100 * MS)),
    ];
    let (pool, fleet) = pool(cheapest(500 * MS), &members).await;
    arrive(&pool, 100, 20 * MS).await;
    let counts = fleet.take();
    assert!(
        counts.iter().all(|count| (45..=55).contains(count)),
        "{counts:?}"
    );
}

/// Of equal prices, and where nobody has one.
#[tokio::test(start_paused = true)]
async fn of_equal_prices_calls_are_shared_by_weight() {
    for price in ["1", ""] {
        let members = [
            ("a", price, takes(|_| 100 * MS)),
            ("b", price, takes(|_| 100 * MS)),
        ];
        let (pool, fleet) = pool(cheapest(Duration::from_secs(60)), &members).await;
        let weight = Weight::new(3.0).unwrap();
        fleet._roster.set_weight("b", weight).unwrap();
        // One after the other, to find out what they take.
        calls(&pool, 4).await;
        fleet.take();
        arrive(&pool, 400, 2 * MS).await;
        let counts = fleet.take();
        assert!((80..=120).contains(&counts[0]), "{counts:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn where_none_meets_the_goal_the_fastest_is_picked() {
    let members = [
        ("slower", "0.1", takes(|_| 900 * MS)),
        ("slow", "10", takes(|_| 600 * MS)),
    ];
    let (pool, fleet) = pool(cheapest(100 * MS), &members).await;
    calls(&pool, 50).await;
    let counts = fleet.take();
    assert!(counts[1] >= 35, "{counts:?}");
}

/// The cheapest takes what it can within the goal, and the rest goes to others.
#[tokio::test(start_paused = true)]
async fn the_cheapest_is_not_overrun() {
    // Beyond four calls it slows down.
    let members = [
        ("cheap", "0.1", takes(|load| 25 * MS * load.max(4))),
        ("dear", "10", takes(|_| 50 * MS)),
    ];
    let (pool, fleet) = pool(cheapest(200 * MS), &members).await;
    let slow = Arc::new(AtomicU64::new(0));
    let mut under_way = Vec::new();
    // It could do 40 a second, and 100 arrive.
    for _ in 0..1_000 {
        let (pool, slow) = (pool.clone(), Arc::clone(&slow));
        under_way.push(tokio::spawn(async move {
            let start = tokio::time::Instant::now();
            pool.oneshot(Call::new(1)).await.unwrap();
            if tokio::time::Instant::now() - start > 250 * MS {
                slow.fetch_add(1, SeqCst);
            }
        }));
        tokio::time::sleep(10 * MS).await;
    }
    for call in under_way {
        call.await.unwrap();
    }
    let counts = fleet.take();
    assert!(counts[0] >= 200, "what is cheap is used: {counts:?}");
    assert!(counts[1] >= 400, "and not overrun: {counts:?}");
    assert!(slow.load(SeqCst) < 50, "{slow:?} missed the goal");
}

#[tokio::test(start_paused = true)]
async fn one_that_got_slow_is_left_and_taken_again_when_it_is_well() {
    let law = Arc::new(AtomicU64::new(100));
    let now = Arc::clone(&law);
    let members = [
        (
            "cheap",
            "0.1",
            takes(move |_| Duration::from_millis(now.load(SeqCst))),
        ),
        ("dear", "10", takes(|_| 50 * MS)),
    ];
    let (pool, fleet) = pool(cheapest(300 * MS), &members).await;
    arrive(&pool, 100, 20 * MS).await;
    let well = fleet.take();
    assert!(well[0] >= 80, "{well:?}");
    law.store(3_000, SeqCst);
    arrive(&pool, 1_000, 20 * MS).await;
    let slow = fleet.take();
    assert!(slow[0] <= 30, "{slow:?}");
    law.store(100, SeqCst);
    // Long enough for what is known to fade.
    arrive(&pool, 3_000, 20 * MS).await;
    fleet.take();
    arrive(&pool, 100, 20 * MS).await;
    let again = fleet.take();
    assert!(again[0] >= 80, "{again:?}");
}

/// Just at the goal, calls do not go to and fro.
#[tokio::test(start_paused = true)]
async fn a_member_at_the_goal_does_not_flap() {
    let turn = Arc::new(AtomicU64::new(0));
    let turned = Arc::clone(&turn);
    let law = takes(move |_| {
        // Every tenth call takes longer than the goal.
        let nth = turned.fetch_add(1, SeqCst);
        if nth % 10 == 9 { 210 * MS } else { 180 * MS }
    });
    let members = [("cheap", "0.1", law), ("dear", "10", takes(|_| 50 * MS))];
    let (pool, fleet) = pool(cheapest(200 * MS), &members).await;
    let mut changes = 0;
    let mut last = None;
    for _ in 0..500 {
        calls(&pool, 1).await;
        let now = fleet.take()[0];
        changes += u32::from(last.is_some_and(|last| last != now));
        last = Some(now);
    }
    assert!(changes <= 20, "{changes} changes of 500");
}

/// An error's latency counted as good: 499 of 500 calls went to a dead backend. Also without the guard of the pool.
#[tokio::test(start_paused = true)]
async fn a_dead_backend_that_fails_at_once_attracts_nothing() {
    let dead = Law(Arc::new(|_| Err(MS)));
    for guarded in [true, false] {
        let members = [
            ("dead", "0.1", dead.clone()),
            ("well", "10", takes(|_| 100 * MS)),
        ];
        let roster = Roster::new();
        for (key, price, law) in &members {
            let endpoint = Endpoint::builder((*key).to_owned()).label("price", *price);
            roster.insert(endpoint, law.clone()).unwrap();
        }
        let failed = Arc::new(AtomicU64::new(0));
        let members = PerEndpointLayer::new(|_: &Endpoint, law: Law| member(law, Arc::default()));
        let discovered = || {
            ServiceBuilder::new()
                .layer(members)
                .service(roster.changes())
        };
        let pool: BoxCloneSyncService<Call<u64>, (), BoxError> = if guarded {
            let layer = BalanceLayer::calls(cheapest(500 * MS)).seed(1);
            BoxCloneSyncService::new(ServiceBuilder::new().layer(layer).service(discovered()))
        } else {
            let layer = BalanceLayer::bare(cheapest(500 * MS)).protocol(Enveloped::default());
            BoxCloneSyncService::new(ServiceBuilder::new().layer(layer).service(discovered()))
        };
        tokio::time::sleep(MS).await;
        for _ in 0..500 {
            if pool.clone().oneshot(Call::new(1)).await.is_err() {
                failed.fetch_add(1, SeqCst);
            }
        }
        assert!(
            failed.load(SeqCst) <= 25,
            "{failed:?} of 500, guarded: {guarded}"
        );
    }
}

/// Cancelled calls were not recorded: a hanging backend won 50 to 0.
#[tokio::test(start_paused = true)]
async fn a_hanging_backend_whose_calls_are_cancelled_does_not_win() {
    let members = [
        ("hangs", "0.1", takes(|_| Duration::from_secs(3_600))),
        ("well", "10", takes(|_| 20 * MS)),
    ];
    let (pool, fleet) = pool(cheapest(200 * MS), &members).await;
    for _ in 0..200 {
        let _ = tokio::time::timeout(50 * MS, pool.clone().oneshot(Call::new(1))).await;
    }
    let counts = fleet.take();
    assert!(counts[0] <= 20, "{counts:?}");
    assert!(counts[1] >= 180, "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_hangs_is_left_while_its_calls_wait() {
    let members = [
        ("hangs", "0.1", takes(|_| Duration::from_secs(60))),
        ("well", "10", takes(|_| 20 * MS)),
    ];
    let (pool, fleet) = pool(cheapest(200 * MS), &members).await;
    arrive(&pool, 100, 10 * MS).await;
    let counts = fleet.take();
    assert!(counts[0] <= 2, "{counts:?}");
}

/// A stream that begins after so long, and lasts for half a minute.
fn streamed(first: Duration) -> ChatResponse {
    let events = stream::once(async move {
        tokio::time::sleep(first).await;
        Ok(ChatEvent::new("data: x\n\n".into(), 6..7, Part::Content))
    })
    .chain(stream::once(async {
        tokio::time::sleep(Duration::from_secs(30)).await;
        Ok(ChatEvent::new("data: [DONE]\n\n".into(), 0..0, Part::End))
    }));
    ChatResponse::stream(Meta::default(), ChatStream::new(events))
}

/// How many of 30 streams that are open at once the dear one got: the cheap one begins after `first`.
async fn streams_at_the_dear_one(by: Timing, first: Duration) -> u32 {
    let roster = Roster::new();
    for (key, price, first) in [("cheap", "0.1", first), ("dear", "10", 50 * MS)] {
        let endpoint = Endpoint::builder(key).label("price", price);
        roster.insert(endpoint, first).unwrap();
    }
    let config = CheapestConfig::default()
        .with_goal(300 * MS)
        .with_timing(by);
    let mut pool = ServiceBuilder::new()
        .layer(BalanceLayer::new(Cheapest::new(config).unwrap()).protocol(Chat))
        .layer(PerEndpointLayer::new(|_: &Endpoint, first: Duration| {
            service_fn(move |_: Call<ChatRequest>| async move { Ok::<_, Error>(streamed(first)) })
        }))
        .service(roster.changes());
    tokio::time::sleep(MS).await;
    let mut open = Vec::new();
    for _ in 0..30 {
        let call = Call::new(ChatRequest::new("m"));
        let response = pool.ready().await.unwrap().call(call).await.unwrap();
        let Answer::Stream(mut events) = response.answer else {
            panic!("it is streamed");
        };
        events.next().await.unwrap().unwrap();
        // None has ended yet.
        open.push(events);
    }
    let snapshot = pool.snapshot();
    let mut members = snapshot.members.iter();
    let dear = members.find(|member| member.endpoint.key == "dear");
    dear.unwrap().endpoint.in_flight
}

/// The first token of a stream decides, as soon as it is there.
#[tokio::test(start_paused = true)]
async fn the_first_token_is_what_counts() {
    let late = streams_at_the_dear_one(Timing::FirstData, 900 * MS).await;
    assert!(late >= 27, "{late}");
    let early = streams_at_the_dear_one(Timing::FirstData, 10 * MS).await;
    assert!(early <= 3, "{early}");
}

/// Of a stream that was long in coming to its end the head counts, if that is what is to be measured.
#[tokio::test(start_paused = true)]
async fn the_head_may_be_what_counts() {
    let config = CheapestConfig::default().with_timing(Timing::Head);
    let strategy = Cheapest::new(config).unwrap();
    let roster = Roster::new();
    roster.insert("a", ()).unwrap();
    let mut pool = ServiceBuilder::new()
        .layer(BalanceLayer::new(strategy).protocol(Chat))
        .layer(PerEndpointLayer::new(|_: &Endpoint, ()| {
            service_fn(async |_: Call<ChatRequest>| Ok::<_, Error>(streamed(MS)))
        }))
        .service(roster.changes());
    tokio::time::sleep(MS).await;
    let call = Call::new(ChatRequest::new("m"));
    let response = pool.ready().await.unwrap().call(call).await.unwrap();
    let Answer::Stream(events) = response.answer else {
        panic!("it is streamed");
    };
    let ended = events.count().await;
    assert_eq!(ended, 2);
    let snapshot = pool.snapshot();
    let inspected = &snapshot.members[0].strategy;
    let seconds = inspected
        .iter()
        .find(|(name, _)| *name == "cheapest.seconds");
    assert!(
        *seconds.unwrap().1 < 0.1,
        "of the head, and not of the stream"
    );
}

#[test]
fn a_mistake_in_the_settings_is_named() {
    let config = CheapestConfig::default;
    for (config, says) in [
        (
            config().with_goal(Duration::ZERO),
            "cheapest.goal is 0ns: it must be above 0",
        ),
        (
            config().with_fade(Duration::ZERO),
            "cheapest.fade is 0ns: it must be above 0",
        ),
        (
            config().with_margin(0.5),
            "cheapest.margin is 0.5: it must be from 0 to below 0.5",
        ),
        (
            config().with_quantile(Some(f64::NAN)),
            "cheapest.quantile is NaN: it must be from 0.5 to below 1",
        ),
    ] {
        assert_eq!(Cheapest::new(config).unwrap_err().to_string(), says);
    }
}
