//! Prices that are not known, and what rests on them.

use super::{errors::warned, load};
use crate::testing::Folder;

const PRICES: &str =
    r#"{"models": {"gpt-5": {"input": 1, "output": 2}, "far/llama": {"input": 0, "output": 0}}}"#;

/// What is warned of settings that name a file with these prices.
fn warned_of(name: &str, text: &str) -> Vec<String> {
    let folder = Folder::new(name);
    let file = folder.file("prices.json", PRICES);
    warned(&format!("prices: {}\n{text}", file.display()))
}

#[test]
fn a_model_without_a_price_is_named_where_a_budget_in_money_rests_on_it() {
    let text = "
providers:
  near: {base_url: 'http://127.0.0.1:1/v1', models: {gpt-5: null, mini: mini-2, llama: null}}
  far: {base_url: 'http://127.0.0.1:2/v1', models: {llama: null, gpt-5: azure-gpt-5}}
aliases: {best: mini}
stages:
  chat: {pool: all, model: gpt-5, models: [gpt-5, mini], fallbacks: {otherwise: local}, budgets: [{unit: tokens, limit: 9000000, period: day}, {unit: money, limit: 5, period: day}]}
  local: {pool: all, models: [llama], model: llama}
pools: {all: {}}
keys:
  known: {secret: a-secret-of-the-tests, models: [gpt-5], budgets: [{unit: money, limit: 5, period: day}]}
  both: {secret: another-secret-here, models: [best], budgets: [{unit: money, limit: 5, period: day}]}
  none: {secret: a-third-secret-here, models: [mini]}
";
    let told = warned_of("unpriced", text);
    let says = "calls take nothing of this budget there, or what others that have the model would take; write it into `prices`, 0 where it costs nothing";
    assert_eq!(
        told,
        [
            format!(
                "line 8: stages.chat.budgets[1]: there is no price of `mini-2` at `near` (stage `chat`): {says}"
            ),
            // What it may fall back to is paid by the key as well.
            format!(
                "line 12: keys.known.budgets[0]: there is no price of `mini-2` at `near` (stage `chat`), `llama` at `near` (stage `local`): {says}"
            ),
            format!(
                "line 13: keys.both.budgets[0]: there is no price of `mini-2` at `near` (stage `chat`), `llama` at `near` (stage `local`): {says}"
            ),
        ]
    );
    // Nothing rests on it.
    let text = "providers: {near: {base_url: 'http://127.0.0.1:1/v1', models: [mini]}}";
    assert!(warned_of("unneeded", text).is_empty());
}

#[test]
fn a_member_without_a_price_is_named_where_the_cheapest_is_asked() {
    let text = "
providers:
  near: {base_url: 'http://127.0.0.1:1/v1', models: {a: null, b: null, c: null, d: null, e: null, f: null, gpt-5: null}}
  far: {base_url: 'http://127.0.0.1:2/v1', models: {a: null}}
pools: {all: {strategy: cheapest, members: [near, {provider: far, labels: {price: '3'}}]}}
";
    let told = warned_of("cheapest", text);
    assert_eq!(told.len(), 1, "{told:?}");
    let which: Vec<_> = ["a", "b", "c", "d", "e"]
        .map(|model| format!("`{model}` at `near` (stage `all`)"))
        .to_vec();
    let expected = format!(
        "line 6: pools.all.strategy: there is no price of {} and 1 more: who has none is taken for the dearest; write it into `prices`, or as the label `price` of the member",
        which.join(", ")
    );
    assert_eq!(told[0], expected);
}

#[test]
fn prices_that_cannot_be_are_told_once_and_not_guessed_about() {
    let folder = Folder::new("broken-prices");
    let file = folder.file("prices.json", "{\"models\": {\"a\": {}}}");
    let text = format!(
        "prices: {}\nproviders: {{openai: {{}}}}\nstages: {{a: {{pool: default, budgets: [{{unit: money, limit: 5, period: day}}]}}}}\n",
        file.display()
    );
    let error = load(&text).unwrap_err().to_string();
    assert!(error.contains("missing field `input`"), "{error}");
    assert!(!error.contains("there is no price"), "{error}");
}
