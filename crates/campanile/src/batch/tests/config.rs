use super::*;

#[track_caller]
fn refused(config: BatchConfig) -> String {
    let error = BatchHandle::new(config.clone()).unwrap_err();
    assert_eq!(BatchLayer::<u32>::new(config).unwrap_err(), error);
    error.to_string()
}

#[test]
fn the_defaults_are_those_of_the_docs() {
    let config = BatchConfig::default().build().unwrap();
    assert_eq!((config.max_size, config.batch_timeout), (32, 200 * MS));
    assert_eq!((config.max_cost, config.max_in_flight), (None, None));
    assert_eq!((config.max_waiting, config.extra_calls), (10_000, 16));
    assert!(!config.when_idle && config.adaptive.is_none());
}

#[test]
fn settings_that_cannot_be_are_named() {
    let rules = [
        (
            plain().with_max_size(0),
            "batch.max_size is 0: it must be from 1 to 1,000,000",
        ),
        (
            plain().with_max_size(1_000_001),
            "batch.max_size is 1000001: it must be from 1 to 1,000,000",
        ),
        (
            plain().with_max_cost(0),
            "batch.max_cost is Some(0): it must be at least 1",
        ),
        (
            plain().with_max_in_flight(0),
            "batch.max_in_flight is Some(0): it must be from 1 to 1,000,000",
        ),
        (
            plain().with_max_waiting(31),
            "batch.max_waiting is 31: it must be at least max_size",
        ),
        (
            plain().with_adaptive(AdaptiveSize::new(Duration::ZERO)),
            "batch.adaptive.target is 0ns: it must be above 0",
        ),
        (
            plain().with_adaptive(AdaptiveSize::new(SEC).with_min(33)),
            "batch.adaptive.min is 33: it must be from 1 to max_size",
        ),
        (
            plain().with_adaptive(AdaptiveSize::new(SEC).with_min(4).with_initial(3)),
            "batch.adaptive.initial is 3: it must be from min to max_size",
        ),
    ];
    for (config, message) in rules {
        assert_eq!(refused(config), message);
    }
}

#[test]
fn settings_survive_serialisation() {
    let config = plain()
        .with_max_size(96)
        .with_max_cost(300_000)
        .with_batch_timeout(20 * MS)
        .with_when_idle(true)
        .with_max_in_flight(4)
        .with_max_waiting(500)
        .with_extra_calls(10)
        .with_adaptive(AdaptiveSize::new(2 * SEC).with_initial(8));
    let text = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<BatchConfig>(&text).unwrap(), config);
    assert_eq!(serde_json::from_str::<BatchConfig>("{}").unwrap(), plain());
    let error = serde_json::from_str::<BatchConfig>(r#"{ "size": 3 }"#).unwrap_err();
    assert!(
        error.to_string().contains("unknown field `size`"),
        "{error}"
    );
}
