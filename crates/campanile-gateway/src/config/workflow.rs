use std::{collections::BTreeMap, time::Duration};

use campanile::{circuit_breaker::CircuitBreakerConfig, config::seconds};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Config, LimitsConfig, PoolConfig, Preset, ProviderSection, StageConfig, check::Check,
    read::suggest::instead,
};

/// Stages as another system writes them: `workflow.parallel_processing.stages`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct WorkflowConfig {
    /// The stages, and what holds for all.
    pub parallel_processing: ParallelConfig,
}

/// What holds for all stages, and the stages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ParallelConfig {
    /// Whether calls run at the same time; one after the other otherwise.
    pub enabled: bool,
    /// How many calls at once, all stages together: `limits.concurrent`.
    pub max_workers: Option<u32>,
    /// How many calls a second, all stages together: `limits.requests_per_second`.
    pub rate_limit_per_second: Option<f64>,
    /// The stages, by name.
    pub stages: BTreeMap<String, WorkflowStage>,
}

/// A stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct WorkflowStage {
    /// Whether its calls run at the same time; one after the other otherwise.
    pub enabled: bool,
    /// How many calls at once.
    pub max_workers: Option<u32>,
    /// How many at once at least, however bad things are. Accepted, and does nothing yet: there is no scaling by itself.
    pub min_workers: Option<u32>,
    /// How many calls a second.
    pub rate_limit_per_second: Option<f64>,
    /// After how many failures in a row a provider is left alone.
    pub circuit_breaker_threshold: Option<u32>,
    /// The providers, by name: those of `providers`, or presets. All of `providers` by default.
    pub providers: Vec<String>,
    /// How many calls travel together. Accepted, and does nothing yet: every call goes by itself.
    pub batch_size: Option<u32>,
    /// How long a provider may take for a call, from the first byte that it is sent. Waiting for a turn comes on top.
    #[serde(with = "seconds::optional")]
    #[schemars(with = "Option<Duration>")]
    pub timeout_seconds: Option<Duration>,
    /// How long the first call of a batch waits for others, in milliseconds. Accepted, and does nothing yet: every call goes by
    /// itself.
    pub batch_timeout_ms: Option<u64>,
}

/// How long calls of such a stage wait for their turn: its callers were workers in a queue, who waited.
const MAX_WAIT: Duration = Duration::from_secs(600);

impl Default for ParallelConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            max_workers: None,
            rate_limit_per_second: None,
            stages: BTreeMap::new(),
        }
    }
}

impl Default for WorkflowStage {
    fn default() -> Self {
        Self {
            enabled: true,
            max_workers: None,
            min_workers: None,
            rate_limit_per_second: None,
            circuit_breaker_threshold: None,
            providers: Vec::new(),
            batch_size: None,
            timeout_seconds: None,
            batch_timeout_ms: None,
        }
    }
}

// ===== impl WorkflowConfig =====

impl WorkflowConfig {
    /// Whether it has a stage of this name.
    pub(super) fn has(&self, stage: &str) -> bool {
        self.parallel_processing.stages.contains_key(stage)
    }
}

/// The path of the stages in the file.
const STAGES: [&str; 3] = ["workflow", "parallel_processing", "stages"];

/// Makes a stage and a pool of each, and limits of all of what holds for all.
pub(super) fn translate(config: &mut Config, check: &mut Check<'_>) {
    let Some(workflow) = config.workflow.clone() else {
        return;
    };
    let whole = &workflow.parallel_processing;
    limits_of_all(config, whole, check);
    let turn_of_all = config.limits.max_wait;
    for (name, stage) in &whole.stages {
        let at = [STAGES[0], STAGES[1], STAGES[2], name.as_str()];
        for (known, what) in [
            (config.pools.contains_key(name), "pools"),
            (config.stages.contains_key(name), "stages"),
        ] {
            check.rule(!known, &at, format!("`{what}` has one of this name too"));
        }
        ignored(name, stage, check);
        let members = members(config, name, stage, check);
        let mut pool = PoolConfig {
            members: members.iter().map(|name| name.as_str().into()).collect(),
            ..PoolConfig::default()
        };
        if let Some(failures) = stage.circuit_breaker_threshold {
            let mut breaker = CircuitBreakerConfig::default();
            breaker.failure_threshold = Some(failures);
            let path = [at[0], at[1], at[2], at[3], "circuit_breaker_threshold"];
            let above = "it is 0: it must be at least 1";
            check.rule(failures > 0, &path, above);
            pool.breaker = Some(breaker);
        }
        let workers = match stage.enabled {
            true => stage.max_workers,
            false => Some(1),
        };
        let limits = waiting(workers, stage.rate_limit_per_second);
        limits_kept(&at, stage.max_workers, stage.rate_limit_per_second, check);
        if stage.timeout_seconds.is_some_and(|time| time.is_zero()) {
            let path = [at[0], at[1], at[2], at[3], "timeout_seconds"];
            check.wrong(&path, "it is 0: it must be above 0");
        }
        // It times the work, by any provider, and not the queue before it: that has its own bounds.
        let time = stage.timeout_seconds;
        if let Some(time) = time {
            let clocks = &mut pool.timeouts;
            clocks.total = Some(time);
            clocks.first_data = clocks.first_data.map(|least| least.max(time));
            clocks.between_data = clocks.between_data.map(|least| least.max(time));
        }
        let waits = limits.max_wait.saturating_add(turn_of_all);
        let made = StageConfig {
            limits,
            deadline: time.map(|time| time.saturating_add(waits)),
            ..StageConfig::default()
        };
        config.pools.insert(name.clone(), pool);
        config.stages.insert(name.clone(), made);
    }
}

fn waiting(concurrent: Option<u32>, rate: Option<f64>) -> LimitsConfig {
    let mut limits = LimitsConfig {
        concurrent,
        requests_per_second: rate,
        ..LimitsConfig::default()
    };
    if concurrent.is_some() || rate.is_some() {
        limits.max_wait = MAX_WAIT;
    }
    limits
}

fn limits_kept(at: &[&str], workers: Option<u32>, rate: Option<f64>, check: &mut Check<'_>) {
    let path = |field| [at, &[field]].concat();
    let some = workers != Some(0);
    let message = "it is 0: it must be at least 1";
    check.rule(some, &path("max_workers"), message);
    if let Some(rate) = rate {
        let kept = rate.is_finite() && rate > 0.0;
        let message = format!("it is {rate}: it must be a number above 0");
        check.rule(kept, &path("rate_limit_per_second"), message);
    }
}

fn limits_of_all(config: &mut Config, whole: &ParallelConfig, check: &mut Check<'_>) {
    limits_kept(
        &STAGES[..2],
        whole.max_workers,
        whole.rate_limit_per_second,
        check,
    );
    let workers = match whole.enabled {
        true => whole.max_workers,
        false => Some(1),
    };
    let made = waiting(workers, whole.rate_limit_per_second);
    let limits = &mut config.limits;
    // What the file says of all in our own words, or the environment, comes before.
    let untouched = !check.is_written(&["limits", "max_wait"]);
    limits.concurrent = limits.concurrent.or(made.concurrent);
    if limits.requests_per_minute.is_none() {
        limits.requests_per_second = limits.requests_per_second.or(made.requests_per_second);
    }
    let rates = [limits.requests_per_second, limits.requests_per_minute];
    let limited = limits.concurrent.is_some() || rates.iter().any(Option::is_some);
    if untouched && (limited || limits.tokens_per_minute.is_some()) {
        limits.max_wait = MAX_WAIT;
    }
}

/// Says of what rests on parts that do not exist yet that it does nothing.
fn ignored(name: &str, stage: &WorkflowStage, check: &mut Check<'_>) {
    let path = |field| [STAGES[0], STAGES[1], STAGES[2], name, field];
    if let Some(least) = stage.min_workers {
        let most = stage.max_workers.unwrap_or(u32::MAX);
        let message = format!("it is {least}: it must be at most `max_workers`, {most}");
        check.rule(least <= most, &path("min_workers"), message);
        check.warn(
            &path("min_workers"),
            "it does nothing yet: the number of workers is not scaled, up to `max_workers` calls run at once",
        );
    }
    if stage.batch_size.is_some_and(|size| size > 1) {
        check.warn(
            &path("batch_size"),
            "it does nothing yet: chats are not batched, every call goes by itself",
        );
    }
    if stage.batch_timeout_ms.is_some() {
        check.warn(
            &path("batch_timeout_ms"),
            "it does nothing yet: chats are not batched, no call waits for others",
        );
    }
}

/// The providers of a stage. Presets that are named need no entry of their own; those without a key are left out.
fn members(
    config: &mut Config,
    name: &str,
    stage: &WorkflowStage,
    check: &mut Check<'_>,
) -> Vec<String> {
    let path = |field| [STAGES[0], STAGES[1], STAGES[2], name, field];
    let mut members: Vec<String> = Vec::new();
    let mut left_out = Vec::new();
    let named = stage.providers.clone();
    let all = named.is_empty();
    let named = match all {
        true => config.providers.keys().cloned().collect(),
        false => named,
    };
    for (index, provider) in named.iter().enumerate() {
        let position = format!("[{index}]");
        let at = [
            STAGES[0],
            STAGES[1],
            STAGES[2],
            name,
            "providers",
            &position,
        ];
        if members.contains(provider) {
            check.warn(&at, format!("`{provider}` is named twice"));
            continue;
        }
        if config.providers.contains_key(provider) {
            members.push(provider.clone());
            continue;
        }
        if Preset::named(provider).is_none_or(|preset| preset == Preset::Compatible) {
            let presets = Preset::ALL.iter().map(|(_, name)| *name);
            let presets = presets.filter(|name| *name != "compatible").chain(["grok"]);
            let known: Vec<_> = config
                .providers
                .keys()
                .map(String::as_str)
                .chain(presets)
                .collect();
            let hint = instead(provider, known.iter().copied(), "there are");
            check.wrong(&at, format!("there is no provider `{provider}`{hint}"));
            return members;
        }
        let mut section = ProviderSection::default();
        match section.resolve_in(provider, check.env) {
            Ok(resolved) => {
                section.key = resolved.key;
                config.providers.insert(provider.clone(), section);
                members.push(provider.clone());
            }
            Err(invalid) => left_out.push((position, invalid.rule)),
        }
    }
    let none = members.is_empty() && check.well();
    for (position, rule) in left_out {
        let at = [
            STAGES[0],
            STAGES[1],
            STAGES[2],
            name,
            "providers",
            &position,
        ];
        match none {
            true => check.wrong(&at, format!("it has no key: {rule}")),
            false => check.warn(&at, format!("it is left out, for it has no key: {rule}")),
        }
    }
    if none && all {
        check.wrong(&path("providers"), "there is no provider");
    }
    members
}
