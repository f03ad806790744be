use super::*;

fn refused(config: MetricsConfig) -> String {
    config.build().unwrap_err().to_string()
}

#[test]
fn the_defaults_are_in_range() {
    let config = MetricsConfig::default().build().unwrap();
    assert_eq!(config.prefix, "campanile");
    assert_eq!(config.buckets.first(), Some(&Duration::from_millis(1)));
    assert_eq!(config.buckets.last(), Some(&Duration::from_secs(300)));
}

#[test]
fn what_cannot_be_a_name_is_refused() {
    let config = MetricsConfig::default;
    for prefix in ["a b", "1st", "_a", "a-b", "é"] {
        assert!(refused(config().with_prefix(prefix)).contains("metrics.prefix"));
    }
    config().with_prefix("").build().unwrap();
    for label in ["", "zone-1", "1", "__name__", "a.b"] {
        assert!(refused(config().with_labels([label])).contains("metrics.labels"));
    }
    let error = refused(config().with_labels(["zone", "stage"]));
    assert!(error.contains("meaning of its own"), "{error}");
    let error = refused(config().with_labels(["zone", "zone"]));
    assert_eq!(error, r#"metrics.labels is "zone": it is there twice"#);
}

#[test]
fn bounds_ascend() {
    let config = |millis: &[u64]| {
        MetricsConfig::default().with_buckets(millis.iter().copied().map(Duration::from_millis))
    };
    config(&[1, 2, 3]).build().unwrap();
    for millis in [&[][..], &[0, 1], &[2, 1], &[1, 1]] {
        assert!(refused(config(millis)).contains("metrics.buckets"));
    }
    let many: Vec<_> = (1..=101).collect();
    assert!(refused(config(&many)).contains("from 1 to 100"));
}

#[test]
fn it_is_read_as_it_is_written() {
    let config = MetricsConfig::default().with_labels(["zone"]);
    let text = serde_json::to_string(&config).unwrap();
    assert!(text.contains(r#""1ms""#), "{text}");
    assert_eq!(
        serde_json::from_str::<MetricsConfig>(&text).unwrap(),
        config
    );
    let numbers: MetricsConfig = serde_json::from_str(r#"{"buckets": [0.5, 1, "2s"]}"#).unwrap();
    let millis: Vec<_> = numbers.buckets.iter().map(Duration::as_millis).collect();
    assert_eq!(millis, [500, 1_000, 2_000]);
    assert!(serde_json::from_str::<MetricsConfig>(r#"{"bucket": []}"#).is_err());
}
