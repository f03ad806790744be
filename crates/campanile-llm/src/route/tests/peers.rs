//! What other routers were seen to do wrong.

use super::*;

/// A service whose readiness is set.
#[derive(Clone)]
struct Moody {
    mood: Arc<Mutex<Mood>>,
    refusals: Arc<AtomicUsize>,
}

#[derive(Clone, Copy)]
enum Mood {
    Ready,
    Pending,
    Refusing,
}

impl Moody {
    fn new(mood: Mood) -> Self {
        Self {
            mood: Arc::new(Mutex::new(mood)),
            refusals: Arc::default(),
        }
    }

    fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }
}

impl Service<Call<ChatRequest>> for Moody {
    type Response = String;
    type Error = Error;
    type Future = BoxFuture<'static, Result<String, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        match *self.mood.lock().unwrap() {
            Mood::Ready => Poll::Ready(Ok(())),
            Mood::Pending => Poll::Pending,
            Mood::Refusing => {
                self.refusals.fetch_add(1, SeqCst);
                Poll::Ready(Err(Error::new(Class::Server, "its health check failed")))
            }
        }
    }

    fn call(&mut self, call: Call<ChatRequest>) -> Self::Future {
        async move { Ok(call.message.model().to_owned()) }.boxed()
    }
}

fn groups() -> RouterConfig {
    RouterConfig::default()
        .with_group(
            "a",
            GroupConfig::models(["m"]).with_fallback(Class::Overload, "b"),
        )
        .with_group("b", GroupConfig::models(["n"]))
}

#[tokio::test(start_paused = true)]
async fn one_group_that_is_not_ready_blocks_no_other() {
    let (sick, well) = (Moody::new(Mood::Pending), Moody::new(Mood::Ready));
    let router = Router::new(groups(), [("a", sick), ("b", well)]).unwrap();
    let waits = tokio::spawn(router.clone().oneshot(ask("m")));
    let answered = tokio::time::timeout(Duration::from_secs(1), router.oneshot(ask("n"))).await;
    assert_eq!(answered.unwrap().unwrap(), "n");
    assert!(!waits.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_fallback_that_is_not_ready_disables_no_healthy_group() {
    let (well, sick) = (Moody::new(Mood::Ready), Moody::new(Mood::Pending));
    let mut router = Router::new(groups(), [("a", well), ("b", sick)]).unwrap();
    let answered = async { router.ready().await?.call(ask("m")).await };
    let answered = tokio::time::timeout(Duration::from_secs(1), answered).await;
    assert_eq!(answered.unwrap().unwrap(), "m");
}

#[tokio::test(start_paused = true)]
async fn a_backend_whose_health_check_refuses_in_poll_ready_is_not_lost() {
    let backend = Moody::new(Mood::Refusing);
    let router = Router::new(groups(), [("a", backend.clone()), ("b", backend.clone())]).unwrap();
    for refusals in 1..=3 {
        let error = router.clone().oneshot(ask("m")).await.unwrap_err();
        assert_eq!(error.message(), "its health check failed");
        assert_eq!(backend.refusals.load(SeqCst), refusals);
    }
    backend.set(Mood::Ready);
    assert_eq!(router.oneshot(ask("m")).await.unwrap(), "m");
}

/// tower's limit panics when a clone is called that was not made ready.
#[tokio::test(start_paused = true)]
async fn only_clones_that_were_made_ready_are_called() {
    let limited = |service| {
        tower::ServiceBuilder::new()
            .layer(tower::limit::ConcurrencyLimitLayer::new(1))
            .service(service)
    };
    let first = limited(BoxCloneSyncService::new(tower::service_fn(
        async |_: Call<ChatRequest>| Err::<String, _>(Error::new(Class::Overload, "busy")),
    )));
    let second = limited(BoxCloneSyncService::new(tower::service_fn(
        async |call: Call<ChatRequest>| Ok::<_, Error>(call.message.model().to_owned()),
    )));
    let router = Router::new(groups(), [("a", first), ("b", second)]).unwrap();
    let calls = (0..20).map(|_| tokio::spawn(router.clone().oneshot(ask("m"))));
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap().unwrap(), "m");
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_group_ends_with_the_deadline() {
    let sick = Moody::new(Mood::Pending);
    let router = Router::new(groups(), [("a", sick.clone()), ("b", sick)]).unwrap();
    let mut call = ask("m");
    let deadline = tokio::time::Instant::now() + Duration::from_secs(3);
    call.context.deadline = Some(deadline);
    let error = router.oneshot(call).await.unwrap_err();
    assert_eq!(error.class(), Class::Timeout);
    assert_eq!(
        error.rejection().map(Rejection::kind),
        Some(RejectionKind::DeadlineExceeded)
    );
    let late = tokio::time::Instant::now() - deadline;
    assert!(late < Duration::from_millis(10), "{late:?}");
}
