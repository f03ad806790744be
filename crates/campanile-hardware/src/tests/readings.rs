//! The ceiling over recorded readings.

use proptest::prelude::*;

use super::*;

/// A ceiling and the machine that it follows, a second a step.
struct Scene {
    hardware: Hardware,
    ceiling: Ceiling,
    second: u64,
}

impl Scene {
    fn new(config: CeilingConfig) -> Self {
        Self::on(machine(), config)
    }

    fn on(hardware: Hardware, config: CeilingConfig) -> Self {
        let ceiling = config.build().unwrap().ceiling(&hardware, at(0));
        Self {
            hardware,
            ceiling,
            second: 0,
        }
    }

    fn step(&mut self) -> Change {
        self.second += 1;
        self.ceiling.step(&self.hardware, at(self.second))
    }

    /// So many seconds without change in the machine; the ceiling after each.
    fn run(&mut self, seconds: u64) -> Vec<f64> {
        (0..seconds)
            .map(|_| {
                self.step();
                self.ceiling.value()
            })
            .collect()
    }

    fn cpu(&mut self, average: f64) {
        self.hardware.cpu_pressure = Some(Stall {
            average,
            total_micros: None,
        });
    }
}

fn io() -> CeilingConfig {
    CeilingConfig::new(Work::io())
}

#[test]
fn without_pressure_it_is_what_the_machine_allows() {
    let mut scene = Scene::new(io());
    assert_eq!(scene.ceiling.value(), 32.0);
    assert_eq!(scene.run(60), [32.0; 60]);
    assert_eq!(
        Scene::new(CeilingConfig::new(Work::cpu())).ceiling.value(),
        8.0
    );
    // (12 GiB - 1.6 GiB) of 512 MiB.
    let memory = CeilingConfig::new(Work::memory(512 << 20));
    assert_eq!(Scene::new(memory).ceiling.value(), 20.0);
    assert_eq!(io().start(&machine()), 16.0);
    assert_eq!(io().with_share(0.5).with_cap(6.0).start(&machine()), 6.0);
}

#[test]
fn a_share_of_the_machine_is_a_share_of_the_ceiling() {
    let scene = Scene::new(io().with_share(0.25));
    assert_eq!(scene.ceiling.value(), 8.0);
    let scene = Scene::new(io().with_cap(20.0).with_floor(4.0));
    assert_eq!(scene.ceiling.value(), 20.0);
}

#[test]
fn pressure_cuts_at_once_then_waits_for_the_effect() {
    let mut scene = Scene::new(io());
    scene.run(3);
    scene.cpu(0.9);
    assert_eq!(scene.step(), Change::Cut(Cause::CpuPressure));
    assert_eq!(scene.ceiling.value(), 24.0);
    assert_eq!(scene.run(4), [24.0; 4], "it settles");
    assert_eq!(scene.step(), Change::Cut(Cause::CpuPressure));
    assert_eq!(scene.ceiling.value(), 18.0);
    assert_eq!(scene.ceiling.snapshot().pressed, Some(Cause::CpuPressure));
}

#[test]
fn it_never_falls_below_its_floor_and_comes_back_step_by_step() {
    let mut scene = Scene::new(io().with_floor(3.0));
    scene.cpu(1.0);
    assert_eq!(scene.run(120).last(), Some(&3.0));
    scene.cpu(0.0);
    let back = scene.run(120);
    assert!(back.windows(2).all(|pair| pair[0] <= pair[1]), "{back:?}");
    assert_eq!(
        &back[..6],
        [3.0, 3.0, 3.0, 3.0, 3.0, 6.0],
        "calm for 5 s first"
    );
    assert_eq!(back.last(), Some(&32.0));
    let full = back.iter().position(|ceiling| *ceiling == 32.0).unwrap();
    assert!((40..=60).contains(&full), "it took {full} s");
}

#[test]
fn between_the_bounds_it_is_held() {
    let mut scene = Scene::new(io());
    scene.cpu(0.6);
    scene.step();
    for pressure in [0.49, 0.21, 0.4] {
        scene.cpu(pressure);
        assert_eq!(scene.run(30), [24.0; 30], "at {pressure}");
    }
    scene.cpu(0.2);
    assert!(scene.run(30).last().unwrap() > &24.0, "calm");
}

#[test]
fn a_burst_is_no_pressure_and_the_memory_of_an_average_is_none() {
    let mut scene = Scene::new(io());
    let mut total = 0;
    let mut tell = |scene: &mut Scene, average: f64, share: f64| {
        total += (share * 1e6) as u64;
        scene.hardware.cpu_pressure = Some(Stall {
            average,
            total_micros: Some(total),
        });
        scene.step()
    };
    tell(&mut scene, 0.0, 0.0);
    // A second of full stall, which the average has hardly seen.
    assert_eq!(tell(&mut scene, 0.1, 1.0), Change::Held);
    tell(&mut scene, 0.3, 1.0);
    assert_eq!(
        tell(&mut scene, 0.6, 1.0),
        Change::Cut(Cause::CpuPressure),
        "it lasts"
    );
    // Over; the average says otherwise for ten seconds more.
    for average in [0.9, 0.82, 0.74, 0.67, 0.61, 0.55, 0.5, 0.45, 0.41, 0.37] {
        assert_eq!(tell(&mut scene, average, 0.0), Change::Held);
        assert_eq!(scene.ceiling.value(), 24.0);
    }
}

#[test]
fn a_quota_that_is_used_up_is_pressure() {
    let mut scene = Scene::new(CeilingConfig::new(Work::cpu()));
    let mut stat = Throttling::default();
    let mut tell = |scene: &mut Scene, throttled: u64| {
        stat.periods += 10;
        stat.throttled += throttled;
        scene.hardware.throttling = Some(stat);
        scene.step()
    };
    tell(&mut scene, 0);
    assert_eq!(tell(&mut scene, 5), Change::Held, "once is a burst");
    assert_eq!(tell(&mut scene, 5), Change::Cut(Cause::Throttling));
    assert_eq!(scene.ceiling.value(), 6.0);
    for _ in 0..60 {
        tell(&mut scene, 0);
    }
    assert_eq!(scene.ceiling.value(), 8.0);
}

#[test]
fn short_memory_halves_and_goes_before_processors() {
    let mut scene = Scene::new(io());
    scene.cpu(1.0);
    scene.hardware.memory.available = 1 << 30;
    assert_eq!(scene.step(), Change::Cut(Cause::MemoryUsed));
    assert_eq!(scene.ceiling.value(), 16.0);

    let mut scene = Scene::new(io());
    scene.hardware.memory_pressure = Some(Stall {
        average: 0.1,
        total_micros: None,
    });
    assert_eq!(scene.step(), Change::Cut(Cause::MemoryPressure));
}

#[test]
fn load_counts_where_pressure_is_unknown() {
    let load = Load {
        one: 20.0,
        running: Some(25),
    };
    let mut scene = Scene::new(io());
    scene.hardware.load = Some(load);
    assert_eq!(scene.step(), Change::Cut(Cause::Load));

    let mut scene = Scene::new(io());
    scene.hardware.load = Some(load);
    scene.cpu(0.0);
    assert_eq!(scene.step(), Change::Held, "pressure knows better");

    let mut scene = Scene::new(io());
    scene.hardware.load = Some(Load {
        running: Some(2),
        ..load
    });
    assert_eq!(scene.step(), Change::Held, "the load of a minute ago");
}

#[test]
fn memory_that_the_stage_itself_holds_does_not_lower_its_ceiling() {
    let config = CeilingConfig::new(Work::memory(512 << 20));
    let mut scene = Scene::new(config);
    // Ten calls of 512 MiB run.
    scene.hardware.memory.available -= 5 << 30;
    assert_eq!(scene.run(10), [20.0; 10]);
}

#[test]
fn a_machine_that_grows_or_shrinks_while_running_is_followed() {
    let mut scene = Scene::new(io());
    scene.hardware.cores.quota = Some(2.5);
    assert_eq!(scene.step(), Change::Resized);
    assert_eq!(scene.ceiling.value(), 10.0);
    scene.hardware.cores.quota = None;
    scene.step();
    assert_eq!(scene.ceiling.value(), 32.0);

    let mut scene = Scene::new(CeilingConfig::new(Work::memory(1 << 30)));
    assert_eq!(scene.ceiling.value(), 10.0);
    scene.hardware.memory.limit = Some(10 << 30);
    scene.hardware.memory.available = 6 << 30;
    scene.step();
    assert_eq!(scene.ceiling.value(), 5.0, "(12 - 6 - 1) GiB");
}

#[test]
fn a_signal_is_switched_off_by_a_bound_that_is_never_reached() {
    let config = CeilingConfig {
        cpu_pressure: Band::new(1.1, 1.0),
        ..io()
    };
    let mut scene = Scene::new(config);
    scene.cpu(1.0);
    assert_eq!(scene.run(20), [32.0; 20]);
}

/// An hour in which every pressure comes and goes.
fn reading() -> impl Strategy<Value = (f64, f64, u64, u32, u64)> {
    (0.0..1.0, 0.0..0.3, 0_u64..16, 0_u32..64, 0_u64..11)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn it_stays_within_its_bounds(
        readings in prop::collection::vec(reading(), 1..200),
        floor in 1_u32..8,
        quota in prop::option::of(0.1..16.0),
    ) {
        let mut hardware = machine();
        hardware.cores.quota = quota;
        let config = io().with_floor(f64::from(floor)).with_cap(40.0);
        let mut scene = Scene::on(hardware, config.clone());
        let full = scene.ceiling.value();
        let mut periods = 0;
        let mut throttled = 0;
        let mut last = (full, 0);
        for (cpu, memory, gib, running, bursts) in readings {
            periods += 10;
            throttled += bursts.min(10);
            scene.cpu(cpu);
            scene.hardware.memory_pressure = Some(Stall { average: memory, total_micros: None });
            scene.hardware.memory.available = gib << 30;
            scene.hardware.load = Some(Load { one: f64::from(running), running: Some(running) });
            scene.hardware.throttling = Some(Throttling { periods, throttled });
            let change = scene.step();
            let value = scene.ceiling.value();
            prop_assert!(value >= f64::from(floor) && value <= full, "{value}");
            prop_assert_eq!(value.fract(), 0.0);
            match change {
                Change::Cut(_) => prop_assert!(value < last.0),
                Change::Raised => prop_assert!(value > last.0),
                _ => prop_assert_eq!(value, last.0),
            }
            if value != last.0 {
                prop_assert!(last.1 == 0 || scene.second - last.1 >= 5 || change != Change::Raised);
                last = (value, scene.second);
            }
        }
    }
}
