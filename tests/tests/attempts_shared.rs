//! Retry, hedge and fallback around one service do not multiply: a call's trail counts its attempts, whoever makes them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use campanile::{
    BoxError, Call, Context,
    budget::{Budget, BudgetConfig},
    context::Trail,
    fallback::FallbackLayer,
    hedge::{Delay, HedgeConfig, HedgeLayer},
    retry::{Backoff, RetryConfig, RetryLayer},
};
use tower::{ServiceBuilder, ServiceExt, service_fn};

const MS: Duration = Duration::from_millis(1);

/// How often a call that always fails, and slowly, is sent anywhere.
async fn attempts(trail: Option<Trail>) -> Result<u32, BoxError> {
    let calls = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&calls);
    let upstream = service_fn(move |_: Call<()>| {
        count.fetch_add(1, Relaxed);
        async {
            tokio::time::sleep(200 * MS).await;
            Err::<(), BoxError>("down".into())
        }
    });
    let retry = RetryConfig::default()
        .with_max_retries(5)
        .with_backoff(Backoff::fixed(10 * MS))
        .with_budget(None);
    let hedge = HedgeConfig::default().with_delay(Delay::fixed(50 * MS));
    let plenty = BudgetConfig::default().with_cap(100.0).with_initial(100.0);
    let service = ServiceBuilder::new()
        .layer(FallbackLayer::to(upstream.clone()).calls())
        .layer(RetryLayer::new(retry.build()?).unwrap().calls())
        .layer(
            HedgeLayer::new(hedge.build()?)
                .unwrap()
                .calls()
                .budget(Budget::new(plenty.build()?)),
        )
        .service(upstream);
    let mut context = Context::new();
    context.trail = trail;
    let call = Call {
        context,
        message: (),
    };
    assert!(service.oneshot(call).await.is_err());
    Ok(calls.load(Relaxed))
}

#[tokio::test(start_paused = true)]
async fn a_call_is_sent_as_often_as_it_may_be_and_no_more() -> Result<(), BoxError> {
    // Six attempts, each hedged, and the fallback.
    assert_eq!(attempts(None).await?, 13);
    for limit in 1..=13 {
        let trail = Trail::with_attempts(limit);
        assert_eq!(attempts(Some(trail.clone())).await?, limit);
        assert_eq!(trail.left(), Some(0));
    }
    Ok(())
}
