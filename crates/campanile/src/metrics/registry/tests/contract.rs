use super::*;

#[tokio::test(start_paused = true)]
async fn a_name_is_one_stage_and_a_key_is_one_endpoint() {
    let metrics = Metrics::default();
    let endpoint = Endpoint::new("eu-1");
    let service = metrics.stage("chat").layer().layer(script().service());
    let [one, two] = [(); 2].map(|()| metrics.stage("chat").endpoint(&endpoint));
    let inner = one.layer().layer(script().service());
    for _ in 0..3 {
        call(&service).await.unwrap();
    }
    call(&inner).await.unwrap();
    assert_eq!(metrics.clone().stage("chat").read().requests, 3);
    assert_eq!(two.read().requests, 1);
    assert_eq!(metrics.stage("embed").read().requests, 0);
    assert_eq!(
        metrics.stage("embed").endpoint(&endpoint).read().requests,
        0
    );
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_gone_is_forgotten_and_begins_anew() {
    let metrics = Metrics::default();
    let stage = metrics.stage("chat");
    let endpoint = Endpoint::new("eu-1");
    let there = || metrics.snapshot().stages[0].endpoints.len();
    let service = stage.endpoint(&endpoint).layer().layer(script().service());
    call(&service).await.unwrap();
    assert_eq!(there(), 1);

    let again = stage.endpoint(&endpoint);
    drop(service);
    assert_eq!(again.read().requests, 1, "a handle is left");
    drop(again);
    assert_eq!(there(), 0);
    assert!(
        read(&metrics)
            .find("campanile_endpoint_requests_total", &[])
            .is_empty()
    );
    assert_eq!(stage.endpoint(&endpoint).read().requests, 0);
}

/// It left the pool and came again, and its old service still has calls: counts go on, with the labels and the gate of the
/// new one.
#[tokio::test(start_paused = true)]
async fn one_that_comes_again_meanwhile_goes_on() {
    let metrics = Metrics::new(MetricsConfig::default().with_labels(["zone"])).unwrap();
    let stage = metrics.stage("chat");
    let with = |zone| {
        Endpoint::builder("eu-1")
            .label("zone", zone)
            .build()
            .unwrap()
    };
    let old = stage
        .endpoint(&with("west"))
        .layer()
        .layer(script().service());
    call(&old).await.unwrap();
    let endpoint = with("east");
    let new = stage.endpoint(&endpoint).layer().layer(script().service());
    endpoint.gate().close(Reason::Disabled);
    drop(old);
    call(&new).await.unwrap();
    let parsed = read(&metrics);
    let labels = [("endpoint", "eu-1"), ("zone", "east")];
    assert_eq!(
        parsed.value("campanile_endpoint_requests_total", &labels),
        2.0
    );
    let labels = [("zone", "east"), ("reason", "disabled")];
    assert_eq!(parsed.value("campanile_endpoint_closed", &labels), 1.0);
    assert!(
        parsed
            .find("campanile_endpoint_weight", &[("zone", "west")])
            .is_empty()
    );
}

/// Members come and go for years: what is kept is bounded by those that are there, also when nobody reads.
#[tokio::test(start_paused = true)]
async fn members_that_come_and_go_leave_nothing_behind() {
    let metrics = Metrics::default();
    let stage = metrics.stage("chat");
    let kept = Arc::new(Breaker(0.0));
    let stays = stage.endpoint(&Endpoint::new("stays"));
    for number in 0..10_000 {
        let endpoint = stage.endpoint(&Endpoint::new(format!("pod-{number}")));
        endpoint.collect(Arc::clone(&kept));
    }
    assert!(
        Arc::strong_count(&kept) < 200,
        "{}",
        Arc::strong_count(&kept)
    );
    assert_eq!(metrics.snapshot().stages[0].endpoints.len(), 1);
    assert_eq!(Arc::strong_count(&kept), 1);
    drop(stays);
}

#[tokio::test(start_paused = true)]
async fn the_newest_of_a_kind_takes_the_place_of_the_one_before() {
    let metrics = Metrics::default();
    let stage = metrics.stage("chat");
    let endpoint = stage.endpoint(&Endpoint::new("eu-1"));
    let trips =
        |labels: &[(&str, &str)]| read(&metrics).find("campanile_breaker_trips_total", labels);
    let first = Arc::new(Breaker(1.0));
    endpoint.collect(Arc::clone(&first));
    endpoint.collect(Arc::new(Breaker(2.0)));
    assert_eq!(trips(&[("endpoint", "eu-1")]), [2.0]);
    assert_eq!(Arc::strong_count(&first), 1, "it was let go");

    // Of another type, and of the same series.
    endpoint.collect(Breaker(3.0));
    assert_eq!(trips(&[("endpoint", "eu-1")]), [3.0]);

    endpoint
        .collect_as("spare", Breaker(4.0))
        .collect_as("other", Breaker(5.0));
    assert_eq!(trips(&[("name", "spare")]), [4.0]);
    assert_eq!(trips(&[]).len(), 3);
    stage.collect(Breaker(6.0));
    assert_eq!(trips(&[]).len(), 4);
}

#[tokio::test(start_paused = true)]
async fn what_is_gone_tells_nothing_any_more() {
    let metrics = Metrics::default();
    let breaker = Arc::new(Breaker(1.0));
    let weak: Weak<Breaker> = Arc::downgrade(&breaker);
    metrics.stage("chat").collect(weak);
    let samples = || metrics.snapshot().stage("chat").unwrap().samples.len();
    assert_eq!(samples(), 1);
    drop(breaker);
    assert_eq!(samples(), 0);
    assert!(
        read(&metrics)
            .find("campanile_breaker_trips_total", &[])
            .is_empty()
    );
}

/// Who opens a gate may have looked at the clock before who reads, and open it after.
#[tokio::test(start_paused = true)]
async fn the_time_that_a_gate_was_closed_never_falls() {
    let metrics = Metrics::default();
    let endpoint = Endpoint::new("eu-1");
    let measured = metrics.stage("chat").endpoint(&endpoint);
    let closed = |now| {
        let mut read = |recorder: &Recorder, now| (recorder.read_at(now), Tallies::default());
        let gates = measured.gather(now, &mut read).gates;
        let health = gates.iter().find(|gate| gate.reason == Reason::Health);
        health.unwrap().time
    };
    endpoint.gate().close(Reason::Health);
    let ahead = Timestamp::now().after(Duration::from_millis(5));
    let told = closed(ahead);
    assert_eq!(told, Duration::from_millis(5));
    endpoint.gate().open(Reason::Health);
    assert_eq!(closed(ahead), told);
    endpoint.gate().close(Reason::Health);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(closed(Timestamp::now()), Duration::from_secs(1));
}

/// A scrape tells of all others.
#[tokio::test(start_paused = true)]
async fn what_panics_when_asked_keeps_nobody_else_from_telling() {
    static HALF: Metric = Metric::new("half", "Told before the panic.");
    struct Broken {
        alive: bool,
    }
    impl Collect for Broken {
        fn collect(&self, sink: &mut dyn Sink) {
            sink.gauge(&HALF, 1.0);
            panic!("collect is broken");
        }

        fn is_alive(&self) -> bool {
            assert!(self.alive, "is_alive is broken");
            true
        }
    }
    let metrics = Metrics::default();
    let stage = metrics.stage("chat");
    stage
        .collect(Breaker(1.0))
        .collect_as("one", Broken { alive: true })
        .collect_as("two", Broken { alive: false })
        .collect_as("last", Breaker(2.0));
    for _ in 0..2 {
        let parsed = read(&metrics);
        assert_eq!(parsed.find("campanile_breaker_trips_total", &[]).len(), 2);
        assert!(parsed.find("campanile_half", &[]).is_empty());
    }
    assert_eq!(metrics.snapshot().stages[0].samples.len(), 2);
}

/// What is asked may ask and attach in turn.
#[tokio::test(start_paused = true)]
async fn what_is_asked_may_attach_meanwhile() {
    struct Attaches(crate::metrics::StageMetrics);
    impl Collect for Attaches {
        fn collect(&self, _: &mut dyn Sink) {
            self.0.collect(Breaker(1.0));
        }

        fn is_alive(&self) -> bool {
            self.0.collect(Breaker(0.0));
            true
        }
    }
    let metrics = Metrics::default();
    let stage = metrics.stage("chat");
    stage.collect(Attaches(stage.clone()));
    let _ = metrics.prometheus();
    assert_eq!(
        read(&metrics).find("campanile_breaker_trips_total", &[]),
        [1.0]
    );
}

/// Calls that are dropped at any point leave no gauge behind.
#[tokio::test(start_paused = true)]
async fn gauges_are_back_at_zero_after_cancellation() {
    let metrics = Metrics::default();
    let stage = metrics.stage("chat");
    let endpoint = stage.endpoint(&Endpoint::new("eu-1"));
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let inner = endpoint
        .layer()
        .layer(Script::<&str>::new(Step::stall()).service());
    let queue = Arc::clone(&gate);
    let queued = service_fn(move |(): ()| {
        let (inner, queue) = (inner.clone(), Arc::clone(&queue));
        async move {
            queue.acquire().await?.forget();
            inner.oneshot(()).await
        }
    });
    let service = stage.layer().layer(queued);
    let calls: Vec<_> = (0..5)
        .map(|_| tokio::spawn(service.clone().oneshot(())))
        .collect();
    tokio::task::yield_now().await;
    let gauges = || {
        let parsed = read(&metrics);
        let value = |name| parsed.value(name, &[("stage", "chat")]);
        [
            value("campanile_stage_requests_in_flight"),
            value("campanile_endpoint_requests_in_flight"),
            value("campanile_stage_requests_queued"),
        ]
    };
    assert_eq!(gauges(), [5.0, 0.0, 5.0]);
    gate.add_permits(2);
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
    assert_eq!(gauges(), [5.0, 2.0, 3.0]);
    for call in calls {
        call.abort();
        let _ = call.await;
    }
    assert_eq!(gauges(), [0.0; 3]);
    let cancelled = [("outcome", "cancelled")];
    let parsed = read(&metrics);
    assert_eq!(
        parsed.value("campanile_stage_outcomes_total", &cancelled),
        5.0
    );
    assert_eq!(
        parsed.value("campanile_endpoint_outcomes_total", &cancelled),
        2.0
    );
}

/// What requests bring is never a label: ten thousand tenants, conversations and messages make no series.
#[tokio::test(start_paused = true)]
async fn requests_bring_no_series() {
    let metrics = Metrics::default();
    let endpoint = Endpoint::builder("eu-1")
        .label("secret", "not declared")
        .build()
        .unwrap();
    let service = metrics
        .stage("chat")
        .endpoint(&endpoint)
        .layer()
        .calls()
        .layer(service_fn(|call: Call<u32>| async move {
            match call.message % 3 {
                0 => Ok("well"),
                _ => Err(BoxError::from(format!("error {}", call.message))),
            }
        }));
    let call = |number: u32| {
        let mut call = Call::new(number);
        call.context = call.context.with_tenant(format!("tenant-{number}"));
        call.context = call.context.with_conversation(format!("talk-{number}"));
        service.clone().oneshot(call)
    };
    for number in 0..3 {
        let _ = call(number).await;
    }
    let before = read(&metrics).series().len();
    for number in 0..10_000 {
        let _ = call(number).await;
    }
    assert_eq!(read(&metrics).series().len(), before);
    let text = metrics.prometheus();
    assert!(!text.contains("tenant") && !text.contains("talk") && !text.contains("declared"));
}

#[tokio::test(start_paused = true)]
async fn labels_are_those_that_were_declared() {
    let config = MetricsConfig::default().with_labels(["zone", "model"]);
    let metrics = Metrics::new(config).unwrap();
    let endpoint = Endpoint::builder("a\"b\\c\nd")
        .label("zone", "e\"u")
        .label("tier", "1");
    let endpoint = metrics.stage("ch\"at").endpoint(&endpoint.build().unwrap());
    let labels = [
        ("stage", "ch\"at"),
        ("endpoint", "a\"b\\c\nd"),
        ("zone", "e\"u"),
        ("model", ""),
    ];
    let parsed = read(&metrics);
    assert_eq!(
        parsed.value("campanile_endpoint_requests_total", &labels),
        0.0
    );
    assert!(!metrics.prometheus().contains("tier"));
    drop(endpoint);
}

/// Stages, endpoints, handles and readers at once, on several threads.
#[test]
fn who_registers_reads_and_calls_at_once_disturbs_nobody() {
    let metrics = Metrics::default();
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap()
    };
    const CALLS: u64 = 500;
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let metrics = &metrics;
            scope.spawn(move || {
                runtime().block_on(async {
                    for number in 0..CALLS {
                        let stage = metrics.stage("chat");
                        stage.collect(Breaker(1.0));
                        let endpoint = Endpoint::new(format!("pod-{}", number % 7));
                        let endpoint = stage.endpoint(&endpoint);
                        endpoint.collect(Breaker(thread as f64));
                        let inner = service_fn(|(): ()| async { Ok::<_, BoxError>(()) });
                        let inner = endpoint.layer().layer(inner);
                        stage.layer().layer(inner).oneshot(()).await.unwrap();
                    }
                });
            });
        }
        for _ in 0..20 {
            let snapshot = metrics.snapshot();
            Parsed::of(&metrics.open_metrics(), Format::OpenMetrics);
            Parsed::of(&metrics.prometheus(), Format::Prometheus);
            for stage in &snapshot.stages {
                let figures = &stage.figures;
                let ended = figures.outcomes.success;
                assert!(ended <= figures.requests && figures.requests <= 4 * CALLS);
                assert!(stage.endpoints.len() <= 7 && stage.samples.len() <= 1);
            }
        }
    });
    let reading = metrics.stage("chat").read();
    assert_eq!(
        (reading.requests, reading.outcomes.success),
        (4 * CALLS, 4 * CALLS)
    );
    assert_eq!(reading.in_flight, 0);
    assert!(metrics.snapshot().stages[0].endpoints.is_empty());
}

#[test]
fn it_can_be_sent_and_shared() {
    fn check<T: Clone + Send + Sync + std::fmt::Debug + 'static>() {}
    check::<Metrics>();
    check::<StageMetrics>();
    check::<EndpointMetrics>();
}

#[tokio::test(start_paused = true)]
async fn what_is_written_to_may_fail() {
    struct Full;
    impl Write for Full {
        fn write_str(&mut self, _: &str) -> fmt::Result {
            Err(fmt::Error)
        }
    }
    let metrics = Metrics::default();
    let _ = metrics.stage("chat");
    assert!(metrics.write(Format::Prometheus, &mut Full).is_err());
    assert!(Metrics::new(MetricsConfig::default().with_latest(0)).is_err());
}

/// Retries are made between the stage and its endpoints, or outside of both.
#[tokio::test(start_paused = true)]
async fn a_stage_tells_of_repeats_that_only_its_endpoints_see_and_of_none_twice() {
    use crate::{Outcome, completion::Observe, context::Repeat};

    let metrics = Metrics::default();
    let stage = metrics.stage("chat");
    let repeat = |recorder: &crate::metrics::Recorder, repeat| {
        let mut call = recorder.begin(Timestamp::now());
        call.repeat(repeat);
        call.end(Timestamp::now(), Outcome::Success);
    };
    for key in ["one", "other"] {
        let endpoint = stage.endpoint(&Endpoint::new(key));
        repeat(endpoint.recorder(), Repeat::Retry);
        repeat(endpoint.recorder(), Repeat::Hedge);
        assert_eq!((endpoint.read().retries, endpoint.read().hedges), (1, 1));
    }
    // Both are gone, and what they have seen stays told.
    assert!(metrics.snapshot().stages[0].endpoints.is_empty());
    assert_eq!((stage.read().retries, stage.read().hedges), (2, 2));

    // This stage stands within the retries: each is seen twice, and told once.
    let within = metrics.stage("within");
    let endpoint = within.endpoint(&Endpoint::new("one"));
    for recorder in [within.recorder(), endpoint.recorder()] {
        repeat(recorder, Repeat::Retry);
    }
    assert_eq!((within.read().retries, endpoint.read().retries), (1, 1));
    let text = read(&metrics);
    let told = text.find("campanile_stage_retries_total", &[("stage", "within")]);
    assert_eq!(told, [1.0]);
}

#[tokio::test(start_paused = true)]
async fn a_stage_that_is_forgotten_tells_nothing_and_begins_anew() {
    let metrics = Metrics::default();
    let service = metrics.stage("chat").layer().layer(script().service());
    metrics.stage("chat").collect(Breaker(1.0));
    call(&service).await.unwrap();
    assert!(metrics.prometheus().contains("stage=\"chat\""));
    assert!(metrics.forget("chat") && !metrics.forget("chat"));
    // It may still be called.
    call(&service).await.unwrap();
    assert!(!metrics.prometheus().contains("stage=\"chat\""));
    assert_eq!(metrics.stage("chat").read().requests, 0);
}
