use std::collections::BTreeMap;

use super::{Check, stages::fits};
use crate::config::Config;

/// Fewer characters are soon guessed.
const SHORT: usize = 16;

// ===== impl Check =====

impl Check<'_> {
    /// Who may call, and who may operate.
    pub(super) fn access(&mut self, config: &mut Config) {
        self.keys(config);
        self.tenants(config);
        let open = !config.listen.ip().is_loopback();
        if open && config.keys.is_empty() {
            self.warn(
                &["listen"],
                format!(
                    "{} can be reached from elsewhere, and there are no `keys`: everybody may call",
                    config.listen
                ),
            );
        }
        // Where operators have a listener of their own, they are read there.
        let (path, read_at): (&[&str], _) = match config.admin.listen {
            Some(address) => (&["admin", "listen"], address),
            None => (&["listen"], config.listen),
        };
        if !read_at.ip().is_loopback() && config.admin.token.is_none() {
            self.warn(
                path,
                format!(
                    "{read_at} can be reached from elsewhere, and `admin.token` is not set: everybody may read `/status` and `/metrics`"
                ),
            );
        }
        if config
            .admin
            .listen
            .is_some_and(|address| address == config.listen && address.port() > 0)
        {
            let message =
                format!("{read_at} is where callers are served: operators need another one");
            self.wrong(&["admin", "listen"], message);
        }
        if config.admin.open && config.admin.token.is_none() {
            self.warn(
                &["admin", "open"],
                "it does nothing without `admin.token`: nothing is closed",
            );
        }
    }

    fn keys(&mut self, config: &Config) {
        let mut seen: BTreeMap<_, &str> = BTreeMap::new();
        if let Some(token) = config
            .admin
            .token
            .as_ref()
            .and_then(|token| token.reveal().ok())
        {
            if token.len() < SHORT {
                self.warn(&["admin", "token"], short());
            }
            seen.insert(token, "");
        }
        for (name, key) in &config.keys {
            let path = |field| ["keys", name.as_str(), field];
            if name.is_empty() {
                self.wrong(&["keys", name], "a key must have a name");
            }
            if let Ok(secret) = key.secret.reveal() {
                if secret.len() < SHORT {
                    self.warn(&path("secret"), short());
                }
                match seen.insert(secret, name) {
                    Some("") => self.wrong(
                        &path("secret"),
                        "it is the same as `admin.token`: who calls would operate",
                    ),
                    Some(other) => {
                        let message = format!(
                            "key `{other}` has the same: nobody could tell which of them calls"
                        );
                        self.wrong(&path("secret"), message);
                    }
                    None => {}
                }
            }
            let tenant = key.tenant.as_deref() != Some("");
            self.rule(tenant, &path("tenant"), "it must not be empty");
            self.limits(&path("limits"), &key.limits);
            self.budgets(&path("budgets"), &key.budgets, config);
            self.models(name, &key.models, config);
        }
    }

    /// Whether what a key may ask for is there.
    fn models(&mut self, name: &str, models: &[String], config: &Config) {
        for (index, model) in models.iter().enumerate() {
            let position = format!("[{index}]");
            let path = ["keys", name, "models", &position];
            let known = config.stages.iter().any(|(stage, settings)| {
                let mut own = std::iter::once(stage).chain(&settings.models);
                own.any(|own| fits(model, own) || fits(own, model))
            });
            let alias = config.aliases.keys().any(|alias| fits(model, alias));
            if model.is_empty() {
                self.wrong(&path, "a name of a model must not be empty");
            } else if !known && !alias && config.default_stage.is_none() {
                self.warn(&path, format!("no stage takes `{model}`"));
            }
        }
    }

    /// Keys of one tenant share its budgets: those that write none have them too, the others must write the same.
    fn tenants(&mut self, config: &mut Config) {
        let mut budgets: BTreeMap<String, (String, Vec<_>)> = BTreeMap::new();
        for (name, key) in &config.keys {
            if key.budgets.is_empty() {
                continue;
            }
            let tenant = key.tenant.as_ref().unwrap_or(name);
            match budgets.get(tenant) {
                Some((_, known)) if *known == key.budgets => {}
                Some((other, _)) => {
                    let message = format!(
                        "key `{other}` writes other budgets for tenant `{tenant}`: they share them, so they must be the same, or be written once"
                    );
                    self.wrong(&["keys", name, "budgets"], message);
                }
                None => {
                    let known = (name.clone(), key.budgets.clone());
                    budgets.insert(tenant.clone(), known);
                }
            }
        }
        for (name, key) in &mut config.keys {
            let tenant = key.tenant.as_ref().unwrap_or(name);
            if let Some((_, known)) = budgets.get(tenant) {
                key.budgets.clone_from(known);
            }
        }
    }
}

fn short() -> String {
    format!("it has fewer than {SHORT} characters, and is soon guessed")
}
