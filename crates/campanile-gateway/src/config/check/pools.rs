use campanile::endpoint::Endpoint;

use super::Check;
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
    }
}
