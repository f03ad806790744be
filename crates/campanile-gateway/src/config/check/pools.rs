use campanile::endpoint::Endpoint;
use campanile_llm::estimate::EstimateConfig;

use super::Check;
use crate::build::guards::{self, Terms};
use crate::config::{Config, LimitsConfig, MemberConfig, PoolConfig, StrategyConfig};

// ===== impl Check =====

impl Check<'_> {
    pub(super) fn pools(&mut self, config: &Config) {
        for (name, pool) in &config.pools {
            self.pool(name, pool, config);
        }
        let used = |provider: &String| {
            let mut pools = config.pools.values();
            pools.any(|pool| {
                pool.members
                    .iter()
                    .any(|member| member.provider == *provider)
            })
        };
        for name in config.providers.keys().filter(|name| !used(name)) {
            self.warn(&["providers", name], "no pool has it: nothing goes there");
        }
    }

    fn pool(&mut self, name: &str, pool: &PoolConfig, config: &Config) {
        let path = |field| ["pools", name, field];
        if name.is_empty() {
            self.wrong(&["pools", name], "a pool must have a name");
        }
        if pool.members.is_empty() && self.well() {
            self.wrong(&path("members"), "it has no members");
        }
        for (index, member) in pool.members.iter().enumerate() {
            self.member(name, index, member, pool, config);
        }
        if pool.strategy == StrategyConfig::Cheapest && config.prices.is_none() {
            self.warn(
                &path("strategy"),
                "without `prices` nothing is cheaper than anything else",
            );
        }
        if let Some(retry) = pool.retry.clone() {
            self.built(&path("retry"), retry.build());
        }
        if let Some(hedge) = pool.hedge.clone() {
            self.built(&path("hedge"), hedge.build());
        }
        if let Some(resume) = pool.resume.clone() {
            self.built(&path("resume"), resume.build());
        }
        if let Some(breaker) = pool.breaker {
            self.built(&path("breaker"), breaker.build());
        }
        if let Some(concurrency) = pool.concurrency {
            self.built(&path("concurrency"), concurrency.build());
        }
        self.built(&path("timeouts"), pool.timeouts.clone().build());
        if let Some(probe) = &pool.probe {
            let path = |field| ["pools", name, "probe", field];
            let above = "it is 0: it must be above 0";
            self.rule(!probe.interval.is_zero(), &path("interval"), above);
            self.rule(!probe.timeout.is_zero(), &path("timeout"), above);
            let slash = probe.path.starts_with('/');
            self.rule(slash, &path("path"), "it must begin with `/`");
        }
        for (index, member) in pool.members.iter().enumerate() {
            // What a start would refuse, and none of the rules has told.
            if self.well()
                && let Err(error) = Terms::of(pool, member)
            {
                let position = format!("[{index}]");
                let at = ["pools", name, "members", &position];
                self.wrong(&at, error.to_string());
            }
        }
    }

    fn member(
        &mut self,
        pool: &str,
        index: usize,
        member: &MemberConfig,
        whole: &PoolConfig,
        config: &Config,
    ) {
        let position = format!("[{index}]");
        let at = ["pools", pool, "members", &position];
        self.named(&at, "provider", &member.provider, config.providers.keys());
        let mut before = whole.members[..index].iter();
        let twice = before.any(|other| other.provider == member.provider);
        let message = format!(
            "`{}` is a member already; write its `weight` for a larger share",
            member.provider
        );
        self.rule(!twice, &at, message);
        let weight = ["pools", pool, "members", &position, "weight"];
        if let Err(error) = Endpoint::builder("member").weight(member.weight).build() {
            let _ = error;
            let message = format!(
                "it is {}: it must be a number above 0, and no more than a million",
                member.weight
            );
            self.wrong(&weight, message);
        }
        let limits = ["pools", pool, "members", &position, "limits"];
        self.limits(&limits, &member.limits);
        let least = whole.concurrency.map_or(0, |found| found.min_limit);
        if let Some(most) = member
            .limits
            .concurrent
            .filter(|most| (1..least).contains(most))
        {
            let concurrent = ["pools", pool, "members", &position, "limits", "concurrent"];
            let message = format!(
                "it is {most}: it must be at least the pool's `concurrency.min_limit`, {least}"
            );
            self.wrong(&concurrent, message);
        }
    }

    /// Limits, wherever they are.
    pub(super) fn limits(&mut self, path: &[&str], limits: &LimitsConfig) {
        let at = |field| {
            let mut path = path.to_vec();
            path.push(field);
            path
        };
        for (field, rate) in [
            ("requests_per_second", limits.requests_per_second),
            ("requests_per_minute", limits.requests_per_minute),
            ("tokens_per_minute", limits.tokens_per_minute),
        ] {
            let Some(rate) = rate else { continue };
            let kept = rate.is_finite() && rate > 0.0;
            let message =
                format!("it is {rate}: it must be a number above 0; leave it out for no limit");
            self.rule(kept, &at(field), message);
        }
        let both = limits.requests_per_second.is_some() && limits.requests_per_minute.is_some();
        self.rule(
            !both,
            &at("requests_per_minute"),
            "`requests_per_second` is written too: one of them must go",
        );
        let none = limits.concurrent == Some(0);
        let message = "it is 0: it must be at least 1; leave it out for no limit";
        self.rule(!none, &at("concurrent"), message);
        if let Some(most) = limits.concurrent.filter(|most| *most > 0) {
            let message = format!(
                "it is {most}: it must be at most {}",
                count(guards::MOST.into())
            );
            self.rule(most <= guards::MOST, &at("concurrent"), message);
            if most <= guards::MOST
                && let Err(error) = guards::fixed(limits, most).build()
            {
                self.wrong(
                    &at(error.field),
                    format!("it is {}: {}", error.value, error.rule),
                );
            }
        }
        let [requests, tokens] = guards::rates(limits);
        for (field, limit, two) in [
            (
                "requests_per_second",
                requests.filter(|_| limits.requests_per_second.is_some()),
                true,
            ),
            (
                "requests_per_minute",
                requests.filter(|_| limits.requests_per_second.is_none()),
                true,
            ),
            ("tokens_per_minute", tokens, false),
        ] {
            let Some(limit) = limit.filter(|limit| limit.rate.is_finite() && limit.rate > 0.0)
            else {
                continue;
            };
            let both = if two {
                [Some(limit), None]
            } else {
                [None, Some(limit)]
            };
            if guards::rate(limits, both).build().is_err() {
                let rate = limit.rate;
                let rule = "it must be at most 2^58, and 10^12 a second";
                self.wrong(&at(field), format!("it is {rate:?}: {rule}"));
            }
        }
        let needs = likely_answer();
        if let Some(tokens) = limits.tokens_per_minute.filter(|tokens| *tokens > 0.0)
            && tokens <= needs as f64
        {
            let message = too_small(&tokens.to_string(), needs);
            self.warn(&at("tokens_per_minute"), message);
        }
    }
}

/// How many tokens an answer is taken to be of which nobody has said or learned how long it is.
fn likely_answer() -> u64 {
    EstimateConfig::default().output
}

/// What is said of a limit that no call fits which does not say how long its answer may be.
pub(super) fn too_small(limit: &str, needs: u64) -> String {
    let needs = count(needs);
    format!(
        "it is {limit}: a call that does not say `max_tokens` is taken for {needs} tokens and those of its prompt, and is always refused"
    )
}

/// A number as people write it.
fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
