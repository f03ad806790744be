use proptest::prelude::*;

use super::*;

fn refused(config: SpendLimitConfig) -> String {
    config.build().unwrap_err().to_string()
}

fn read(text: &str) -> Result<SpendBudget, serde_json::Error> {
    serde_json::from_str(text)
}

#[test]
fn a_mistake_names_field_value_and_rule() {
    let one = |budget| SpendLimitConfig::new(budget);
    let day = SpendBudget::tokens(10, Period::Day);
    assert!(one(day.clone()).build().is_ok());
    assert_eq!(
        refused(SpendLimitConfig::default()),
        "spend_limit.budgets is 0: there must be from 1 to 4; more go into a layer of their own"
    );
    let five = (1..=5).fold(SpendLimitConfig::default(), |config, hours| {
        let period = Period::Every(Duration::from_secs(hours * 3_600));
        config.with_budget(SpendBudget::tokens(1, period))
    });
    assert!(refused(five).starts_with("spend_limit.budgets is 5"));
    assert_eq!(
        refused(one(day.clone()).with_budget(day.clone())),
        "spend_limit.budgets.name is \"tokens_per_day\": another budget has this name, or the same unit and period and no name"
    );
    let named = day.clone().with_name("other");
    assert!(one(day.clone()).with_budget(named).build().is_ok());
    for dollars in [f64::NAN, f64::INFINITY, -1.0, 0.000_000_000_1, 1e18] {
        let budget = SpendBudget::dollars(dollars, Period::Day);
        let error = refused(one(budget));
        assert!(error.starts_with("spend_limit.budgets.limit is"), "{error}");
    }
    for parts in [
        vec![0.0],
        vec![1.1],
        vec![f64::NAN],
        vec![0.1, 0.2, 0.3, 0.4, 0.5],
    ] {
        let error = refused(one(day.clone().with_warn_at(parts)));
        assert!(
            error.starts_with("spend_limit.budgets.warn_at is"),
            "{error}"
        );
    }
    let short = Period::Every(Duration::from_millis(999));
    assert_eq!(
        refused(one(SpendBudget::tokens(1, short))),
        "spend_limit.budgets.period is 999ms: it must be from one second to 100 years, or forever"
    );
    assert!(refused(one(day.clone()).with_max_keys(0)).starts_with("spend_limit.max_keys is 0"));
    let much = one(day.clone()).with_assumed_tokens(u64::MAX);
    assert!(refused(much).starts_with("spend_limit.assumed_tokens is"));
    assert!(refused(one(day.with_name(""))).starts_with("spend_limit.budgets.name is"));
}

#[test]
fn money_is_read_to_the_nano_dollar_however_it_is_written() {
    let limit = |written: &str| {
        let text = format!(r#"{{ "unit": "money", "limit": {written}, "period": "day" }}"#);
        read(&text)
            .map(|budget| budget.limit)
            .map_err(|error| error.to_string())
    };
    for (written, nanos) in [
        ("\"0.01\"", 10_000_000),
        ("0.01", 10_000_000),
        ("1e-9", 1),
        ("\"0.000000001\"", 1),
        ("\"12\"", 12_000_000_000),
        ("12", 12_000_000_000),
        ("\"12.500000000000\"", 12_500_000_000),
        ("0.3", 300_000_000),
        ("\"36028797.018963967\"", 36_028_797_018_963_967),
    ] {
        assert_eq!(limit(written), Ok(nanos), "{written}");
    }
    for wrong in [
        "\"\"",
        "\".5\"",
        "\"0.0000000001\"",
        "\"1,5\"",
        "-1",
        "\"$1\"",
        "\"1.2.3\"",
        "\"99999999999\"",
    ] {
        let error = limit(wrong).unwrap_err();
        assert!(
            error.contains("an amount of dollars has digits"),
            "{wrong}: {error}"
        );
    }
    assert_eq!(SpendBudget::dollars(0.1, Period::Day).limit, 100_000_000);
}

#[test]
fn it_is_read_as_people_write_it() {
    let budget = read(r#"{ "unit": "tokens", "limit": 5000, "period": "36h", "window": "rolling", "enforce": "warn" }"#).unwrap();
    let day_and_a_half = Period::Every(Duration::from_secs(36 * 3_600));
    let expected = SpendBudget::tokens(5_000, day_and_a_half)
        .with_window(Window::FirstUse)
        .with_enforce(Enforce::Warn);
    assert_eq!(budget, expected);
    assert_eq!(budget.name(), "tokens_per_1day 12h");
    assert_eq!(
        SpendBudget::tokens(1, Period::Forever).name(),
        "tokens_forever"
    );

    let error = read(r#"{ "unit": "tokens", "limit": 5, "period": "fortnight" }"#).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("\"fortnight\" is no period: minute, hour"),
        "{error}"
    );
    let error = read(r#"{ "unit": "tokens", "limit": "0.5", "period": "day" }"#).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("\"0.5\" is no whole number of tokens"),
        "{error}"
    );
    assert!(read(r#"{ "unit": "tokens", "limit": 5, "period": "day", "per": 3 }"#).is_err());
    assert!(serde_json::from_str::<SpendLimitConfig>(r#"{ "budget": [] }"#).is_err());

    let config: SpendLimitConfig = serde_json::from_str(r#"{ "assumed_money": "0.02" }"#).unwrap();
    assert_eq!(config.assumed_money, 20_000_000);
    let config = config
        .with_budget(budget)
        .with_budget(SpendBudget::dollars(0.07, Period::Week));
    let text = serde_json::to_string(&config).unwrap();
    assert!(text.contains(r#""limit":"0.07""#), "{text}");
    assert_eq!(
        serde_json::from_str::<SpendLimitConfig>(&text).unwrap(),
        config
    );
}

proptest! {
    #[test]
    fn an_amount_is_the_same_when_it_is_written_and_read(nanos in any::<u64>()) {
        prop_assert_eq!(money::parse(&money::text(nanos)), Ok(nanos));
    }

    #[test]
    fn what_is_no_amount_is_refused_and_nothing_panics(text in ".{0,24}") {
        if let Ok(nanos) = money::parse(&text) {
            let same = money::parse(&money::text(nanos));
            prop_assert_eq!(same, Ok(nanos));
        }
    }
}
