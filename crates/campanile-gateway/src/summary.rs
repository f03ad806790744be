//! What settings mean, in a few lines and without secrets.

use std::fmt;

use campanile_gateway::config::{Config, LimitsConfig, MemberConfig, PoolConfig};

/// Settings, for a person who asks whether they say what was meant.
pub(crate) struct Summary<'a>(pub(crate) &'a Config);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = self.0;
        writeln!(f, "listen     {}", config.listen)?;
        for (name, provider) in &config.providers {
            let place = match (&provider.simulated, provider.resolve(name)) {
                (Some(_), _) => "simulated".to_owned(),
                (None, Ok(resolved)) => resolved.base_url,
                (None, Err(_)) => "?".to_owned(),
            };
            let models: Vec<_> = provider.models.keys().map(String::as_str).collect();
            let models = match models.is_empty() {
                true => "any model".to_owned(),
                false => models.join(", "),
            };
            writeln!(f, "provider   {name}: {place}; {models}")?;
        }
        for (name, pool) in &config.pools {
            writeln!(f, "pool       {name}: {}", Pool(pool))?;
        }
        for (name, stage) in &config.stages {
            let pool = stage.pool.as_deref().unwrap_or(name);
            write!(f, "stage      {name} -> pool {pool}")?;
            if !stage.models.is_empty() {
                write!(f, ": {}", stage.models.join(", "))?;
            }
            if config.default_stage.as_deref() == Some(name) {
                f.write_str("; every model that no other stage takes")?;
            }
            limits(&stage.limits, f)?;
            if let Some(deadline) = stage.deadline {
                write!(f, "; at most {deadline:?} a call")?;
            }
            f.write_str("\n")?;
        }
        for (alias, model) in &config.aliases {
            writeln!(f, "alias      {alias} -> {model}")?;
        }
        for (name, key) in &config.keys {
            let tenant = key.tenant.as_deref().unwrap_or(name);
            write!(f, "key        {name}: tenant {tenant}")?;
            if !key.models.is_empty() {
                write!(f, "; may ask for {}", key.models.join(", "))?;
            }
            limits(&key.limits, f)?;
            match key.budgets.len() {
                0 => f.write_str("\n")?,
                1 => f.write_str("; a budget\n")?,
                count => writeln!(f, "; {count} budgets")?,
            }
        }
        if config.keys.is_empty() {
            writeln!(
                f,
                "keys       none: everybody who reaches the address may call"
            )?;
        }
        if let Some(address) = config.admin.listen {
            writeln!(f, "operators  {address}")?;
        }
        f.write_str("all        ")?;
        let operators = match config.admin.token.is_some() {
            true => "operators by token",
            false => "no operators' actions",
        };
        f.write_str(operators)?;
        limits(&config.limits, f)
    }
}

/// A pool in a line.
struct Pool<'a>(&'a PoolConfig);

impl fmt::Display for Pool<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pool = self.0;
        for (index, member) in pool.members.iter().enumerate() {
            let MemberConfig {
                provider,
                weight,
                tier,
                ..
            } = member;
            let comma = if index > 0 { ", " } else { "" };
            write!(f, "{comma}{provider}")?;
            if (weight - 1.0).abs() > f64::EPSILON {
                write!(f, " (weight {weight})")?;
            }
            if *tier > 0 {
                write!(f, " (tier {tier})")?;
            }
        }
        let strategy = serde_json::to_value(pool.strategy).unwrap_or_default();
        write!(f, "; {}", strategy.as_str().unwrap_or("?"))?;
        match &pool.retry {
            Some(retry) => write!(f, "; up to {} retries", retry.max_retries)?,
            None => f.write_str("; no retries")?,
        }
        let failures = pool.breaker.and_then(|breaker| breaker.failure_threshold);
        match failures {
            Some(failures) => write!(f, "; breaker after {failures} failures")?,
            None if pool.breaker.is_some() => f.write_str("; breaker by rates")?,
            None => f.write_str("; no breaker")?,
        }
        for (part, name) in [
            (pool.hedge.is_some(), "hedged"),
            (pool.resume.is_some(), "resumed"),
            (pool.concurrency.is_some(), "concurrency limited"),
            (pool.probe.is_some(), "probed"),
        ] {
            if part {
                write!(f, "; {name}")?;
            }
        }
        Ok(())
    }
}

fn limits(limits: &LimitsConfig, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (limit, unit) in [
        (limits.concurrent.map(f64::from), "at once"),
        (limits.requests_per_second, "calls a second"),
        (limits.requests_per_minute, "calls a minute"),
        (limits.tokens_per_minute, "tokens a minute"),
    ] {
        if let Some(limit) = limit {
            write!(f, "; at most {limit} {unit}")?;
        }
    }
    Ok(())
}
