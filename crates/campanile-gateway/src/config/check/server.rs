use std::time::Duration;

use campanile::config::Invalid;
use tracing_subscriber::EnvFilter;

use super::Check;
use crate::config::{Config, SimulatedConfig};

// ===== impl Check =====

impl Check<'_> {
    /// Listener, log, connections to providers, prices.
    pub(super) fn server(&mut self, config: &mut Config) {
        let server = &config.server;
        let above = "it is 0: it must be above 0";
        for (name, time) in [
            ("head_timeout", server.head_timeout),
            ("body_timeout", server.body_timeout),
            ("idle_timeout", server.idle_timeout),
            ("write_timeout", server.write_timeout),
        ] {
            self.rule(!time.is_zero(), &["server", name], above);
        }
        let some = server.max_connections > 0;
        self.rule(some, &["server", "max_connections"], above);
        for (name, bytes) in [("max_head", server.max_head), ("max_body", server.max_body)] {
            let message = format!("it is {bytes}: it must be at least 1,024 bytes");
            self.rule(bytes >= 1024, &["server", name], message);
        }
        let (one, all) = (server.max_body, server.max_body_memory);
        let message = format!("it is {all}: it must be at least max_body, which is {one}");
        self.rule(all >= one, &["server", "max_body_memory"], message);
        if let Err(error) = EnvFilter::try_new(&config.log.filter) {
            let message = format!(
                "it is no filter ({error}): write a level, such as `info`, or `warn,campanile_gateway=debug`"
            );
            self.wrong(&["log", "filter"], message);
        }
        self.built(&["http"], config.http.clone().build());
        if let Some(deadline) = config.deadline {
            self.rule(!deadline.is_zero(), &["deadline"], above);
        }
        if let Some(prices) = &mut config.prices {
            *prices = self.folder.join(&*prices);
            if let Err(error) = campanile_llm::price::Prices::from_file(&*prices) {
                self.wrong(&["prices"], format!("the file cannot be it: {error}"));
            }
        }
        self.limits(&["limits"], &config.limits);
    }

    /// What is said of providers, whoever calls them.
    pub(super) fn providers(&mut self, config: &mut Config) {
        if config.providers.is_empty() && config.workflow.is_none() {
            self.wrong(
                &["providers"],
                "there is none: write at least one, such as `providers: { openai: {} }`",
            );
        }
        for (name, provider) in &mut config.providers {
            let path = ["providers", name.as_str()];
            if name.is_empty() {
                self.wrong(&path, "a provider must have a name");
            }
            if let Some(simulated) = &provider.simulated {
                self.simulated(name, simulated);
            }
            for (callers, its) in &provider.models {
                let empty = callers.is_empty() || its.as_deref() == Some("");
                let path = ["providers", name, "models", callers];
                self.rule(!empty, &path, "a name of a model must not be empty");
            }
            match provider.resolve_in(name, self.env) {
                // What the preset found stands in the settings, so that a change of it is one of the settings.
                Ok(resolved) => provider.key = resolved.key,
                Err(invalid) if invalid.value == "not there" => {
                    self.wrong(
                        &path,
                        format!("it has no `{}`: {}", invalid.field, invalid.rule),
                    );
                }
                // Of a secret that is not there it has been said.
                Err(Invalid {
                    field: "key" | "headers",
                    ..
                }) if !self.well() => {}
                invalid => self.built(&path, invalid),
            }
        }
    }

    fn simulated(&mut self, name: &str, simulated: &SimulatedConfig) {
        let path = |field| ["providers", name, "simulated", field];
        let SimulatedConfig {
            words_per_second: words,
            failures_per_thousand: failures,
            throttled_per_thousand: throttled,
            cuts_per_thousand: cuts,
            slots,
            ..
        } = simulated;
        let speed = words.is_finite() && *words > 0.0;
        let message = format!("it is {words}: it must be above 0");
        self.rule(speed, &path("words_per_second"), message);
        self.rule(*slots > 0, &path("slots"), "it is 0: it must be at least 1");
        for (field, count) in [
            ("failures_per_thousand", failures),
            ("throttled_per_thousand", throttled),
            ("cuts_per_thousand", cuts),
        ] {
            let message = format!("it is {count}: it must be at most 1,000");
            self.rule(*count <= 1000, &path(field), message);
        }
        let spread = simulated.spread;
        let message = format!("it is {spread}: it must be from 0 to 2");
        let some = (0.0..=2.0).contains(&spread);
        self.rule(some, &path("spread"), message);
        let long = simulated.first_word <= Duration::from_secs(3600);
        self.rule(long, &path("first_word"), "it must be at most an hour");
    }
}
