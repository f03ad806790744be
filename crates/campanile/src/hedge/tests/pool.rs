use futures_util::TryStreamExt;

use super::*;
use crate::{
    balance::{AvoidTried, Balance, BalanceLayer, FastFail, LeastLoaded},
    endpoint::EndpointSnapshot,
    protocol::{Enveloped, Streaming},
    testing::{ScriptStream, discovery},
};

type Words = ScriptStream<&'static str>;
type Pool = Balance<Scripted<Words>, FastFail<AvoidTried<LeastLoaded>>, Enveloped<Streaming>>;

async fn pool<const N: usize>(scripts: [(&'static str, &Script<Words>); N]) -> Pool {
    let (members, discover) = discovery();
    for (key, script) in scripts {
        members.insert(key, script.service());
    }
    members.end();
    let pool = BalanceLayer::new(AvoidTried::new(LeastLoaded::default()))
        .protocol(Enveloped::new(Streaming::default()))
        .seed(2)
        .layer(discover);
    settle().await;
    pool
}

fn over(pool: &Pool) -> Hedge<Pool, Enveloped<Streaming>, OnFirstItem> {
    HedgeLayer::new(plain())
        .unwrap()
        .protocol(Enveloped::new(Streaming::default()))
        .signal(OnFirstItem)
        .budget(rich())
        .layer(pool.clone())
}

fn member(pool: &Pool, key: &str) -> EndpointSnapshot {
    let snapshot = pool.snapshot();
    let found = snapshot.members.into_iter().find(|m| m.endpoint.key == key);
    found.unwrap().endpoint
}

/// The loser counts as cancelled, and as nothing else: no failure, no latency, nothing in flight, its cost given back.
#[tokio::test(start_paused = true)]
async fn a_hedge_goes_elsewhere_and_the_loser_is_cancelled() {
    let stuck = Script::answering(Words::new().stall());
    let well = Script::answering(Words::new().pause(20 * MS).piece("hello"));
    let pool = pool([("stuck", &stuck), ("well", &well)]).await;
    let service = over(&pool);
    let mut hedged = 0;
    for _ in 0..50 {
        let mut call = Call::new(());
        call.context = Context::new().with_cost(Cost::tokens(10));
        let (answer, took) = timed(service.clone().oneshot(call)).await;
        hedged += u64::from(took == 120 * MS);
        let words: Vec<_> = answer.unwrap().try_collect().await.unwrap();
        assert_eq!(words, ["hello"]);
    }
    assert!(hedged > 5, "{hedged}");
    assert_eq!(service.snapshot().hedged, hedged);
    let (stuck, well) = (member(&pool, "stuck"), member(&pool, "well"));
    assert_eq!(stuck.outcomes.cancelled, hedged);
    assert_eq!((stuck.outcomes.failure, stuck.outcomes.success), (0, 0));
    assert_eq!(stuck.latency, crate::endpoint::LatencySnapshot::default());
    assert_eq!((stuck.in_flight, stuck.outstanding), (0, Cost::ZERO));
    assert!(
        stuck.closed.is_empty(),
        "nor does the guard against failure act"
    );
    assert_eq!((well.outcomes.success, well.outcomes.cancelled), (50, 0));
    assert_eq!((well.in_flight, well.outstanding), (0, Cost::ZERO));
}

/// Where the caller looks, the trail tells of both.
#[tokio::test(start_paused = true)]
async fn the_trail_tells_of_winner_and_loser() {
    let stuck = Script::answering(Words::new().stall());
    let pool = pool([("a", &stuck), ("b", &stuck)]).await;
    let service = over(&pool);
    let trail = Trail::new();
    let mut call = Call::new(());
    call.context.trail = Some(trail.clone());
    assert!(timeout(SEC, service.oneshot(call)).await.is_err());
    let attempts = trail.attempts();
    assert_eq!(attempts.len(), 2);
    assert_ne!(attempts[0].endpoint, attempts[1].endpoint);
    assert!(
        attempts
            .iter()
            .all(|a| a.outcome == Some(Outcome::Cancelled))
    );
}

/// In a pool of one the hedge may go to the same endpoint; with no open member there is none.
#[tokio::test(start_paused = true)]
async fn a_pool_that_is_closed_is_not_hedged() {
    let slow = Script::answering(Words::new().pause(SEC).piece("hello"));
    let (members, discover) = discovery();
    members.insert("a", slow.service());
    let pool: Pool = BalanceLayer::new(AvoidTried::new(LeastLoaded::default()))
        .protocol(Enveloped::new(Streaming::default()))
        .layer(discover);
    settle().await;
    let mut service = over(&pool);
    let call = begin(&mut service, Call::new(())).await;
    members.remove("a");
    settle().await;
    assert!(call.await.is_ok());
    assert_eq!((slow.counts().calls, service.snapshot().hedged), (1, 0));
}

/// The winner's call lasts as long as its answer.
#[tokio::test(start_paused = true)]
async fn an_answer_that_is_dropped_midway_gives_everything_back() {
    let stuck = Script::answering(Words::new().stall());
    let well = Script::answering(Words::new().piece("hello").stall());
    let pool = pool([("a", &stuck), ("b", &well)]).await;
    let service = over(&pool);
    while service.snapshot().won == 0 {
        let service = service.clone();
        // Over boxed errors, and a pool, and in a task.
        let answer = tokio::spawn(async move { service.oneshot(Call::new(())).await });
        let mut answer = answer.await.unwrap().unwrap();
        assert_eq!(answer.try_next().await.unwrap(), Some("hello"));
        assert_eq!(member(&pool, "b").in_flight, 1);
        assert_eq!(member(&pool, "a").in_flight, 0);
        drop(answer);
        assert_eq!(member(&pool, "b").in_flight, 0);
    }
    let outcomes = member(&pool, "b").outcomes;
    assert!(outcomes.cancelled > 0 && outcomes.success == 0);
}
