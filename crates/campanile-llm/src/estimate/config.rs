use std::collections::BTreeMap;

use campanile::config::Invalid;
use serde::{Deserialize, Serialize};

use super::CONCERN;

/// How calls are estimated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct EstimateConfig {
    /// How much is reserved. The likely, unless it is set.
    pub reserve: Reserve,
    /// Whether calls are told the most that they can take as well, beside what is reserved: for budgets that are never to be
    /// exceeded, further in than rate limits, which go on with the likely. They are not by default.
    pub tell_most: bool,
    /// How many tokens an answer is taken to be while nothing is learned of its model, unless it may have fewer. Default 1,024.
    pub output: u64,
    /// How many tokens an answer may be, where neither the request nor the model's price says so: for [`Reserve::Most`]. Default
    /// 131,072.
    pub most_output: u64,
    /// How many tokens a provider adds to a prompt of its own, at most: templates, instructions for tools. For
    /// [`Reserve::Most`]. Default 1,024.
    pub overhead: u64,
    /// How many tokens an image, a sound or a document may be, whether it lies in the prompt or the prompt points to it. For
    /// [`Reserve::Most`] alone, beside the bytes of what lies in it. Default 49,152: as much as the dearest images are that are
    /// known, those of eight tiles at gpt-4o-mini, which bills 5,667 tokens for each and 2,833 more. Where all models are
    /// cheaper, less keeps more room in budgets; where long videos are pointed to, it takes more.
    pub media: u64,
    /// What happens to a call whose price is not known. It passes, unless it is set.
    pub unpriced: Unpriced,
    /// Which models may serve what a request asks for, as `model` or `provider/model`, where that is not what it says: aliases
    /// and groups. The dearest of them is what money is reserved for. What is asked for may be a pattern, `gpt-*`: a name comes
    /// before every pattern, and of patterns the one that tells most of the name. As a model `*` is what was asked for.
    pub serves: BTreeMap<String, Vec<String>>,
}

/// How much is reserved for a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reserve {
    /// What it takes with nine chances in ten: the prompt as counted or estimated, and the ninth decile of the answers of its
    /// kind. For rate limits, which settle in the end: one call in ten takes more than it reserved.
    #[default]
    Likely,
    /// The most that it can take: a token for each byte of the request, what each of its [media](EstimateConfig::media) may be
    /// beside that, and as many for the answer as it may have, at the dearest
    /// price. For budgets that are never to be exceeded.
    Most,
}

/// What happens to a call whose price is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Unpriced {
    /// It passes. Its tokens are reserved and counted, its money is not.
    #[default]
    Pass,
    /// It is refused: an error of class [`Request`](crate::error::Class::Request), status 400.
    Refuse,
}

// ===== impl EstimateConfig =====

impl Default for EstimateConfig {
    fn default() -> Self {
        Self {
            reserve: Reserve::default(),
            tell_most: false,
            output: 1_024,
            most_output: 131_072,
            overhead: 1_024,
            media: 49_152,
            unpriced: Unpriced::default(),
            serves: BTreeMap::new(),
        }
    }
}

impl EstimateConfig {
    /// Sets how much is reserved.
    #[must_use]
    pub const fn with_reserve(mut self, reserve: Reserve) -> Self {
        self.reserve = reserve;
        self
    }

    /// Sets whether calls are told the most that they can take as well.
    #[must_use]
    pub const fn with_tell_most(mut self, tell: bool) -> Self {
        self.tell_most = tell;
        self
    }

    /// Sets how long an answer is taken to be while nothing is learned.
    #[must_use]
    pub const fn with_output(mut self, tokens: u64) -> Self {
        self.output = tokens;
        self
    }

    /// Sets how long an answer may be where nothing else says so.
    #[must_use]
    pub const fn with_most_output(mut self, tokens: u64) -> Self {
        self.most_output = tokens;
        self
    }

    /// Sets what a provider adds to a prompt.
    #[must_use]
    pub const fn with_overhead(mut self, tokens: u64) -> Self {
        self.overhead = tokens;
        self
    }

    /// Sets what an image, a sound or a document may be.
    #[must_use]
    pub const fn with_media(mut self, tokens: u64) -> Self {
        self.media = tokens;
        self
    }

    /// Sets what happens to a call whose price is not known.
    #[must_use]
    pub const fn with_unpriced(mut self, unpriced: Unpriced) -> Self {
        self.unpriced = unpriced;
        self
    }

    /// Sets which models may serve what a request asks for.
    #[must_use]
    pub fn with_serves<M: Into<String>>(
        mut self,
        asked: impl Into<String>,
        models: impl IntoIterator<Item = M>,
    ) -> Self {
        let models = models.into_iter().map(Into::into).collect();
        self.serves.insert(asked.into(), models);
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// When one is out of range.
    pub fn build(self) -> Result<Self, Invalid> {
        let rule = "it must be at least 1";
        Invalid::unless(self.output > 0, CONCERN, "output", &self.output, rule)?;
        let most = &self.most_output;
        Invalid::unless(*most > 0, CONCERN, "most_output", most, rule)?;
        for (asked, models) in &self.serves {
            let rule = "each has a model at least, and no name is empty";
            let named = !models.is_empty() && models.iter().all(|model| !model.is_empty());
            let kept = named && !asked.is_empty();
            Invalid::unless(kept, CONCERN, "serves", &(asked, models), rule)?;
        }
        Ok(self)
    }
}
