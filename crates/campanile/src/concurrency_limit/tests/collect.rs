use super::*;
use crate::collect::tests::Told;

#[tokio::test(start_paused = true)]
async fn it_tells_where_it_stands_and_whom_it_let_wait() {
    let script = slow(SEC);
    let service = limited(2, &script);
    let handle = service.handle();
    let calls: Vec<_> = (0..3)
        .map(|_| tokio::spawn(service.clone().oneshot(())))
        .collect();
    tokio::task::yield_now().await;
    let told = Told::by(&handle);
    assert_eq!(told.get("concurrency_limit"), 2.0);
    assert_eq!(told.get("concurrency_limit_in_use"), 2.0);
    assert_eq!(told.get("concurrency_limit_waiting"), 1.0);
    assert_eq!(told.get("concurrency_limit_full"), 1.0);
    assert_eq!(told.get("concurrency_limit_refused"), 0.0);
    assert!(
        !told.has("concurrency_limit_dropped"),
        "a static limit does not count them"
    );

    for call in calls {
        call.abort();
        let _ = call.await;
    }
    let told = Told::by(&handle);
    assert_eq!(told.get("concurrency_limit_in_use"), 0.0);
    assert_eq!(told.get("concurrency_limit_waiting"), 0.0);
}

#[tokio::test(start_paused = true)]
async fn it_tells_how_far_it_may_move() {
    let limit = ConcurrencyLimitHandle::new(ConcurrencyLimitConfig::default()).unwrap();
    let bounds = limit.snapshot();
    crate::control::Dial::set(&limit.ceiling_dial(), 3.0);
    let told = Told::by(&limit);
    assert_eq!(told.get("concurrency_limit_floor"), f64::from(bounds.floor));
    assert_eq!(told.get("concurrency_limit_cap"), f64::from(bounds.cap));
    assert_eq!(told.get("concurrency_limit_ceiling"), 3.0);
}
