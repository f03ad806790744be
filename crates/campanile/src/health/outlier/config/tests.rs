use super::*;

#[test]
fn defaults_are_sound_and_survive_serialisation() {
    let config = OutlierConfig::default().build().unwrap();
    let text = serde_json::to_string(&config).unwrap();
    assert_eq!(
        serde_json::from_str::<OutlierConfig>(&text).unwrap(),
        config
    );
    assert_eq!(serde_json::from_str::<OutlierConfig>("{}").unwrap(), config);
    assert_eq!(config.steps(), 6);
    assert!(serde_json::from_str::<OutlierConfig>(r#"{"windw": 3}"#).is_err());
}

#[test]
fn each_mistake_is_named() {
    let base = OutlierConfig::default();
    let second = Duration::from_secs(1);
    for (config, field) in [
        (
            base.with_consecutive_failures(Some(0)),
            "consecutive_failures",
        ),
        (
            base.with_success_rate_deviations(Some(0.0)),
            "success_rate_deviations",
        ),
        (
            base.with_success_rate_errors(f64::NAN),
            "success_rate_errors",
        ),
        (base.with_latency_factor(Some(1.0)), "latency_factor"),
        (base.with_latency_deviations(-1.0), "latency_deviations"),
        (base.with_min_members(2), "min_members"),
        (base.with_min_calls(0), "min_calls"),
        (base.with_window(9 * second), "window"),
        (base.with_window(601 * second), "window"),
        (base.with_interval(Duration::ZERO), "interval"),
        (base.with_eject_for(Duration::ZERO), "eject_for"),
        (base.with_forget_after(Duration::ZERO), "forget_after"),
        (base.with_jitter(1.5), "jitter"),
        (base.with_max_ejected(-0.1), "max_ejected"),
    ] {
        let error = config.build().unwrap_err();
        assert_eq!((error.concern, error.field), ("outlier", field));
    }
}

#[test]
fn the_share_is_of_whole_members_and_one_at_least() {
    let limit = |share, members| {
        OutlierConfig::default()
            .with_max_ejected(share)
            .limit(members)
    };
    for (share, members, expected) in [
        (0.1, 1, 1),
        (0.1, 9, 1),
        (0.1, 10, 1),
        (0.1, 19, 1),
        (0.1, 20, 2),
        (0.1, 30, 3),
        (0.29, 100, 29),
        (0.5, 3, 1),
        (1.0, 7, 7),
        (0.0, 1_000, 0),
    ] {
        assert_eq!(limit(share, members), expected, "{share} of {members}");
    }
}

#[test]
fn ejections_grow_up_to_a_limit() {
    let config = OutlierConfig::default();
    let seconds = |count, chance| config.lasts(count, chance).as_secs_f64();
    assert_eq!(
        [1, 2, 3, 10, 11, u32::MAX].map(|count| seconds(count, 0.0)),
        [30.0, 60.0, 90.0, 300.0, 300.0, 300.0]
    );
    assert_eq!(seconds(1, 1.0), 27.0);
    assert_eq!(seconds(u32::MAX, 0.5), 285.0);
    let long = config.with_eject_for(Duration::from_secs(600));
    assert_eq!(long.lasts(3, 0.0), Duration::from_secs(600));
}
