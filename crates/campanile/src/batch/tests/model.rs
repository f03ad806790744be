//! Whatever happens: each caller gets exactly one answer, its own; no item is sent twice, none is lost; no batch is larger or
//! costs more than may be.

use std::collections::HashMap;

use super::*;

/// What becomes of a batch, by its first item and how many it has.
fn fate(batch: &[u32]) -> (Duration, Act) {
    let roll = batch
        .iter()
        .fold(17_u32, |sum, n| sum.wrapping_mul(31).wrapping_add(*n));
    let latency = (roll >> 8) % 40 * MS;
    let act = match roll % 23 {
        0 => Act::Panic,
        1..4 => Act::Fail(|| "down".into()),
        4 => Act::Fail(|| Rejection::new(RejectionKind::RateLimited, "rate_limit").into()),
        5 => Act::Miscount(-1),
        6 => Act::Miscount(2),
        7 => Act::Stall,
        _ => Act::Double,
    };
    (latency, act)
}

struct Ends {
    answered: usize,
    failed: usize,
    refused: usize,
    left: usize,
}

async fn run(seed: u64, config: BatchConfig, splits: bool) -> Ends {
    const ITEMS: u32 = 3_000;
    let mut rng = seeded(seed);
    let upstream = Upstream::new(fate);
    let permits = Permits::new(3);
    let (probe, violations) = ReadinessProbe::recording(upstream.clone());
    let probe = probe.permits(permits.clone());
    let key = |n: &u32| n % 4;
    let cost = |n: &u32| Cost::tokens(u64::from(n % 50));
    let layer = BatchLayer::new(config.clone()).unwrap().key(key).cost(cost);
    let service = match splits {
        true => layer.split().layer(probe),
        false => layer.layer(probe),
    };
    let mut calls = Vec::new();
    for n in 1..=ITEMS {
        let call = service.clone().oneshot(n);
        // A stalled call ends when everyone has lost patience.
        let patience = match rng.u32(0..4) {
            0 => rng.u32(0..120) * MS,
            _ => 5 * SEC,
        };
        calls.push(tokio::spawn(tokio::time::timeout(patience, call)));
        if rng.u32(0..10) == 0 {
            tokio::time::sleep(rng.u32(0..30) * MS).await;
        }
        if rng.u32(0..200) == 0 {
            service.handle().flush();
        }
    }
    let mut ends = Ends {
        answered: 0,
        failed: 0,
        refused: 0,
        left: 0,
    };
    for (n, call) in (1..).zip(calls) {
        // Each caller's task ends, and not by a panic: it got one answer, or left.
        match call.await.unwrap() {
            Err(_) => ends.left += 1,
            Ok(Ok(answer)) => {
                assert_eq!(answer, n * 2, "another's answer");
                ends.answered += 1;
            }
            Ok(Err(error)) if error.to_string() == format!("{n} is bad") => ends.failed += 1,
            Ok(Err(error)) => match Rejection::find(&*error) {
                Some(rejection) if rejection.layer() == "batch" => ends.refused += 1,
                _ => {
                    assert!(!error.to_string().contains("is bad"), "another's error");
                    ends.failed += 1;
                }
            },
        }
    }
    settle().await;
    let snapshot = service.snapshot();
    assert_at_rest(snapshot);
    assert_eq!((permits.free(), permits.reserved()), (3, 0));
    assert_eq!((upstream.in_flight(), violations.list()), (0, vec![]));

    let mut sent = HashMap::<u32, usize>::new();
    for batch in upstream.calls() {
        assert!(batch.len() <= config.max_size, "{batch:?}");
        let sum: u64 = batch.iter().map(|n| cost(n).tokens).sum();
        let within = config.max_cost.is_none_or(|max| sum <= max);
        assert!(within || batch.len() == 1, "{batch:?} costs {sum}");
        assert!(batch.iter().all(|n| key(n) == key(&batch[0])), "{batch:?}");
        for n in batch {
            *sent.entry(n).or_default() += 1;
        }
    }
    if splits {
        // As often as it can be halved, and no more calls than may be.
        let most = (config.max_size.ilog2() + 2) as usize;
        assert!(sent.values().all(|times| *times <= most));
        let more = upstream.calls().len() as u64 - snapshot.batches;
        assert!(more <= snapshot.splits * 2);
    } else {
        assert!(
            sent.values().all(|times| *times == 1),
            "an item was sent twice"
        );
        assert_eq!(upstream.calls().len() as u64, snapshot.batches);
        assert_eq!(sent.len() as u64, snapshot.items);
    }
    let flushes = snapshot.flushes;
    let all: u64 = FlushCause::ALL.map(|cause| flushes.of(cause)).iter().sum();
    assert_eq!(all, snapshot.batches);
    // Everyone who was not sent left, or was refused.
    let unsent = u64::from(ITEMS) - snapshot.items;
    assert!(snapshot.left + snapshot.refused >= unsent, "{snapshot:?}");
    ends
}

#[tokio::test(start_paused = true)]
async fn each_caller_gets_exactly_one_answer() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let mut sum = Ends {
        answered: 0,
        failed: 0,
        refused: 0,
        left: 0,
    };
    for seed in 0..12 {
        let mut config = plain()
            .with_max_size(1 + seed as usize * 2)
            .with_batch_timeout(40 * MS);
        if seed % 2 == 0 {
            config = config.with_max_cost(120);
        }
        if seed % 3 == 0 {
            config = config.with_max_in_flight(2).with_max_waiting(60);
        }
        config = config.with_when_idle(seed % 4 == 1);
        if seed % 5 == 0 {
            config = config.with_adaptive(AdaptiveSize::new(20 * MS));
        }
        let ends = run(seed, config, seed % 3 == 1).await;
        sum.answered += ends.answered;
        sum.failed += ends.failed;
        sum.refused += ends.refused;
        sum.left += ends.left;
    }
    std::panic::set_hook(hook);
    // It is a test of each of them.
    let Ends {
        answered,
        failed,
        refused,
        left,
    } = sum;
    assert!(
        answered > 5_000 && failed > 500 && refused > 500 && left > 500,
        "{answered} {failed} {refused} {left}"
    );
}
