use std::panic::AssertUnwindSafe;

use super::*;

#[tokio::test(start_paused = true)]
async fn cancelled_at_any_moment_everything_is_given_back() {
    let service = limited(1, &stuck());
    let handle = service.handle();

    // Before it is ready, and after.
    let mut clone = service.clone();
    drop(ready(&mut clone));
    ready(&mut clone).await.unwrap();
    drop(clone);
    assert_at_rest(&handle);

    // Never polled; in flight.
    drop(call(&service));
    assert_at_rest(&handle);
    let mut flying = Box::pin(call(&service));
    assert!((&mut flying).now_or_never().is_none());

    // Never polled in the queue; in the queue; handed over.
    drop(call(&service));
    let mut waiting = tokio_test::task::spawn(call(&service));
    let mut next = tokio_test::task::spawn(call(&service));
    assert!(waiting.poll().is_pending() && next.poll().is_pending());
    assert_eq!(handle.waiting(), 2);
    drop(flying);
    assert!(waiting.is_woken() && !next.is_woken());
    drop(waiting);
    assert!(next.is_woken(), "the permit was not passed on");
    assert_eq!((handle.in_use(), handle.waiting()), (1, 0));
    drop(next);
    assert_at_rest(&handle);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_the_queue_keeps_nobody_waiting() {
    let service = limited(1, &stuck());
    let held = call(&service);
    let mut tasks: Vec<_> = (0..5)
        .map(|_| tokio_test::task::spawn(call(&service)))
        .collect();
    for task in &mut tasks {
        assert!(task.poll().is_pending());
    }
    drop(tasks.remove(0));
    drop(tasks.remove(2));
    assert_eq!(service.handle().waiting(), 3);
    drop(held);
    for _ in 0..3 {
        assert!(tasks[0].is_woken());
        assert!(tasks[0].poll().is_pending(), "in flight now");
        drop(tasks.remove(0));
    }
    assert_at_rest(&service.handle());
}

#[tokio::test(start_paused = true)]
async fn a_panic_gives_the_permit_back() {
    let script = Script::rule(|call| match call {
        0 => Step::<&'static str>::panic_in_call(),
        1 => Step::panic_in_poll(),
        _ => Step::answer("done"),
    });
    let service = limited(1, &script);
    let mut readied = service.clone();
    ready(&mut readied).await.unwrap();
    let panicked = std::panic::catch_unwind(AssertUnwindSafe(|| drop(readied.call(()))));
    assert!(panicked.is_err());
    assert_at_rest(&service.handle());

    let mut future = Box::pin(AssertUnwindSafe(call(&service)).catch_unwind());
    assert!((&mut future).await.is_err());
    // Given back although the future that panicked is still there.
    assert_at_rest(&service.handle());
    assert_eq!(call(&service).await.unwrap(), "done");
    drop(future);
    assert_at_rest(&service.handle());
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_call_that_waited_gives_the_permit_back() {
    let script = Script::rule(|call| match call {
        0 => Step::stall(),
        _ => Step::<&'static str>::panic_in_call(),
    });
    let service = limited(1, &script);
    let held = call(&service);
    let mut waiting = Box::pin(AssertUnwindSafe(call(&service)).catch_unwind());
    assert!((&mut waiting).now_or_never().is_none());
    drop(held);
    assert!((&mut waiting).await.is_err());
    drop(waiting);
    assert_at_rest(&service.handle());
}
