use super::*;
use crate::collect::{Collect, Metric, Sink, Value};

#[tokio::test(start_paused = true)]
async fn a_flush_sends_what_is_open_at_once() {
    let upstream = Upstream::taking(MS);
    let service = BatchLayer::new(plain())
        .unwrap()
        .key(|n: &u32| n % 2)
        .layer(upstream.clone());
    let calls = [1, 2, 3].map(|n| tokio::spawn(service.clone().oneshot(n)));
    settle().await;
    service.handle().flush();
    let (answers, took) = timed(join_all(calls)).await;
    assert!(answers.into_iter().all(|answer| answer.unwrap().is_ok()));
    assert_eq!((took, service.snapshot().flushes.asked), (MS, 2));
    // It is of what was open then.
    let (_, took) = timed(service.clone().oneshot(1)).await;
    assert_eq!(took, 201 * MS);
}

#[tokio::test(start_paused = true)]
async fn services_of_one_handle_share_its_bounds_and_counts() {
    let upstream = Upstream::taking(SEC);
    let config = plain()
        .with_max_size(2)
        .with_max_in_flight(1)
        .with_max_waiting(3);
    let handle = BatchHandle::new(config.clone()).unwrap();
    assert_eq!(*handle.config(), config);
    let services = [1, 2].map(|_| BatchLayer::shared(&handle).layer(upstream.clone()));
    let mut calls = Vec::new();
    for (n, service) in services.iter().enumerate() {
        for _ in 0..2 {
            calls.push(begin(service, n as u32).await);
        }
    }
    assert_eq!((upstream.in_flight(), handle.snapshot().waiting), (1, 2));
    calls.push(begin(&services[0], 5).await);
    assert_eq!(
        kind(services[1].clone().oneshot(6).await),
        RejectionKind::Shed
    );
    for call in calls {
        assert!(call.await.unwrap().is_ok());
    }
    let snapshot = handle.snapshot();
    assert_eq!(
        (snapshot.batches, snapshot.items, snapshot.refused),
        (3, 5, 1)
    );
    assert_eq!(upstream.0.most.load(Ordering::SeqCst), 1);
}

#[derive(Default)]
struct Samples(Vec<(String, Value)>);

impl Sink for Samples {
    fn sample(
        &mut self,
        metric: &'static Metric,
        label: Option<(&'static str, &'static str)>,
        value: Value,
    ) {
        let label = label.map(|(name, value)| format!("{{{name}={value}}}"));
        self.0.push((
            format!("{}{}", metric.name, label.unwrap_or_default()),
            value,
        ));
    }
}

#[tokio::test(start_paused = true)]
async fn it_tells_what_it_counts() {
    let upstream = Upstream::taking(SEC);
    let service = over(&upstream, plain().with_max_size(2));
    let mut calls = vec![begin(&service, 1).await, begin(&service, 2).await];
    calls.push(begin(&service, 3).await);
    let mut samples = Samples::default();
    service.handle().collect(&mut samples);
    let of = |name: &str| {
        samples
            .0
            .iter()
            .find(|sample| sample.0 == name)
            .map(|sample| sample.1)
    };
    assert_eq!(of("batch_open"), Some(Value::Gauge(1.0)));
    assert_eq!(of("batch_waiting"), Some(Value::Gauge(1.0)));
    assert_eq!(of("batch_in_flight"), Some(Value::Gauge(1.0)));
    assert_eq!(of("batch_items"), Some(Value::Counter(2.0)));
    assert_eq!(of("batch_size_limit"), Some(Value::Gauge(2.0)));
    for cause in FlushCause::ALL {
        let count = f64::from(u8::from(cause == FlushCause::Size));
        let name = format!("batch_flushes{{cause={}}}", cause.name());
        assert_eq!(of(&name), Some(Value::Counter(count)), "{name}");
        assert_eq!(serde_json::to_value(cause).unwrap(), cause.name());
    }
    for call in calls {
        assert!(call.await.unwrap().is_ok());
    }
    settle().await;
    let snapshot = service.snapshot();
    assert_eq!((snapshot.batches, snapshot.mean_size), (2, Some(1.5)));
    let json = serde_json::to_value(snapshot).unwrap();
    assert_eq!(json["flushes"]["size"], 1);
    assert_at_rest(snapshot);
}
