use std::panic::AssertUnwindSafe;

use futures_util::StreamExt;
use tokio::task::JoinSet;
use tower::util::BoxCloneSyncService;

use super::*;
use crate::{
    protocol::Streaming,
    testing::{ScriptStream, seeded},
};

type Words = ScriptStream<u32>;

/// How a stream may go on, by chance.
fn words(rng: &mut fastrand::Rng) -> Words {
    let mut words = ScriptStream::new();
    for i in 0..rng.u32(..3) {
        words = words.piece(i);
        if rng.bool() {
            words = words.pause(rng.u32(1..4) * MS);
        }
    }
    match rng.u32(..8) {
        0 => words.cut("reset"),
        1 => words.stall(),
        2 => words.panic(),
        _ => words,
    }
}

fn step(rng: &mut fastrand::Rng) -> Step<Words> {
    let latency = rng.u32(..3) * MS;
    match rng.u32(..10) {
        0 => Step::error("broken").after(latency),
        1 => Step::stall(),
        2 => Step::panic_in_call(),
        3 => Step::panic_in_poll().after(latency),
        _ => Step::answer(words(rng)).after(latency),
    }
}

/// Calls that end in every way there is, over a limit that moves meanwhile.
async fn random_endings(config: ConcurrencyLimitConfig, calls: usize) {
    let script = Script::rule(|call| step(&mut seeded(call)));
    let service = ConcurrencyLimitLayer::new(config)
        .unwrap()
        .protocol(Streaming::default())
        .layer(script.service());
    let handle = service.handle();
    let mut rng = seeded(3);
    let mut tasks = JoinSet::new();
    for i in 0..calls {
        let service = BoxCloneSyncService::new(service.clone());
        let patience = rng.u32(..20) * MS;
        tasks.spawn(async move {
            let call = async {
                let mut stream = service.oneshot(()).await?;
                while let Some(word) = stream.next().await {
                    word?;
                }
                Ok::<_, BoxError>(())
            };
            let call = AssertUnwindSafe(tokio::time::timeout(patience, call)).catch_unwind();
            let _ = call.await;
        });
        if i % 8 == 0 {
            tokio::time::sleep(MS).await;
            while tasks.try_join_next().is_some() {}
        }
        if i % 64 == 0 {
            handle.set_limit(rng.u32(1..12));
        } else if i % 64 == 32 {
            handle.adapt();
        }
    }
    tasks.join_all().await;
    let counts = script.counts();
    assert!(counts.calls as usize > calls / 8, "{counts:?}");
    assert!(counts.panicked > 0 && counts.cancelled > 0 && counts.finished > 0);
    assert_at_rest(&handle);
    handle.set_limit(2);
    assert_eq!(handle.limit(), 2);
}

#[tokio::test(start_paused = true)]
async fn random_endings_leave_a_static_limit_as_it_was() {
    quiet();
    random_endings(ConcurrencyLimitConfig::fixed(5).waiting(16, 5 * MS), 50_000).await;
}

#[tokio::test(start_paused = true)]
async fn random_endings_leave_an_adaptive_limit_as_it_was() {
    quiet();
    let config = ConcurrencyLimitConfig::default().waiting(16, 5 * MS);
    random_endings(config, 50_000).await;
}

/// The panics of the script are no news.
fn quiet() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let text = info.payload().downcast_ref::<&str>();
            if !text.is_some_and(|text| text.contains("script")) {
                usual(info);
            }
        }));
    });
}
