//! What the pages in `docs/gateway` and the files in `examples` say, held against the code.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use campanile::{
    budget::BudgetConfig, circuit_breaker::CircuitBreakerConfig,
    concurrency_limit::ConcurrencyLimitConfig, hedge::HedgeConfig, retry::RetryConfig,
    spend_limit::SpendBudget, timeout::TimeoutConfig,
};
use campanile_llm::{provider::HttpConfig, resume::ResumeConfig, route::Fallbacks};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    Gateway,
    config::{
        AdminConfig, Config, KeyConfig, LimitsConfig, Loaded, LogConfig, MemberConfig, PoolConfig,
        ProbeConfig, ProviderSection, ServerConfig, SimulatedConfig, StageConfig, load_in,
    },
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Loads with every variable set, to something of its own.
fn load(text: &str) -> Result<Loaded, String> {
    load_at(text, &root())
}

fn load_at(text: &str, folder: &Path) -> Result<Loaded, String> {
    let env = |name: &str| Some(format!("value-of-{name}"));
    load_in(text, folder, &env, false).map_err(|error| error.to_string())
}

#[tokio::test]
async fn the_examples_load_and_a_gateway_is_made_of_each() {
    for name in ["gateway.yaml", "gateway-small.yaml"] {
        let loaded = load_at(&read(&format!("examples/{name}")), &root().join("examples"))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(loaded.warnings.is_empty(), "{name}: {:?}", loaded.warnings);
        Gateway::new(loaded.config).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn the_small_example_is_small() {
    let text = read("examples/gateway-small.yaml");
    assert!(text.lines().filter(|line| !line.starts_with('#')).count() <= 10);
    let config = load(&text).unwrap().config;
    let stage = config.stages.values().next().unwrap();
    assert_eq!(config.stages.len(), 1);
    assert_eq!(stage.models, ["small"]);
}

#[test]
fn the_large_example_has_every_section() {
    let text = read("examples/gateway.yaml");
    for field in fields::<Config>() {
        // A page of its own has it; one file does not do both.
        if field != "workflow" {
            let written = text.lines().any(|line| {
                line.trim_start_matches("# ")
                    .starts_with(&format!("{field}:"))
            });
            assert!(written, "{field}");
        }
    }
    for (fields, section) in [
        (fields::<PoolConfig>(), "pools"),
        (fields::<StageConfig>(), "stages"),
        (fields::<KeyConfig>(), "keys"),
        (fields::<ProviderSection>(), "providers"),
        (fields::<ServerConfig>(), "server"),
        (fields::<HttpConfig>(), "http"),
        (fields::<SimulatedConfig>(), "simulated"),
        (fields::<LimitsConfig>(), "limits"),
    ] {
        for field in fields {
            assert!(text.contains(&format!("{field}:")), "{section}: {field}");
        }
    }
}

/// The fields of a struct, as serde lists them when it refuses another.
fn fields<T: DeserializeOwned>() -> BTreeSet<String> {
    let Err(error) = serde_json::from_value::<T>(json!({ "?": 0 })) else {
        panic!("it takes everything")
    };
    let error = error.to_string();
    let (_, expected) = error.split_once("expected ").unwrap();
    let names = expected.split('`').skip(1).step_by(2);
    let names = names.filter(|name| !ALIASES.contains(name));
    names.map(str::to_owned).collect()
}

/// Other names of settings, which other systems have.
const ALIASES: [&str; 14] = [
    "api_key",
    "url",
    "rate_limit_per_second",
    "max_workers",
    "timeout_seconds",
    "consecutive_failures",
    "failure_rate_threshold",
    "slow_call_rate_threshold",
    "slow_call_duration",
    "minimum_calls",
    "minimum_number_of_calls",
    "recovery_timeout",
    "reset_timeout",
    "success_threshold",
];

/// The rows of the table that follows a mark: a setting and its default.
fn table(page: &str, mark: &str) -> BTreeMap<String, String> {
    let start = page
        .find(&format!("<!-- {mark} -->"))
        .unwrap_or_else(|| panic!("no table {mark}"));
    let lines = page[start..]
        .lines()
        .skip(1)
        .skip_while(|line| !line.starts_with('|'));
    let rows = lines.take_while(|line| line.starts_with('|')).skip(2);
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        (
            cells[1].trim_matches('`').to_owned(),
            cells[2].trim_matches('`').to_owned(),
        )
    })
    .collect()
}

/// What a table says of a default.
fn shown(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some("–".to_owned()),
        Value::String(text) => Some(text.clone()),
        Value::Array(list) if list.is_empty() => Some("–".to_owned()),
        Value::Object(map) if map.is_empty() => Some("–".to_owned()),
        Value::Number(number) => Some(
            number
                .as_f64()
                .map_or(number.to_string(), |n| n.to_string()),
        ),
        Value::Bool(on) => Some(on.to_string()),
        // A section of its own.
        Value::Array(_) | Value::Object(_) => None,
    }
}

fn check<T: Serialize + DeserializeOwned>(wrong: &mut Vec<String>, mark: &str, default: &T) {
    let page = read("docs/gateway/config.md");
    let table = table(&page, mark);
    let fields = fields::<T>();
    let told: BTreeSet<String> = table.keys().cloned().collect();
    if told != fields {
        let missing: Vec<_> = fields.difference(&told).collect();
        let beyond: Vec<_> = told.difference(&fields).collect();
        wrong.push(format!("{mark}: missing {missing:?}, unknown {beyond:?}"));
    }
    let default = serde_json::to_value(default).unwrap();
    for (field, told) in &table {
        let value = default.get(field).unwrap_or(&Value::Null);
        if let Some(expected) = shown(value)
            && expected != *told
        {
            wrong.push(format!(
                "{mark}: {field} is {expected} by default, and not {told}"
            ));
        }
    }
}

#[test]
fn the_page_of_settings_names_each_with_its_default() {
    let mut wrong = Vec::new();
    let w = &mut wrong;
    check(w, "top", &Config::default());
    check(w, "provider", &ProviderSection::default());
    check(w, "simulated", &SimulatedConfig::default());
    check(w, "pool", &PoolConfig::default());
    check(w, "member", &MemberConfig::from("provider"));
    let pool = PoolConfig::default();
    check::<RetryConfig>(w, "retry", &pool.retry.clone().unwrap());
    let budget = pool.retry.clone().unwrap().budget.unwrap();
    check::<BudgetConfig>(w, "retry budget", &budget);
    check(w, "hedge", &HedgeConfig::default());
    check(w, "resume", &ResumeConfig::default());
    check(w, "breaker", &CircuitBreakerConfig::default());
    check(w, "concurrency", &ConcurrencyLimitConfig::default());
    check::<TimeoutConfig>(w, "timeouts", &pool.timeouts);
    check(w, "probe", &ProbeConfig::default());
    check(w, "stage", &StageConfig::default());
    check(w, "key", &KeyConfig::default());
    check(w, "limits", &LimitsConfig::default());
    check(w, "server", &ServerConfig::default());
    check(w, "http", &HttpConfig::default());
    check(w, "admin", &AdminConfig::default());
    check(w, "log", &LogConfig::default());
    assert!(
        wrong.is_empty(),
        "docs/gateway/config.md:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn the_page_of_budgets_names_each_setting() {
    let page = read("docs/gateway/limits-and-budgets.md");
    for field in fields::<SpendBudget>() {
        assert!(page.contains(&format!("`{field}`")), "{field}");
    }
}

#[test]
fn every_class_of_errors_may_have_a_fallback_and_is_on_the_page() {
    let page = read("docs/gateway/errors.md");
    let example = read("examples/gateway.yaml");
    for class in campanile_llm::error::Class::ALL {
        let name = class.name();
        let fallbacks = serde_json::from_value::<Fallbacks>(json!({ name: "other" }));
        assert!(fallbacks.is_ok(), "{name}");
        assert!(example.contains(name), "{name} is not in the example");
        // Of these the caller is told by a status and the provider's or OpenAI's own code.
        let told = matches!(name, "rate" | "request" | "context_window");
        assert!(told || page.contains(name), "{name} is not on the page");
    }
}

/// The blocks of a language in a page.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let parts = page.split(&fence).skip(1);
    parts
        .map(|part| part.split("```").next().unwrap_or("").to_owned())
        .collect()
}

#[test]
fn settings_in_the_pages_load() {
    let mut count = 0;
    for entry in fs::read_dir(root().join("docs/gateway")).unwrap() {
        let path = entry.unwrap().path();
        let page = fs::read_to_string(&path).unwrap();
        for block in blocks(&page, "yaml") {
            // Prometheus' own.
            if block.starts_with("# prometheus.yml") || block.starts_with("groups:") {
                continue;
            }
            // Parts of a file: what they name is added.
            let mut settings: serde_json::Value = serde_saphyr::from_str(&block).unwrap();
            let named = block.split(|c: char| !c.is_alphanumeric() && c != '-' && c != '_');
            let providers = settings["providers"]
                .as_object()
                .cloned()
                .unwrap_or_default();
            let mut all = serde_json::Map::new();
            for name in named.filter(|name| STAND_INS.contains(name)) {
                let model = json!({ "simulated": {}, "models": { "small": null, "smart": null, "long": null } });
                all.insert(name.to_owned(), model);
            }
            if all.is_empty() && settings["workflow"].is_null() {
                all.insert("any".to_owned(), json!({ "simulated": {} }));
            }
            if !settings["prices"].is_null() {
                settings["prices"] = json!("crates/campanile-llm/prices/example.json");
            }
            all.extend(providers);
            settings["providers"] = all.into();
            // JSON is YAML too. Files of secrets lie on another machine.
            let text = settings.to_string();
            let text = text.replace(
                r#"{"file":"/run/secrets/back-office"}"#,
                r#""sk-of-the-back-office""#,
            );
            if let Err(error) = load(&text) {
                panic!("{}: {error}\n{text}", path.display());
            }
            count += 1;
        }
    }
    assert!(count >= 8, "{count}");
}

/// Names of providers that parts of files in the pages speak of, and do not have.
const STAND_INS: [&str; 3] = ["openai", "openai-eu", "anthropic"];

#[test]
fn links_lead_somewhere() {
    let folder = root().join("docs/gateway");
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let page = fs::read_to_string(&path).unwrap();
        for link in page
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let file = link.split('#').next().unwrap();
            let there =
                file.is_empty() || file.starts_with("https://") || folder.join(file).exists();
            assert!(there, "{}: {link}", path.display());
        }
    }
}

#[test]
fn every_variable_is_on_the_page() {
    let page = read("docs/gateway/config.md");
    for (variable, setting, _) in crate::config::OVERRIDES {
        let row = format!("| `{variable}` | `{setting}` |");
        assert!(page.contains(&row), "{row}");
    }
}
