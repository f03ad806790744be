//! What is shed because it matters less.

use super::*;

/// The utilisation in per cent, and what a call of each priority comes to.
async fn served(config: LoadShedConfig, percent: u32) -> [bool; 4] {
    let script = Script::answering("done");
    let service = LoadShedLayer::new(config.build().unwrap())
        .unwrap()
        .calls()
        .signal(move || f64::from(percent) / 100.0)
        .layer(script.service());
    let mut served = [false; 4];
    let priorities = [
        Priority::Critical,
        Priority::Normal,
        Priority::Batch,
        Priority::Sheddable,
    ];
    for (served, priority) in served.iter_mut().zip(priorities) {
        let call = Call {
            context: Context::new().with_priority(priority),
            message: (),
        };
        let result = service.clone().oneshot(call).await;
        *served = result.is_ok();
        if result.is_err() {
            assert_shed(result, SEC);
        }
    }
    let refused = served.iter().filter(|served| !**served).count() as u64;
    assert_eq!(service.counts().by_priority, refused);
    assert_eq!(script.counts().calls, 4 - refused);
    served
}

#[tokio::test]
async fn what_matters_less_is_shed_earlier() {
    let config = LoadShedConfig::default();
    for (percent, expected) in [
        (0, [true; 4]),
        (74, [true; 4]),
        (75, [true, true, true, false]),
        (89, [true, true, true, false]),
        (90, [true, true, false, false]),
        (500, [true, true, false, false]),
    ] {
        assert_eq!(
            served(config.clone(), percent).await,
            expected,
            "{percent} %"
        );
    }
    let strict = Thresholds::default()
        .with_critical(Some(2.0))
        .with_normal(Some(1.0));
    let config = config.with_thresholds(strict);
    assert_eq!(
        served(config.clone(), 100).await,
        [true, false, false, false]
    );
    assert_eq!(served(config, 200).await, [false; 4]);
}

#[tokio::test]
async fn without_a_signal_nobody_is_shed_by_priority() {
    let service = layer().calls().layer(Script::answering("done").service());
    let call = Call {
        context: Context::new().with_priority(Priority::Sheddable),
        message: (),
    };
    assert!(service.oneshot(call).await.is_ok());
}

#[tokio::test]
async fn a_signal_that_is_no_number_sheds_nobody() {
    let service = layer()
        .calls()
        .signal(|| f64::NAN)
        .layer(Script::answering("done").service());
    let call = Call {
        context: Context::new().with_priority(Priority::Sheddable),
        message: (),
    };
    assert!(service.oneshot(call).await.is_ok());
}

/// Requests without a context are ordinary, and the signal is not asked for what is never shed by it.
#[tokio::test]
async fn the_signal_is_asked_only_where_it_counts() {
    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    let service = layer()
        .signal(move || {
            count.fetch_add(1, SeqCst);
            1.0
        })
        .layer(Script::answering("done").service());
    assert!(service.oneshot(()).await.is_ok());
    assert_eq!(asked.load(SeqCst), 0);
}

/// What is shed by its priority takes nothing from the service.
#[tokio::test]
async fn what_is_shed_early_does_not_touch_the_service() {
    let script = Script::answering("done");
    let service = layer().calls().signal(|| 1.0).layer(script.service());
    let call = Call {
        context: Context::new().with_priority(Priority::Batch),
        message: (),
    };
    assert_shed(service.oneshot(call).await, SEC);
    assert_eq!(script.counts().readiness_polls, 0);
}
