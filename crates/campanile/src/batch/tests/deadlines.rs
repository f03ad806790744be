//! A call's deadline counts from the moment at which it joins.

use super::*;
use crate::context::Priority;

/// Answers as many calls as there are.
#[derive(Clone)]
struct Calls(Upstream);

impl Service<Vec<Call<u32>>> for Calls {
    type Response = Vec<Answer>;
    type Error = BoxError;
    type Future = <Upstream as Service<Vec<u32>>>::Future;

    fn poll_ready(&mut self, cx: &mut std::task::Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, batch: Vec<Call<u32>>) -> Self::Future {
        let now = Instant::now();
        let due = |call: &Call<u32>| call.context.deadline.is_none_or(|at| at > now);
        assert!(batch.iter().all(due), "nothing is sent that has expired");
        self.0
            .call(batch.into_iter().map(|call| call.message).collect())
    }
}

fn timely(upstream: &Upstream, config: BatchConfig) -> Batch<Call<u32>, u32, BoxError> {
    BatchLayer::new(config)
        .unwrap()
        .calls()
        .layer(Calls(upstream.clone()))
}

#[tokio::test(start_paused = true)]
async fn an_item_waits_a_quarter_of_what_is_left_to_it() {
    let upstream = Upstream::taking(Duration::ZERO);
    let service = timely(&upstream, plain());
    let patient = begin(&service, Call::new(1)).await;
    tokio::time::sleep(50 * MS).await;
    let (answer, took) = timed(service.clone().oneshot(call_within(100 * MS, 2))).await;
    assert_eq!((answer.unwrap(), took), (4, 25 * MS));
    assert_eq!(patient.await.unwrap().unwrap(), 2);
    assert_eq!(upstream.calls(), [[1, 2]]);
    assert_eq!(service.snapshot().flushes.deadline, 1);
    // Who has time enough changes nothing.
    let (_, took) = timed(service.clone().oneshot(call_within(SEC, 3))).await;
    assert_eq!(took, 200 * MS);
}

#[tokio::test(start_paused = true)]
async fn the_first_item_of_a_batch_may_be_the_hurried_one() {
    let service = timely(&Upstream::taking(Duration::ZERO), plain());
    let (_, took) = timed(service.clone().oneshot(call_within(40 * MS, 3))).await;
    assert_eq!(took, 10 * MS);
}

#[tokio::test(start_paused = true)]
async fn what_has_expired_is_refused_and_does_not_open_a_batch() {
    let upstream = Upstream::taking(Duration::ZERO);
    let service = timely(&upstream, plain());
    let answer = service
        .clone()
        .oneshot(call_within(Duration::ZERO, 1))
        .await;
    assert_eq!(kind(answer), RejectionKind::DeadlineExceeded);
    assert_eq!(
        (service.snapshot().open, service.snapshot().refused),
        (0, 1)
    );
    assert!(upstream.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_service_that_is_not_ready_hears_at_its_deadline() {
    let script = Script::<Vec<Answer>>::new(Step::answer_with(|| vec![Ok(1)]));
    script.set_readiness(Readiness::Pending);
    let service = BatchLayer::new(plain())
        .unwrap()
        .calls()
        .layer(script.service());
    let patient = begin(&service, Call::new(7_u32)).await;
    let (answer, took) = timed(service.clone().oneshot(call_within(100 * MS, 1))).await;
    assert_eq!(
        (kind(answer), took),
        (RejectionKind::DeadlineExceeded, 100 * MS)
    );
    assert_eq!(service.snapshot().waiting, 1);
    script.set_readiness(Readiness::Ready);
    assert_eq!(patient.await.unwrap().unwrap(), 1);
    settle().await;
    assert_at_rest(service.snapshot());
}

#[tokio::test(start_paused = true)]
async fn a_batch_all_of_whom_have_expired_is_not_sent() {
    let upstream = Upstream::taking(SEC);
    let service = timely(&upstream, plain().with_max_size(1).with_max_in_flight(1));
    let first = begin(&service, Call::new(1)).await;
    let (answer, took) = timed(service.clone().oneshot(call_within(300 * MS, 2))).await;
    assert_eq!(
        (kind(answer), took),
        (RejectionKind::DeadlineExceeded, 300 * MS)
    );
    assert!(first.await.unwrap().is_ok());
    settle().await;
    assert_eq!(upstream.calls(), [[1]]);
    assert_at_rest(service.snapshot());
}

/// A deadline says when to send at the latest; what happens to a call under way is another layer's.
#[tokio::test(start_paused = true)]
async fn a_call_under_way_is_not_cut_short() {
    let service = timely(&Upstream::taking(SEC), plain());
    let (answer, took) = timed(service.clone().oneshot(call_within(100 * MS, 1))).await;
    assert_eq!((answer.unwrap(), took), (2, SEC + 25 * MS));
}

/// The batch has been due for long, and waits for the service alone: its task has nothing to wake it by then.
#[tokio::test(start_paused = true)]
async fn who_joins_a_batch_that_is_overdue_hears_at_its_deadline() {
    let script = Script::<Vec<Answer>>::new(Step::answer_with(|| vec![Ok(1)]));
    script.set_readiness(Readiness::Pending);
    let service = BatchLayer::new(plain())
        .unwrap()
        .calls()
        .layer(script.service());
    let patient = begin(&service, Call::new(7_u32)).await;
    tokio::time::sleep(SEC).await;
    let later = tokio::spawn(timed(service.clone().oneshot(call_within(SEC, 1))));
    settle().await;
    let hurried = service.clone().oneshot(call_within(100 * MS, 1));
    let (answer, took) = timed(tokio::time::timeout(60 * SEC, hurried)).await;
    assert_eq!(
        (kind(answer.expect("it hears")), took),
        (RejectionKind::DeadlineExceeded, 100 * MS)
    );
    let (answer, took) = later.await.unwrap();
    assert_eq!((kind(answer), took), (RejectionKind::DeadlineExceeded, SEC));
    script.set_readiness(Readiness::Ready);
    assert_eq!(patient.await.unwrap().unwrap(), 1);
    settle().await;
    assert_at_rest(service.snapshot());
}

/// A pool reads the context of the batch, and not those of its items.
#[tokio::test(start_paused = true)]
async fn a_batch_may_be_one_call_with_a_context_of_its_own() {
    let whole = tower::service_fn(|call: Call<Vec<u32>>| async move {
        let context = call.context;
        assert_eq!(context.priority, Priority::Critical);
        Ok::<_, BoxError>(vec![context.deadline; call.message.len()])
    });
    let layer = BatchLayer::new(plain().with_max_size(2)).unwrap();
    let service = tower::ServiceBuilder::new()
        .layer(layer.calls().plain())
        .map_request(Call::together)
        .service(whole);
    let (mut one, other) = (call_within(SEC, 1), call_within(2 * SEC, 2));
    one.context.priority = Priority::Critical;
    let last = other.context.deadline;
    let answers = join_all([one, other].map(|call| service.clone().oneshot(call))).await;
    assert!(answers.into_iter().all(|answer| answer.unwrap() == last));
}
