use super::*;
use crate::{
    balance::{AvoidTried, BalanceLayer, LeastLoaded},
    testing::discovery,
};

/// A pool of `keys` whose members are these scripts, which avoids what a call has tried.
macro_rules! pool {
    ($($key:literal: $script:expr),+) => {{
        let (members, discover) = discovery();
        $(members.insert($key, $script.service());)+
        members.end();
        let pool = BalanceLayer::calls(AvoidTried::new(LeastLoaded::default())).seed(3).layer(discover);
        settle().await;
        pool
    }};
}

#[tokio::test(start_paused = true)]
async fn a_retry_goes_to_another_endpoint() {
    let scripts = [(); 3].map(|()| Script::<&str>::new(Step::error("down")));
    let pool = pool!("a": scripts[0], "b": scripts[1], "c": scripts[2]);
    let service = RetryLayer::new(plain()).unwrap().calls().layer(pool);
    for round in 1..=20 {
        assert!(service.clone().oneshot(Call::new(())).await.is_err());
        for script in &scripts {
            assert_eq!(script.counts().calls, round, "each endpoint once");
        }
        // The guard against fast failure forgets.
        tokio::time::sleep(600 * SEC).await;
    }
}

/// One after the other on one service, where the trail of each call is that of the one before.
#[tokio::test(start_paused = true)]
async fn a_trail_that_is_used_again_holds_nothing_of_the_call_before() {
    let scripts = [(); 2].map(|()| Script::<&str>::new(Step::error("down")));
    let pool = pool!("a": scripts[0], "b": scripts[1]);
    let mut service = RetryLayer::new(plain().with_max_retries(1))
        .unwrap()
        .calls()
        .layer(pool);
    for round in 1..=10 {
        let call = begin(&mut service, Call::new(())).await;
        assert!(call.await.is_err());
        assert_eq!(scripts.each_ref().map(|s| s.counts().calls), [round; 2]);
        tokio::time::sleep(600 * SEC).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_caller_gave_as_a_trail_tells_where_the_call_has_been() {
    let down = Script::<&str>::new(Step::error("down"));
    let well = Script::answering("well");
    let pool = pool!("a": down, "b": well);
    let service = RetryLayer::new(plain()).unwrap().calls().layer(pool);
    loop {
        let trail = Trail::new();
        let mut call = Call::new(());
        call.context.trail = Some(trail.clone());
        assert_eq!(service.clone().oneshot(call).await.unwrap(), "well");
        let attempts = trail.attempts();
        if attempts.len() == 1 {
            continue;
        }
        let keys: Vec<_> = attempts.iter().map(|a| a.endpoint.key()).collect();
        assert_eq!(keys, ["a", "b"]);
        assert!(attempts[0].outcome.unwrap().is_failure());
        assert!(attempts[1].outcome.unwrap().is_success());
        break;
    }
}

/// A pool whose members are all closed says when the first reopens, and the retry comes then.
#[tokio::test(start_paused = true)]
async fn a_pool_that_is_closed_is_tried_when_it_reopens() {
    let roster = crate::discover::Roster::new();
    roster.insert("a", ()).unwrap();
    let script = Script::answering("well");
    let inner = script.clone();
    let pool = tower::ServiceBuilder::new()
        .layer(BalanceLayer::calls(LeastLoaded::default()))
        .layer(crate::discover::PerEndpointLayer::new(
            move |_: &crate::Endpoint, ()| inner.service(),
        ))
        .service(roster.changes());
    settle().await;
    let endpoint = roster.endpoints()[0].clone();
    let now = crate::time::Timestamp::now();
    endpoint
        .gate()
        .close_until(crate::endpoint::Reason::Quota, now.after(20 * SEC));
    let service = RetryLayer::new(plain()).unwrap().calls().layer(pool);
    let (answer, took) = timed(service.oneshot(Call::new(()))).await;
    assert_eq!(answer.unwrap(), "well");
    assert!((20 * SEC..23 * SEC).contains(&took), "{took:?}");
}

/// Over boxed errors, and a pool, and in a task.
#[tokio::test(start_paused = true)]
async fn a_task_can_be_spawned_over_a_pool() {
    let script = Script::answering("well").then(Step::error("down"));
    let pool = pool!("a": script);
    let service = RetryLayer::new(plain()).unwrap().calls().layer(pool);
    let answer = tokio::spawn(async move { service.oneshot(Call::new(())).await });
    assert_eq!(answer.await.unwrap().unwrap(), "well");
}
