//! How models are told to think.

use serde::Serialize;

use super::DEFAULT_MAX_TOKENS;

/// How a model is told to think, by its name. Anthropic changed it twice.
///
/// | models | how | temperature and such |
/// |---|---|---|
/// | Claude up to 4.5 | `thinking.budget_tokens` | taken |
/// | Claude 4.6 | `thinking: adaptive` and `output_config.effort` | taken |
/// | Claude after that | the same, and most think unasked | refused |
/// | of others, behind the same interface | `thinking.budget_tokens` | taken |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Generation {
    Other,
    Budget,
    Adaptive,
    Effort,
}

/// The field `thinking`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Thinking {
    Adaptive,
    Enabled { budget_tokens: u64 },
}

/// What an effort comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) thinking: Option<Thinking>,
    pub(super) effort: Option<&'static str>,
    pub(super) max_tokens: u64,
}

/// Efforts of OpenAI's dialect and of this interface, their budgets in tokens, and what this interface calls them.
const EFFORTS: [(&str, u64, &str); 7] = [
    ("none", 0, "low"),
    ("minimal", 1024, "low"),
    ("low", 2048, "low"),
    ("medium", 8192, "medium"),
    ("high", 16_384, "high"),
    ("xhigh", 32_768, "xhigh"),
    ("max", 32_768, "max"),
];

/// The interface takes no smaller budget.
const LEAST_BUDGET: u64 = 1024;

// ===== impl Generation =====

impl Generation {
    /// Names as `claude-3-5-haiku-latest`, `claude-sonnet-4-20250514`, `anthropic/claude-opus-4.6`,
    /// `us.anthropic.claude-haiku-4-5-20251001-v1:0`.
    pub(super) fn of(model: &str) -> Self {
        let model = model.to_ascii_lowercase();
        let Some((_, name)) = model.rsplit_once("claude-") else {
            return Self::Other;
        };
        let parts = name.split(|sign: char| !sign.is_ascii_alphanumeric());
        let short = |part: &str| part.parse::<u8>().ok().filter(|_| part.len() <= 2);
        let mut parts = parts.skip_while(|part| short(part).is_none());
        let Some(major) = parts.next().and_then(short) else {
            return Self::Effort;
        };
        let minor = parts.next().and_then(short).unwrap_or(0);
        match (major, minor) {
            (..4, _) | (4, ..=5) => Self::Budget,
            (4, 6) => Self::Adaptive,
            _ => Self::Effort,
        }
    }

    pub(super) const fn is_claude(self) -> bool {
        !matches!(self, Self::Other)
    }
}

// ===== impl Plan =====

impl Plan {
    /// `able` is whether the request lets the model think: not when it forces a tool, nor amid calls of tools that were made
    /// without.
    pub(super) fn new(
        generation: Generation,
        effort: Option<&str>,
        most: Option<u64>,
        able: bool,
    ) -> Result<Self, String> {
        let asked = match effort {
            None => None,
            Some(asked) => {
                let effort = EFFORTS.iter().find(|(name, ..)| *name == asked);
                Some(effort.ok_or_else(|| {
                    let names = EFFORTS.map(|(name, ..)| name).join(", ");
                    format!("reasoning_effort is one of {names}, not {asked:?}")
                })?)
            }
        };
        let (budget, name) = match asked {
            Some(&(_, budget, name)) => (budget, Some(name)),
            // These think unasked, and what they think counts.
            None if generation == Generation::Effort => (EFFORTS[3].1, None),
            None => (0, None),
        };
        let wants = budget > 0 && name.is_some() && able;
        let mut plan = Self {
            thinking: None,
            effort: None,
            max_tokens: most.unwrap_or(DEFAULT_MAX_TOKENS + budget),
        };
        match generation {
            Generation::Other | Generation::Budget if wants => {
                // Half of what the answer may have is left for what it says.
                let budget_tokens = match most {
                    Some(most) => budget.min(most / 2),
                    None => budget,
                };
                if budget_tokens >= LEAST_BUDGET {
                    plan.thinking = Some(Thinking::Enabled { budget_tokens });
                }
            }
            Generation::Adaptive | Generation::Effort => {
                plan.thinking = wants.then_some(Thinking::Adaptive);
                plan.effort = match (generation, name) {
                    // It has no such level.
                    (Generation::Adaptive, Some("xhigh")) => Some("high"),
                    (_, name) => name,
                };
            }
            _ => {}
        }
        Ok(plan)
    }
}

/// The reverse: OpenAI's effort for a budget.
pub(crate) fn effort_of_budget(budget: u64) -> &'static str {
    match budget {
        0..=2048 => "low",
        2049..=8192 => "medium",
        _ => "high",
    }
}
