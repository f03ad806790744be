use campanile::Usage;
use proptest::prelude::*;

use super::{table::undated, *};

fn dollars(text: &str) -> Dollars {
    text.parse().unwrap()
}

fn usage(input: u64, cached: u64, written: u64, output: u64) -> Usage {
    Usage {
        input_tokens: Some(input),
        cached_tokens: Some(cached),
        cache_write_tokens: Some(written),
        output_tokens: Some(output),
        ..Usage::default()
    }
}

fn prices() -> Prices {
    Prices::from_json(
        r#"{
            "models": {
                "m": {"input": 1, "output": 2},
                "m-mini": {"input": 0.1, "output": 0.2},
                "near/m": {"input": 3, "output": 6},
                "near/fam-*": {"input": 4, "output": 8},
                "fam-*": {"input": 5, "output": 10},
                "fam-big-*": {"input": 6, "output": 12},
                "org/open-1": {"input": 7, "output": 14}
            },
            "aliases": {"default": "m", "near/best": "near/m"}
        }"#,
    )
    .unwrap()
}

fn input_of(prices: &Prices, provider: Option<&str>, model: &str) -> Option<String> {
    let price = prices.find(provider, model)?;
    Some(price.input.to_string())
}

#[test]
fn amounts_are_the_decimals_that_were_written() {
    for (text, nanos) in [
        ("0", 0),
        ("3", 3_000_000_000),
        ("0.1", 100_000_000),
        ("0.075", 75_000_000),
        ("1.10", 1_100_000_000),
        ("0.000000001", 1),
        ("18446744073.709551615", u64::MAX),
    ] {
        assert_eq!(dollars(text).as_nanos(), nanos, "{text}");
    }
    // As numbers, which are read as floating point.
    for (json, nanos) in [
        ("0.3", 300_000_000),
        ("2.675", 2_675_000_000),
        ("7", 7_000_000_000),
    ] {
        let read: Dollars = serde_json::from_str(json).unwrap();
        assert_eq!(read.as_nanos(), nanos, "{json}");
    }
    for (text, says) in [
        ("", "decimal of 0 or more"),
        ("-1", "decimal of 0 or more"),
        ("+1", "decimal of 0 or more"),
        ("1,5", "decimal of 0 or more"),
        (".5", "decimal of 0 or more"),
        ("1.0000000001", "nine digits"),
        ("18446744073.709551616", "below"),
    ] {
        let error = text.parse::<Dollars>().unwrap_err().to_string();
        assert!(error.contains(says), "{text}: {error}");
    }
    assert!(serde_json::from_str::<Dollars>("-0.5").is_err());
    assert!(serde_json::from_str::<Dollars>("null").is_err());
}

#[test]
fn names_are_found_in_their_order() {
    let prices = prices();
    let find = |provider, model| input_of(&prices, provider, model);
    assert_eq!(find(None, "m").as_deref(), Some("1"));
    assert_eq!(
        find(Some("near"), "m").as_deref(),
        Some("3"),
        "its provider's"
    );
    assert_eq!(find(Some("far"), "m").as_deref(), Some("1"), "anybody's");
    assert_eq!(find(Some("near"), "m-20260131").as_deref(), Some("3"));
    assert_eq!(find(None, "default").as_deref(), Some("1"));
    assert_eq!(find(Some("near"), "best").as_deref(), Some("3"));
    assert_eq!(find(Some("far"), "best"), None);
    assert_eq!(find(None, "m-mini-2026-01-31").as_deref(), Some("0.1"));
    assert_eq!(find(None, "m-nano"), None, "not what it merely begins with");
    assert_eq!(find(None, "fam-1").as_deref(), Some("5"));
    assert_eq!(find(None, "fam-big-1").as_deref(), Some("6"), "the longest");
    assert_eq!(find(Some("near"), "fam-big-1").as_deref(), Some("4"));
    assert_eq!(find(Some("any"), "org/open-1").as_deref(), Some("7"));
    assert_eq!(find(Some("org"), "open-1").as_deref(), Some("7"));
    assert_eq!(find(None, "near/m").as_deref(), Some("3"));
    assert_eq!(find(None, ""), None);
}

#[test]
fn dates_are_told_from_other_numbers() {
    for (model, name) in [
        ("gpt-5-2025-08-07", "gpt-5"),
        ("claude-sonnet-4-20250514", "claude-sonnet-4"),
        ("claude-sonnet-4@20250514", "claude-sonnet-4"),
        ("gpt-4-0613", "gpt-4"),
        ("mistral-small-latest", "mistral-small"),
        ("llama3:latest", "llama3"),
    ] {
        assert_eq!(undated(model), Some(name), "{model}");
    }
    for model in [
        "gpt-4",
        "ctx-8192",
        "m-2025-13-07",
        "m-20251332",
        "m-1999-01-01",
        "m-0000",
        "",
        "-0613",
        "é-20250514é",
    ] {
        assert_eq!(undated(model), None, "{model}");
    }
}

#[test]
fn each_kind_of_token_has_its_price() {
    let price = Price::new(dollars("3"), dollars("15"))
        .with_cached_input(dollars("0.3"))
        .with_cache_write(dollars("3.75"))
        .with_per_request(dollars("0.01"));
    // 100 plain, 600 cached, 300 written, 50 out.
    let nanos = 100 * 3_000 + 600 * 300 + 300 * 3_750 + 50 * 15_000 + 10_000_000;
    assert_eq!(price.of(&usage(1_000, 600, 300, 50)), nanos);
    let nothing = Price::new(dollars("3"), dollars("15"));
    assert_eq!(nothing.of(&Usage::default()), 0);
    assert_eq!(
        nothing.of(&usage(1_000, 600, 300, 0)),
        3_000_000,
        "as other input"
    );
    assert_eq!(
        nothing.of(&usage(10, 600, 300, 0)),
        30_000,
        "never more than all"
    );
}

#[test]
fn what_stays_in_the_cache_for_longer_has_a_price_of_its_own() {
    let short = Price::new(dollars("3"), dollars("15")).with_cache_write(dollars("3.75"));
    let price = short.clone().with_cache_write_long(dollars("6"));
    let taken = |long| Usage {
        cache_write_long_tokens: long,
        ..usage(1_000, 600, 300, 50)
    };
    // 100 plain, 600 cached at the price of plain ones, 300 written, of which 200 for an hour, 50 out.
    let nanos = 700 * 3_000 + 100 * 3_750 + 200 * 6_000 + 50 * 15_000;
    assert_eq!(price.of(&taken(Some(200))), nanos);
    assert_eq!(
        price.of(&taken(Some(900))),
        nanos + 100 * (6_000 - 3_750),
        "never more than all"
    );
    assert_eq!(price.of(&taken(None)), short.of(&taken(None)));
    assert_eq!(
        short.of(&taken(Some(200))),
        short.of(&taken(None)),
        "as the others"
    );
    assert_eq!(price.most(1_000, 0), 6_000_000);
    let json = r#"{"input": 3, "output": 15, "cache_write": 3.75, "cache_write_long": 6,
        "tiers": [{"above": 9, "input": 4, "output": 20, "cache_write_long": 8}]}"#;
    let read: Price = serde_json::from_str(json).unwrap();
    let tier = Tier::new(9, dollars("4"), dollars("20")).with_cache_write_long(dollars("8"));
    assert_eq!(read, price.with_tier(tier));
    assert_eq!(
        read.of(&taken(Some(200))),
        800 * 4_000 + 200 * 8_000 + 50 * 20_000
    );
}

#[test]
fn a_long_prompt_has_the_price_of_its_tier_for_all_its_tokens() {
    let price = Price::new(dollars("1.25"), dollars("10")).with_tier(
        Tier::new(200_000, dollars("2.5"), dollars("15")).with_cached_input(dollars("0.25")),
    );
    assert_eq!(price.of(&usage(200_000, 0, 0, 1)), 200_000 * 1_250 + 10_000);
    // Cached tokens count to the length.
    let tiered = 100_001 * 2_500 + 100_000 * 250 + 15_000;
    assert_eq!(price.of(&usage(200_001, 100_000, 0, 1)), tiered);
}

// liter-llm's budget counts costs under half a micro-dollar as 0.
#[test]
fn costs_under_half_a_micro_dollar_count() {
    let price = Price::new(dollars("0.02"), dollars("0.04"));
    assert_eq!(price.of(&usage(1, 0, 0, 0)), 20);
    let calls = (0..1_000).map(|_| price.of(&usage(20, 0, 0, 0)));
    assert_eq!(calls.sum::<u64>(), 400_000, "0.0004 dollars");
    // Under a nano-dollar: half of it is one.
    let price = Price::new(dollars("0.0001"), dollars("0"));
    assert_eq!(price.of(&usage(4, 0, 0, 0)), 0);
    assert_eq!(price.of(&usage(5, 0, 0, 0)), 1);
}

// liter-llm's CostBased router never compares costs.
#[test]
fn of_two_providers_the_cheaper_is_told_by_what_the_call_costs() {
    let prices = Prices::from_json(
        r#"{"models": {
            "a/m": {"input": 1, "output": 10, "cached_input": 0.1},
            "b/m": {"input": 2, "output": 4}
        }}"#,
    )
    .unwrap();
    let cost = |provider, usage: &Usage| prices.cost(Some(provider), "m", usage).unwrap();
    let long_answer = usage(100, 0, 0, 1_000);
    assert!(cost("b", &long_answer) < cost("a", &long_answer));
    let cached = usage(10_000, 9_000, 0, 10);
    assert!(cost("a", &cached) < cost("b", &cached));
}

#[test]
fn errors_name_the_model_the_field_and_the_rule() {
    for (json, says) in [
        (
            r#"{"models": {"m": {"input": 1}}}"#,
            "m: missing field `output`",
        ),
        (
            r#"{"models": {"m": {"input": -1, "output": 1}}}"#,
            "m: input: \"-1\" is no amount",
        ),
        (
            r#"{"models": {"m": {"input": 1, "output": "x"}}}"#,
            "m: output: \"x\" is no amount",
        ),
        (
            r#"{"models": {"m": {"input": 1, "output": 1, "ouput": 1}}}"#,
            "m: unknown field `ouput`",
        ),
        (
            r#"{"models": {"m": {"input": 1, "output": 1}, "m": {"input": 1, "output": 1}}}"#,
            "m is there twice",
        ),
        (
            r#"{"models": {"m": {"input": 1, "output": 1, "most_output": 0}}}"#,
            "m: price.most_output is Some(0): it is at least 1",
        ),
        (
            r#"{"models": {"m": {"input": 1, "output": 1, "tiers": [{"above": 9, "input": 0.5, "output": 1}]}}}"#,
            "m: price.tiers.input",
        ),
        (
            r#"{"models": {"m": {"input": 1, "output": 1, "tiers": [
                {"above": 9, "input": 1, "output": 1}, {"above": 9, "input": 1, "output": 1}]}}}"#,
            "m: price.tiers.above is 9: each tier is above more tokens",
        ),
        (
            r#"{"models": {"m*x": {"input": 1, "output": 1}}}"#,
            "\"m*x\": a star is at the end",
        ),
        (
            r#"{"models": {"": {"input": 1, "output": 1}}}"#,
            "a name is not empty",
        ),
        (r#"{"aliases": {"a": "b"}}"#, "\"a\": an alias stands for"),
        (
            r#"{"models": {"m": {"input": 1, "output": 1}}, "aliases": {"m": "m"}}"#,
            "\"m\": it is an alias",
        ),
        ("7", "expected struct PriceList"),
    ] {
        let error = Prices::from_json(json).unwrap_err().to_string();
        assert!(error.contains(says), "{json}\n{error}\n{says}");
    }
    let error = Prices::from_file("/nowhere/prices.json").unwrap_err();
    assert!(
        error.to_string().contains("/nowhere/prices.json"),
        "{error}"
    );
}

#[test]
fn prices_change_for_all_who_share_them_or_not_at_all() {
    let prices = prices();
    let shared = prices.clone();
    let held = shared.find(None, "m").unwrap();
    let list = PriceList::default()
        .with_model("m", Price::new(dollars("9"), dollars("9")))
        .with_alias("n", "m");
    prices.replace(&list).unwrap();
    assert_eq!(input_of(&shared, None, "n").as_deref(), Some("9"));
    assert_eq!(
        held.input,
        dollars("1"),
        "a call keeps its price to the end"
    );
    let broken = list.with_alias("x", "y");
    assert!(prices.replace(&broken).is_err());
    assert_eq!(input_of(&shared, None, "m").as_deref(), Some("9"));
    assert!(prices.reload("/nowhere").is_err());
    assert_eq!(input_of(&shared, None, "m").as_deref(), Some("9"));
}

fn all_at(price: &str) -> PriceList {
    PriceList::default().with_model("m", Price::new(dollars(price), dollars(price)))
}

/// Each thread keeps what it saw last.
#[test]
fn every_thread_sees_what_was_put_in_place() {
    let prices = Prices::new(&all_at("1")).unwrap();
    let (ask, asked) = std::sync::mpsc::channel::<()>();
    let (answer, answers) = std::sync::mpsc::channel();
    let shared = prices.clone();
    let other = std::thread::spawn(move || {
        for () in asked {
            answer.send(input_of(&shared, None, "m")).unwrap();
        }
    });
    for price in ["1", "2", "3"] {
        prices.replace(&all_at(price)).unwrap();
        for _ in 0..2 {
            ask.send(()).unwrap();
            assert_eq!(answers.recv().unwrap().as_deref(), Some(price));
            assert_eq!(input_of(&prices, None, "m").as_deref(), Some(price));
        }
    }
    drop(ask);
    other.join().unwrap();
}

#[test]
fn a_thread_may_look_at_more_prices_than_it_keeps() {
    let held = |prices: &Prices| Arc::strong_count(&prices.present.table());
    let list = all_at("1");
    let many: Vec<_> = (0..10).map(|_| Prices::new(&list).unwrap()).collect();
    for prices in many.iter().chain(&many) {
        assert_eq!(input_of(prices, None, "m").as_deref(), Some("1"));
    }
    let kept = many.iter().filter(|prices| held(prices) > 2).count();
    assert_eq!(kept, 4);
    many[9].replace(&all_at("2")).unwrap();
    assert_eq!(input_of(&many[9], None, "m").as_deref(), Some("2"));
    // Those that nobody uses any more make room.
    drop(many);
    let prices = Prices::new(&list).unwrap();
    assert_eq!(held(&prices), 2, "the prices and who asks");
    for _ in 0..2 {
        assert_eq!(input_of(&prices, None, "m").as_deref(), Some("1"));
        assert_eq!(held(&prices), 3);
    }
    prices.replace(&all_at("2")).unwrap();
    let table = prices.present.table();
    assert_eq!(Arc::strong_count(&table), 2);
    assert_eq!(input_of(&prices, None, "m").as_deref(), Some("2"));
    assert_eq!(Arc::strong_count(&table), 3, "and the thread's is gone on");
}

#[test]
fn a_look_within_a_look_sees_the_same() {
    let prices = Prices::new(&all_at("1")).unwrap();
    let within = prices.first(None, [Some("m"), None], |_| input_of(&prices, None, "m"));
    assert_eq!(within.flatten().as_deref(), Some("1"));
}

#[test]
fn the_example_file_can_be_used() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/prices/example.json");
    let prices = Prices::from_file(path).unwrap();
    assert!(prices.find(None, "example-large-2030-01-31").is_some());
    assert_eq!(format!("{prices:?}"), "Prices { models: 4 }");
}

fn any_dollars() -> impl Strategy<Value = Dollars> {
    (0..200_000_000_000_u64).prop_map(Dollars::from_nanos)
}

proptest! {
    #[test]
    fn an_amount_is_read_as_it_is_written(nanos in any::<u64>()) {
        let amount = Dollars::from_nanos(nanos);
        prop_assert_eq!(amount.to_string().parse::<Dollars>().unwrap(), amount);
        let json = serde_json::to_string(&amount).unwrap();
        prop_assert_eq!(serde_json::from_str::<Dollars>(&json).unwrap(), amount);
    }

    #[test]
    fn a_number_is_the_decimal_that_was_written(whole in 0..10_000_u64, fraction in 0..1_000_000_000_u64) {
        let text = format!("{whole}.{fraction:09}");
        let read: Dollars = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(read.as_nanos(), whole * 1_000_000_000 + fraction);
    }

    // From what a word holds to what none does.
    #[test]
    fn any_numbers_are_added_up_exactly(
        input in any::<u64>(), output in any::<u64>(), tokens in any::<u64>(), out in any::<u64>(), shift in 0..60_u32,
    ) {
        let [input, output, tokens, out] = [input, output, tokens, out].map(|number| number >> shift);
        let price = Price::new(Dollars::from_nanos(input), Dollars::from_nanos(output));
        let parts = [(tokens, input), (out, output)].map(|(tokens, price)| u128::from(tokens) * u128::from(price));
        let exact = parts[0].saturating_add(parts[1]).saturating_add(500_000) / 1_000_000;
        let exact = u64::try_from(exact).unwrap_or(u64::MAX);
        prop_assert_eq!(price.of(&usage(tokens, 0, 0, out)), exact);
    }

    #[test]
    fn a_price_is_exact_and_the_dearest_is_never_less(
        input in any_dollars(), output in any_dollars(), cached in any_dollars(), write in any_dollars(),
        tokens in 0..2_000_000_u64, cached_tokens in 0..2_000_000_u64, written in 0..2_000_000_u64,
        out in 0..200_000_u64, hour in any_dollars(), long in 0..2_000_000_u64,
    ) {
        let price = Price::new(input, output).with_cached_input(cached).with_cache_write(write);
        let price = price.with_cache_write_long(hour);
        let taken = Usage {
            cache_write_long_tokens: Some(long),
            ..usage(tokens, cached_tokens, written, out)
        };
        let from_cache = cached_tokens.min(tokens);
        let to_cache = written.min(tokens - from_cache);
        let plain = tokens - from_cache - to_cache;
        let long = long.min(to_cache);
        let to_cache = to_cache - long;
        let exact = [(plain, input), (from_cache, cached), (to_cache, write), (long, hour), (out, output)]
            .map(|(tokens, price)| u128::from(tokens) * u128::from(price.as_nanos()))
            .iter()
            .sum::<u128>();
        let nanos = u128::from(price.of(&taken));
        prop_assert!(nanos * 1_000_000 <= exact + 500_000 && exact < nanos * 1_000_000 + 500_000);
        prop_assert!(price.most(tokens, out) >= price.of(&taken));
    }

    #[test]
    fn no_name_and_no_text_make_it_panic(provider in proptest::option::of(".*"), model in ".*", json in ".*") {
        let _ = prices().find(provider.as_deref(), &model);
        let _ = Prices::from_json(&json);
        let _ = json.parse::<Dollars>();
    }
}

/// What a provider reports may be any number, and so may a price.
#[test]
fn what_is_too_much_to_be_said_is_the_most() {
    let prices = |price: &str| Price::new(price.parse().unwrap(), price.parse().unwrap());
    let usage = |tokens| Usage {
        input_tokens: Some(tokens),
        output_tokens: Some(tokens),
        ..Usage::default()
    };
    // 10^12 tokens each way at a million dollars for a million.
    assert_eq!(prices("1000000").of(&usage(1_000_000_000_000)), u64::MAX);
    assert_eq!(prices("1000000").of(&usage(1_000)), 2_000_000_000_000);
    assert_eq!(prices("18446744073").of(&usage(u64::MAX)), u64::MAX);
    assert_eq!(prices("18446744073").most(u64::MAX, u64::MAX), u64::MAX);
}
