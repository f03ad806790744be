//! The task around the state machine, on paused time and a scripted machine.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

use campanile::control::Dial;

use super::*;

/// A limit of whole calls, at most 100.
#[derive(Default)]
struct Limit {
    value: Mutex<f64>,
    sets: AtomicU32,
    gone: AtomicBool,
}

impl Dial for Limit {
    fn value(&self) -> f64 {
        *self.value.lock().unwrap()
    }

    fn set(&self, value: f64) -> f64 {
        self.sets.fetch_add(1, Ordering::Relaxed);
        let value = value.min(100.0);
        *self.value.lock().unwrap() = value;
        value
    }

    fn is_alive(&self) -> bool {
        !self.gone.load(Ordering::Relaxed)
    }
}

/// A machine in the hand, which counts how often it is looked at.
#[derive(Clone, Default)]
struct Script {
    hardware: Arc<Mutex<Hardware>>,
    reads: Arc<AtomicU32>,
}

impl Script {
    fn new() -> Self {
        let script = Self::default();
        *script.hardware.lock().unwrap() = machine();
        script
    }

    fn change(&self, change: impl FnOnce(&mut Hardware)) {
        change(&mut self.hardware.lock().unwrap());
    }

    fn reads(&self) -> u32 {
        self.reads.load(Ordering::Relaxed)
    }
}

impl Source for Script {
    fn read(&mut self) -> Hardware {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.hardware.lock().unwrap().clone()
    }
}

fn config(work: Work) -> CeilingConfig {
    CeilingConfig::new(work).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn every_stage_is_set_at_once_and_moved_later() {
    let script = Script::new();
    let (parse, chat) = (Arc::<Limit>::default(), Arc::<Limit>::default());
    let sampler = Sampler::with_source(script.clone())
        .stage("parse", config(Work::cpu()), parse.clone())
        .stage("chat", config(Work::io()), chat.clone())
        .spawn();
    assert_eq!(
        (parse.value(), chat.value()),
        (8.0, 32.0),
        "before any call"
    );

    let mut watch = sampler.watch();
    script.change(|hardware| hardware.memory.available = 0);
    watch.changed().await.unwrap();
    assert_eq!((parse.value(), chat.value()), (4.0, 16.0));
    let latest = sampler.latest();
    assert_eq!(latest.hardware.memory.available, 0);
    assert_eq!(latest.stages[1].stage, "chat");
    assert_eq!(latest.stages[1].ceiling.pressed, Some(Cause::MemoryUsed));
    assert_eq!(latest.stages[1].dial, 16.0);

    script.change(|hardware| hardware.memory.available = 12 << 30);
    tokio::time::sleep(SEC * 120).await;
    assert_eq!((parse.value(), chat.value()), (8.0, 32.0));
}

#[tokio::test(start_paused = true)]
async fn it_reads_once_an_interval_and_writes_only_changes() {
    let script = Script::new();
    let limit = Arc::<Limit>::default();
    let sampler = Sampler::with_source(script.clone())
        .interval(SEC * 2)
        .stage("chat", config(Work::io()), limit.clone())
        .spawn();
    tokio::time::sleep(SEC * 21).await;
    assert_eq!(script.reads(), 11);
    assert_eq!(limit.sets.load(Ordering::Relaxed), 1);
    drop(sampler);
}

#[tokio::test(start_paused = true)]
async fn it_ends_with_its_handle() {
    let script = Script::new();
    let limit = Arc::<Limit>::default();
    let sampler = Sampler::with_source(script.clone())
        .stage("chat", config(Work::io()), limit.clone())
        .spawn();
    tokio::time::sleep(SEC * 3).await;
    let mut watch = sampler.watch();
    watch.mark_unchanged();
    drop(sampler);
    assert!(watch.changed().await.is_err(), "the task is gone");
    let reads = script.reads();
    tokio::time::sleep(SEC * 60).await;
    assert_eq!(script.reads(), reads);
    assert_eq!(Arc::strong_count(&limit), 1, "and holds nothing");
}

#[tokio::test(start_paused = true)]
async fn it_ends_when_nothing_is_left_to_move() {
    let script = Script::new();
    let (parse, chat) = (Arc::<Limit>::default(), Arc::<Limit>::default());
    let sampler = Sampler::with_source(script.clone())
        .stage("parse", config(Work::cpu()), parse.clone())
        .stage("chat", config(Work::io()), chat.clone())
        .spawn();
    parse.gone.store(true, Ordering::Relaxed);
    tokio::time::sleep(SEC * 3).await;
    assert!(!sampler.is_finished());
    assert_eq!(sampler.latest().stages.len(), 1);
    assert_eq!(Arc::strong_count(&parse), 1);
    chat.gone.store(true, Ordering::Relaxed);
    tokio::time::sleep(SEC * 3).await;
    assert!(sampler.is_finished());
    assert_eq!(Arc::strong_count(&chat), 1);
}

#[tokio::test(start_paused = true)]
async fn without_a_stage_it_tells_what_it_reads() {
    let script = Script::new();
    let sampler = Sampler::with_source(script.clone()).spawn();
    script.change(|hardware| hardware.cores.quota = Some(0.5));
    tokio::time::sleep(SEC * 3).await;
    assert!(!sampler.is_finished());
    assert_eq!(sampler.latest().hardware.cores.usable(), 0.5);
}

#[tokio::test(start_paused = true)]
async fn the_owner_of_a_limit_has_the_last_word() {
    let limit = Arc::<Limit>::default();
    let config = CeilingConfig::new(Work::Io {
        start_per_core: 2.0,
        per_core: 50.0,
    });
    let sampler = Sampler::with_source(Script::new())
        .stage("chat", config.build().unwrap(), limit.clone())
        .spawn();
    let stage = &sampler.latest().stages[0];
    assert_eq!((stage.ceiling.ceiling, stage.dial), (400.0, 100.0));
    let text = serde_json::to_string(&sampler.latest()).unwrap();
    assert!(text.contains(r#""stage":"chat","ceiling":400.0"#), "{text}");
}

#[tokio::test]
async fn the_real_machine_moves_a_real_dial() {
    let limit = Arc::<Limit>::default();
    let sampler = Sampler::new()
        .stage("parse", config(Work::cpu()), limit.clone())
        .spawn();
    let usable = sampler.latest().hardware.cores.usable();
    assert_eq!(limit.value(), usable.round().max(1.0));
}

#[test]
fn what_goes_between_threads_can() {
    fn check<T: Send + Sync>() {}
    check::<SamplerHandle>();
    check::<Sample>();
    check::<Ceiling>();
    fn send<T: Send>() {}
    send::<Sampler>();
}
