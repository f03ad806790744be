use super::*;
use crate::control::Dial;

/// Also what happens when something else lowers the limit: hardware, an algorithm, an operator.
#[tokio::test(start_paused = true)]
async fn a_limit_shrinks_below_what_is_in_use_and_cancels_nothing() {
    let script = slow(10 * MS);
    let service = limited(10, &script);
    let handle = service.handle();
    let calls: Vec<_> = (0..10).map(|_| call(&service)).collect();
    assert_eq!(handle.set_limit(3), 3);
    assert_eq!((handle.in_use(), handle.limit()), (10, 3));
    let mut waiting = tokio_test::task::spawn(call(&service));
    let mut left = 10;
    for call in calls {
        assert!(waiting.poll().is_pending());
        assert_eq!(handle.waiting(), usize::from(left >= 3));
        call.await.unwrap();
        left -= 1;
        assert_eq!(waiting.is_woken(), left == 2);
        if left == 2 {
            break;
        }
    }
    assert_eq!(script.counts().cancelled, 2, "those that the loop dropped");
    drop(waiting);
    assert_at_rest(&handle);
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_grows_lets_as_many_go() {
    let service = limited(1, &stuck());
    let handle = service.handle();
    let mut tasks: Vec<_> = (0..10)
        .map(|_| tokio_test::task::spawn(call(&service)))
        .collect();
    for task in &mut tasks {
        assert!(task.poll().is_pending());
    }
    assert_eq!((handle.in_use(), handle.waiting()), (1, 9));
    assert_eq!(handle.set_limit(4), 4);
    assert_eq!((handle.in_use(), handle.waiting()), (4, 6));
    assert_eq!(tasks.iter().filter(|task| task.is_woken()).count(), 3);
    drop(tasks);
    assert_at_rest(&handle);
}

#[test]
fn dials_and_operators_keep_to_the_bounds() {
    let config = ConcurrencyLimitConfig {
        min_limit: 2,
        max_limit: 50,
        ..ConcurrencyLimitConfig::fixed(10)
    };
    let handle = ConcurrencyLimitHandle::new(config).unwrap();
    assert_eq!((handle.set_limit(0), handle.set_limit(1_000)), (2, 50));

    let (limit, ceiling) = (handle.limit_dial(), handle.ceiling_dial());
    assert_eq!((limit.value(), ceiling.value()), (50.0, 50.0));
    assert_eq!(limit.set(20.4), 20.0);
    assert_eq!(limit.set(f64::NAN), 20.0);
    assert_eq!(ceiling.set(f64::INFINITY), 50.0);
    assert_eq!(ceiling.set(5.0), 5.0);
    assert_eq!((handle.limit(), limit.value()), (5, 5.0));
    assert_eq!(limit.set(30.0), 5.0, "above the ceiling");
    assert_eq!(ceiling.set(-1.0), 2.0);
    assert_eq!(handle.limit(), 2);
    assert_eq!(ceiling.set(40.0), 40.0);
    assert_eq!(handle.limit(), 30, "the limit that was set comes back");
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_tells_all_and_can_be_sent() {
    let service = limited(2, &stuck());
    let handle = service.handle();
    let held = [call(&service), call(&service)];
    let mut waiting = Box::pin(call(&service));
    assert!((&mut waiting).now_or_never().is_none());
    handle.ceiling_dial().set(1.0);
    let snapshot = handle.snapshot();
    let expected = serde_json::json!({
        "limit": 1, "in_use": 2, "waiting": 1, "floor": 1, "cap": 1_000, "ceiling": 1,
        "adapts": false, "full": 1, "refused": 0, "completed": null, "dropped": null,
    });
    assert_eq!(serde_json::to_value(&snapshot).unwrap(), expected);
    drop((held, waiting));
    assert_at_rest(&handle);
}

#[test]
fn a_dial_does_not_keep_its_limit_alive() {
    let handle = ConcurrencyLimitHandle::new(ConcurrencyLimitConfig::fixed(8)).unwrap();
    let (limit, ceiling) = (handle.limit_dial(), handle.ceiling_dial());
    assert!(limit.is_alive() && ceiling.is_alive());
    drop(handle);
    assert!(!limit.is_alive() && !ceiling.is_alive());
    assert_eq!((limit.set(4.0), ceiling.set(4.0)), (0.0, 0.0));
}
