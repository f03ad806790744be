use campanile_llm::provider::Secret;

use super::Check;
use crate::config::{Config, read::expand::left_out};

// ===== impl Check =====

impl Check<'_> {
    /// Reads every secret, so that a change of one is a change of the settings.
    pub(super) fn secrets(&mut self, config: &mut Config) {
        for (name, provider) in &mut config.providers {
            if let Some(key) = &mut provider.key {
                self.fetch(&["providers", name, "key"], key);
            }
            for (header, value) in &mut provider.headers {
                self.fetch(&["providers", name, "headers", header], value);
            }
        }
        for (name, key) in &mut config.keys {
            if key.secret == Secret::new("") {
                self.wrong(
                    &["keys", name, "secret"],
                    "it has no secret: write a text, `{ env: NAME }` or `{ file: PATH }`",
                );
                continue;
            }
            self.fetch(&["keys", name, "secret"], &mut key.secret);
        }
        if let Some(token) = &mut config.admin.token {
            self.fetch(&["admin", "token"], token);
        }
    }

    fn fetch(&mut self, path: &[&str], secret: &mut Secret) {
        if self.leave_out {
            // What is written here stays; of what is elsewhere it is known where.
            let place = secret.to_string();
            if let Some(place) = place.strip_prefix("env ").or(place.strip_prefix("file ")) {
                *secret = Secret::new(left_out(place));
                return;
            }
        }
        match secret.fetched(self.folder, self.env) {
            Ok(fetched) => *secret = fetched,
            Err(invalid) => {
                let message = format!("it is {}: {}", invalid.value, invalid.rule);
                self.wrong(path, message);
            }
        }
    }
}
