use std::{collections::BTreeMap, path::Path, time::Duration};

use crate::config::{LoadError, Loaded, LogFormat, OVERRIDES, load::load_in};

fn loaded(set: &[(&str, &str)], text: &str) -> Result<Loaded, LoadError> {
    let set: BTreeMap<_, _> = set.iter().copied().collect();
    let env = |name: &str| set.get(name).map(|value| (*value).to_owned());
    load_in(text, Path::new(""), &env, true)
}

const FILE: &str = "providers: { ollama: {} }\nlimits: { concurrent: 3 }\nlisten: 9000\n";

#[test]
fn the_environment_comes_before_the_file() {
    let set = [
        ("CAMPANILE_LISTEN", "0.0.0.0:81"),
        ("CAMPANILE_ADMIN_TOKEN", "token-of-these-tests"),
        ("CAMPANILE_LOG", "debug"),
        ("CAMPANILE_LOG_FORMAT", "json"),
        ("MAX_CONCURRENT_BRANCHES", "12"),
        ("BRANCH_PROCESSING_TIMEOUT_SECS", "1.5"),
    ];
    let loaded = loaded(&set, FILE).unwrap();
    let config = loaded.config;
    assert_eq!(config.listen, "0.0.0.0:81".parse().unwrap());
    assert_eq!(
        &*config.admin.token.unwrap().reveal().unwrap(),
        "token-of-these-tests"
    );
    assert_eq!(config.log.filter, "debug");
    assert_eq!(config.log.format, LogFormat::Json);
    assert_eq!(config.limits.concurrent, Some(12));
    let second = Some(Duration::from_millis(1500));
    assert_eq!(config.deadline, second);
    assert_eq!(config.stages["default"].deadline, second);
    let told: Vec<_> = loaded
        .overrides
        .iter()
        .map(|set| (set.variable, set.value.as_str()))
        .collect();
    let mut expected = set;
    expected[1].1 = "***";
    assert_eq!(told, expected, "all are told, without a secret");
    assert_eq!(
        OVERRIDES.map(|(variable, ..)| variable),
        set.map(|(variable, _)| variable)
    );
}

#[test]
fn an_empty_variable_is_none() {
    let loaded = loaded(
        &[("CAMPANILE_LISTEN", " "), ("MAX_CONCURRENT_BRANCHES", "")],
        FILE,
    )
    .unwrap();
    assert_eq!(loaded.config.limits.concurrent, Some(3));
    assert_eq!(loaded.config.listen, "127.0.0.1:9000".parse().unwrap());
    assert!(loaded.overrides.is_empty());
}

#[test]
fn a_bad_value_is_told_with_variable_and_rule() {
    for (variable, value, told) in [
        (
            "MAX_CONCURRENT_BRANCHES",
            "0",
            "limits.concurrent: the environment variable MAX_CONCURRENT_BRANCHES is \"0\": it must be a whole number of calls, at least 1",
        ),
        (
            "BRANCH_PROCESSING_TIMEOUT_SECS",
            "soon",
            "deadline: the environment variable BRANCH_PROCESSING_TIMEOUT_SECS is \"soon\": it must be a number of seconds above 0, and at most 100 years",
        ),
        (
            "BRANCH_PROCESSING_TIMEOUT_SECS",
            "NaN",
            "deadline: the environment variable BRANCH_PROCESSING_TIMEOUT_SECS is \"NaN\": it must be a number of seconds above 0, and at most 100 years",
        ),
        (
            "CAMPANILE_LISTEN",
            "here",
            "listen: the environment variable CAMPANILE_LISTEN is \"here\": it must be an address with a port, such as 127.0.0.1:8080",
        ),
        (
            "CAMPANILE_LOG_FORMAT",
            "xml",
            "log.format: the environment variable CAMPANILE_LOG_FORMAT is \"xml\": it must be text or json",
        ),
    ] {
        let error = loaded(&[(variable, value)], FILE).unwrap_err();
        assert_eq!(error.to_string(), told);
    }
}
