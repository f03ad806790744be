//! The memory probe, over a scripted machine.

use std::sync::{
    Arc,
    atomic::{AtomicU32, AtomicU64, Ordering},
};

use campanile::{
    Endpoint,
    health::{Check, Probe, Report, Verdict},
};

use super::*;

/// A machine of 16 GiB whose available memory a test moves.
#[derive(Clone, Default)]
struct Script {
    available: Arc<AtomicU64>,
    reads: Arc<AtomicU32>,
}

impl Script {
    fn gib(gib: u64) -> Self {
        let script = Self::default();
        script.set(gib);
        script
    }

    fn set(&self, gib: u64) {
        self.available.store(gib << 30, Ordering::Relaxed);
    }

    fn reads(&self) -> u32 {
        self.reads.load(Ordering::Relaxed)
    }
}

impl Source for Script {
    fn read(&mut self) -> Hardware {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let mut hardware = machine();
        hardware.memory.available = self.available.load(Ordering::Relaxed);
        hardware
    }
}

async fn look(probe: &MemoryProbe) -> Report {
    probe.check(Check::new(Endpoint::new("local"), ())).await
}

#[tokio::test(start_paused = true)]
async fn more_than_the_share_is_unhealthy() {
    let script = Script::gib(4);
    let probe = MemoryProbe::new(0.75).unwrap().with_source(script.clone());
    let report = look(&probe).await;
    assert_eq!(report.verdict, Verdict::Healthy, "at the bound");
    let metrics = [
        ("memory_used".into(), 0.75),
        ("memory_available_bytes".into(), f64::from(1 << 30) * 4.0),
    ];
    assert_eq!(report.metrics, metrics);

    script.set(2);
    tokio::time::advance(SEC).await;
    let report = look(&probe).await;
    assert_eq!(report.verdict, Verdict::Unhealthy);
    assert_eq!(
        report.message,
        "87.5 % of 16384 MiB in use, more than 75.0 %"
    );

    let free = MemoryProbe::with_free(0.25).unwrap();
    assert!(
        !look(&free.clone().with_source(Script::gib(3)))
            .await
            .is_healthy()
    );
    assert!(look(&free.with_source(Script::gib(4))).await.is_healthy());
}

#[tokio::test(start_paused = true)]
async fn a_container_is_judged_by_its_own_limit() {
    let source = || {
        let mut hardware = machine();
        hardware.memory.limit = Some(1 << 30);
        hardware.memory.available = 1 << 26;
        hardware
    };
    let report = look(&MemoryProbe::new(0.9).unwrap().with_source(source)).await;
    assert_eq!(
        report.message,
        "93.8 % of 1024 MiB in use, more than 90.0 %"
    );
}

#[tokio::test(start_paused = true)]
async fn memory_is_read_once_a_second_for_all() {
    let script = Script::gib(8);
    let probe = MemoryProbe::new(0.9).unwrap().with_source(script.clone());
    for probe in [&probe, &probe.clone()] {
        for _ in 0..100 {
            look(probe).await;
        }
    }
    assert_eq!(script.reads(), 1);
    tokio::time::advance(SEC).await;
    look(&probe).await;
    assert_eq!(script.reads(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_sampler_reads_for_it_as_long_as_it_runs() {
    let script = Script::gib(8);
    let sampler = Sampler::with_source(script.clone()).spawn();
    let probe = MemoryProbe::watching(0.9, &sampler).unwrap();
    assert!(look(&probe).await.is_healthy());
    assert_eq!(script.reads(), 1, "it reads nothing of its own");

    script.set(1);
    tokio::time::sleep(SEC + SEC / 2).await;
    assert!(!look(&probe).await.is_healthy());

    drop(sampler);
    tokio::task::yield_now().await;
    let report = look(&probe).await;
    assert_eq!(
        (report.verdict, &*report.message),
        (Verdict::Unknown, "the sampler has ended")
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_not_known_is_not_judged() {
    let probe = MemoryProbe::new(0.9)
        .unwrap()
        .with_source(Hardware::default);
    let report = look(&probe).await;
    assert_eq!(report.verdict, Verdict::Unknown);
    assert_eq!(report.message, "nothing is known of the memory");
}

#[test]
fn an_impossible_share_is_refused() {
    for share in [0.0, 1.0, -0.5, f64::NAN] {
        let error = MemoryProbe::new(share).unwrap_err();
        assert_eq!((error.concern, error.field), ("memory_probe", "max_used"));
        MemoryProbe::with_free(share).unwrap_err();
    }
}

#[test]
fn the_probe_can_be_shared() {
    fn shared<P: Probe<u32> + Clone>(_: &P) {}
    shared(&MemoryProbe::new(0.5).unwrap());
}
