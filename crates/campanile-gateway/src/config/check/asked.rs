use super::{Check, fits};
use crate::config::{Config, MemberConfig, Preset, ProviderSection, StageConfig};

/// The members of a stage's pool, with what is said of them.
fn members<'c>(
    config: &'c Config,
    name: &str,
    stage: &StageConfig,
) -> Vec<(&'c MemberConfig, &'c ProviderSection)> {
    let pool = config.pools.get(stage.pool.as_deref().unwrap_or(name));
    let members = pool.into_iter().flat_map(|pool| &pool.members);
    members
        .filter_map(|member| Some((member, config.providers.get(&member.provider)?)))
        .collect()
}

/// Whether it serves what it serves, whatever it is asked for.
fn answers_to_any_name(member: &MemberConfig, provider: &ProviderSection) -> bool {
    provider.simulated.is_some() || provider.preset_of(&member.provider) == Preset::LlamaCpp
}

// ===== impl Check =====

impl Check<'_> {
    /// Whether members are asked for models that they surely do not have.
    pub(super) fn asked(&mut self, config: &Config) {
        for (name, stage) in &config.stages {
            self.beside(name, stage, config);
            self.by_name(name, stage, config);
        }
    }

    /// A member that takes any model is asked for those of the others in its pool as well.
    fn beside(&mut self, name: &str, stage: &StageConfig, config: &Config) {
        let members = members(config, name, stage);
        let takes = |model: &String| {
            let mut own = stage.models.iter().chain(&stage.model);
            own.any(|own| fits(own, model))
        };
        let named = members.iter().find_map(|(member, provider)| {
            let model = provider.models.keys().find(|model| takes(model))?;
            Some((&member.provider, model))
        });
        let Some((other, model)) = named else {
            return;
        };
        for (member, provider) in &members {
            if !provider.models.is_empty() || answers_to_any_name(member, provider) {
                continue;
            }
            let pool = stage.pool.as_deref().unwrap_or(name);
            self.warn(
                &["providers", &member.provider],
                format!(
                    "it names no models, so in pool `{pool}` it is asked for `{model}` of `{other}` too: write its `models`"
                ),
            );
        }
    }

    /// A stage that only its name is asked of, and a member of which nobody knows a model.
    fn by_name(&mut self, name: &str, stage: &StageConfig, config: &Config) {
        if !stage.models.is_empty()
            || stage.model.is_some()
            || config.default_stage.as_deref() == Some(name)
        {
            return;
        }
        for (member, provider) in members(config, name, stage) {
            let known = provider.stages.contains_key(name) || provider.models.contains_key(name);
            if known || answers_to_any_name(member, provider) {
                continue;
            }
            self.warn(
                &["providers", &member.provider],
                format!(
                    "no model of it is known, so for stage `{name}` it is asked for a model `{name}`: write `models` or `default_model`"
                ),
            );
        }
    }
}
