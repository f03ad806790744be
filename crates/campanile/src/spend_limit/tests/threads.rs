//! Many tasks on all cores, in real time.

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

/// Counts what is under way and what was used, each call as much as it says; fails when it is too much.
#[derive(Debug, Clone, Default)]
struct Sink {
    held: Arc<AtomicU64>,
    used: Arc<AtomicU64>,
    most: Arc<AtomicU64>,
}

const LIMIT: u64 = 10_000;

impl Service<Call<u64>> for Sink {
    type Response = ScriptStream<super::settling::Piece>;
    type Error = BoxError;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(
        &mut self,
        _cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), BoxError>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call<u64>) -> Self::Future {
        let (this, cost) = (self.clone(), call.message);
        // What is used is counted before what is held is not, as the budget does.
        let held = this.held.fetch_add(cost, Ordering::SeqCst) + cost;
        let used = this.used.load(Ordering::SeqCst);
        this.most.fetch_max(held, Ordering::SeqCst);
        assert!(held <= LIMIT && used <= LIMIT, "{held} held, {used} used");
        Box::pin(async move {
            tokio::task::yield_now().await;
            let took = cost / 2;
            let throttled = cost % 7 == 0;
            if !throttled {
                this.used.fetch_add(took, Ordering::SeqCst);
            }
            this.held.fetch_sub(cost, Ordering::SeqCst);
            if throttled {
                return Err("throttled".into());
            }
            Ok(super::settling::reporting(took, 0))
        })
    }
}

/// 1,000 calls at once from four threads, again and again: what is reserved never exceeds the limit, what was used never
/// does, and in the end nothing is reserved.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_concurrent_calls_never_overspend() {
    let sink = Sink::default();
    let protocol = Enveloped::new(Streaming::new(
        super::settling::Judge,
        super::settling::Reports,
    ));
    let handle = SpendLimitHandle::new(SpendLimitConfig::new(SpendBudget::tokens(
        LIMIT,
        Period::Forever,
    )))
    .unwrap();
    let service = SpendLimitLayer::shared(&handle)
        .protocol(protocol)
        .cost(|call: &Call<u64>| Cost::tokens(call.message))
        .layer(sink.clone());
    let tasks: Vec<_> = (0..1_000_u64)
        .map(|task| {
            let service = service.clone();
            tokio::spawn(async move {
                let (mut charged, mut refusals) = (0, 0);
                for turn in 0..20 {
                    let cost = 1 + (task * 31 + turn * 17) % 100;
                    match service.clone().oneshot(Call::new(cost)).await {
                        Ok(answer) => {
                            futures_util::StreamExt::collect::<Vec<_>>(answer).await;
                            charged += cost / 2;
                        }
                        Err(error) => refusals += u64::from(Rejection::find(&*error).is_some()),
                    }
                }
                (charged, refusals)
            })
        })
        .collect();
    let (mut charged, mut refusals) = (0, 0);
    for task in tasks {
        let (one, some) = task.await.unwrap();
        charged += one;
        refusals += some;
    }
    let [spent, reserved, left] = seen(&handle, 0);
    assert_eq!((spent, reserved, left), (charged, 0, LIMIT - charged));
    assert!(
        spent <= LIMIT && spent > LIMIT - 200,
        "{spent} of {LIMIT} is spent"
    );
    assert_eq!(handle.refused(), refusals);
    assert!(
        sink.most.load(Ordering::SeqCst) > 100,
        "calls were under way together"
    );
}

/// Periods of a second that end while four threads take as much as they can.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_period_admits_more_than_its_limit_while_it_ends() {
    use std::collections::BTreeMap;

    use super::super::{account::Account, period::Schedule};
    use crate::sync::{AtomicU64, Mutex, lock};

    let schedule = Schedule {
        period: Period::Every(SEC),
        window: Window::Calendar,
    };
    let account = Arc::new(Account::<AtomicU64>::default());
    let clock = Arc::new(AtomicU64::new(0));
    let admitted = Arc::new(Mutex::new(BTreeMap::<u64, u64>::new()));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (account, clock) = (Arc::clone(&account), Arc::clone(&clock));
            let admitted = Arc::clone(&admitted);
            tokio::task::spawn_blocking(move || {
                let mut own = BTreeMap::<u64, u64>::new();
                for _ in 0..200_000 {
                    let now = clock.fetch_add(20_000_000, Ordering::SeqCst);
                    if let Some(period) =
                        account.reserve(&schedule, now, 3, |taken| taken + 3 <= 30)
                    {
                        *own.entry(period.end()).or_default() += 3;
                    }
                }
                let mut all = lock(&admitted);
                for (period, taken) in own {
                    *all.entry(period).or_default() += taken;
                }
            })
        })
        .collect();
    for thread in threads {
        thread.await.unwrap();
    }
    let admitted = lock(&admitted);
    assert!(admitted.len() > 10_000, "{} periods", admitted.len());
    assert!(admitted.values().all(|taken| *taken <= 30));
    assert!(admitted.values().filter(|taken| **taken == 30).count() > 10_000);
}
