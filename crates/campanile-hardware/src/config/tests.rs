use super::*;

fn refused(change: impl FnOnce(&mut CeilingConfig)) -> String {
    let mut config = CeilingConfig::default();
    change(&mut config);
    config.build().unwrap_err().to_string()
}

#[test]
fn the_default_is_valid() {
    let config = CeilingConfig::default();
    assert_eq!(config.clone().build().unwrap(), config);
    for work in [Work::cpu(), Work::io(), Work::memory(1)] {
        assert!(CeilingConfig::new(work).build().is_ok());
    }
}

#[test]
fn a_mistake_names_field_value_and_rule() {
    assert_eq!(
        refused(|config| config.floor = 0.0),
        "hardware.floor is 0.0: it must be at least 1, or the stage stands still"
    );
    assert_eq!(
        refused(|config| config.cap = Some(0.5)),
        "hardware.cap is 0.5: it must not be below floor"
    );
    assert_eq!(
        refused(|config| config.memory_cut = 1.0),
        "hardware.memory_cut is 1.0: it must be above 0 and below 1"
    );
    assert_eq!(
        refused(|config| config.raise = f64::NAN),
        "hardware.raise is NaN: it must be above 0 and at most 1"
    );
    assert_eq!(
        refused(|config| config.load = Band::new(1.0, 1.0)),
        "hardware.load is Band { high: 1.0, low: 1.0 }: low must be from 0 to below high"
    );
    assert_eq!(
        refused(|config| config.work = Work::memory(0)),
        "hardware.work.per_request is 0: it must be above 0"
    );
    assert_eq!(
        refused(|config| config.work = Work::Io {
            start_per_core: 5.0,
            per_core: 4.0
        }),
        "hardware.work.start_per_core is 5.0: it must not be above work.per_core"
    );
    assert_eq!(
        refused(|config| config.work = Work::Cpu { per_core: -1.0 }),
        "hardware.work.per_core is -1.0: it must be above 0"
    );
    assert_eq!(
        refused(|config| config.work = Work::Memory {
            per_request: 1,
            reserve: 1.0
        }),
        "hardware.work.reserve is 1.0: it must be from 0 to below 1"
    );
}

#[test]
fn it_is_read_and_written_as_people_do() {
    let text = r#"{
        "work": { "kind": "memory", "per_request": 1048576, "reserve": 0.2 },
        "cap": 50, "settle": "2s", "calm": "1m",
        "cpu_pressure": { "high": 0.7, "low": 0.3 }
    }"#;
    let config: CeilingConfig = serde_json::from_str(text).unwrap();
    assert_eq!(
        config.work,
        Work::Memory {
            per_request: 1 << 20,
            reserve: 0.2
        }
    );
    assert_eq!(config.calm, Duration::from_secs(60));
    assert_eq!(config.cpu_pressure, Band::new(0.7, 0.3));
    assert_eq!(config.memory_used, CeilingConfig::default().memory_used);
    let written = serde_json::to_string(&config).unwrap();
    assert_eq!(
        serde_json::from_str::<CeilingConfig>(&written).unwrap(),
        config
    );
    for text in [
        r#"{ "flor": 1 }"#,
        r#"{ "work": { "kind": "cpu", "per_cor": 2 } }"#,
    ] {
        assert!(
            serde_json::from_str::<CeilingConfig>(text).is_err(),
            "{text}"
        );
    }
}
