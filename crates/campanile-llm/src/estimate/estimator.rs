use std::{collections::HashMap, fmt, sync::Arc};

use campanile::{Cost, Usage, config::Invalid};

use super::{EstimateConfig, Reserve};
use crate::{
    chat::ChatRequest,
    embed::EmbeddingRequest,
    price::{Price, Prices},
    route::Pattern,
    tokens::{Calibrated, CountTokens, OutputLengths, Place, PromptSize},
};

/// What estimates calls, and learns from their ends. A handle: clones share what is learned, and it may be asked without a
/// layer.
#[derive(Clone)]
pub struct Estimator {
    pub(super) shared: Arc<Shared>,
}

#[derive(Clone)]
pub(super) struct Shared {
    pub(super) config: EstimateConfig,
    /// What serves what is asked for.
    serves: HashMap<Box<str>, Vec<Served>>,
    /// The same for what has no name there; the pattern that tells most of a name first.
    patterns: Vec<(Pattern, Vec<Served>)>,
    prices: Prices,
    counter: Option<Arc<dyn CountTokens>>,
    pub(super) calibrated: Calibrated,
    pub(super) lengths: OutputLengths,
}

/// A provider, if one is said, and a model, or [`ASKED`].
type Served = (Option<Box<str>>, Box<str>);

/// Stands for the model that was asked for.
const ASKED: &str = "*";

/// Where a model is in what is learned: looked up once in a call. `None` where nothing is known of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places {
    pub(super) ratios: Option<Place>,
    pub(super) lengths: Option<Place>,
}

/// An estimate, and whether every price that it needs is known.
pub(super) struct Measured {
    pub(super) cost: Cost,
    pub(super) priced: bool,
}

// ===== impl Places =====

impl Places {
    /// Of a model of which nothing is learned, or where that does not matter.
    pub(super) const UNKNOWN: Self = Self {
        ratios: None,
        lengths: None,
    };
}

// ===== impl Estimator =====

impl Estimator {
    /// An estimator that has learned nothing and knows no prices.
    ///
    /// # Errors
    ///
    /// When a setting is out of range.
    pub fn new(config: EstimateConfig) -> Result<Self, Invalid> {
        let config = config.build()?;
        let name = |name: &String| match name.split_once('/') {
            Some((provider, model)) => (Some(provider.into()), model.into()),
            None => (None, name.as_str().into()),
        };
        let (mut serves, mut patterns) = (HashMap::new(), Vec::new());
        for (asked, models) in &config.serves {
            let models = models.iter().map(name).collect();
            match Pattern::parse(asked) {
                Some(pattern) => patterns.push((pattern, models)),
                None => drop(serves.insert(asked.as_str().into(), models)),
            }
        }
        patterns.sort_by_key(|(pattern, _)| std::cmp::Reverse(pattern.letters()));
        Ok(Self {
            shared: Arc::new(Shared {
                serves,
                patterns,
                config,
                prices: Prices::default(),
                counter: None,
                calibrated: Calibrated::default(),
                lengths: OutputLengths::default(),
            }),
        })
    }

    /// Prices, so that money is estimated too.
    #[must_use]
    pub fn prices(mut self, prices: &Prices) -> Self {
        self.change().prices = prices.clone();
        self
    }

    /// Counts prompts by a tokenizer, those of the models that it knows.
    #[must_use]
    pub fn counter(mut self, counter: impl CountTokens + 'static) -> Self {
        self.change().counter = Some(Arc::new(counter));
        self
    }

    /// Estimates from bytes by this, and teaches it.
    #[must_use]
    pub fn calibrated(mut self, calibrated: &Calibrated) -> Self {
        self.change().calibrated = calibrated.clone();
        self
    }

    /// Takes lengths of answers from here, and teaches it.
    #[must_use]
    pub fn lengths(mut self, lengths: &OutputLengths) -> Self {
        self.change().lengths = lengths.clone();
        self
    }

    fn change(&mut self) -> &mut Shared {
        Arc::make_mut(&mut self.shared)
    }

    /// What a call is estimated to take. Its money is 0 where no price is known.
    #[must_use]
    pub fn estimate(&self, request: &ChatRequest) -> Cost {
        let places = self.find(request.model());
        let reserve = self.shared.config.reserve;
        self.measure(reserve, request, PromptSize::of(request), places)
            .cost
    }

    /// The most that a call can take. Its money is 0 where no price is known.
    #[must_use]
    pub fn most(&self, request: &ChatRequest) -> Cost {
        let places = Places::UNKNOWN;
        self.measure(Reserve::Most, request, PromptSize::of(request), places)
            .cost
    }

    /// The most that a call for embeddings can take.
    #[must_use]
    pub fn most_embeddings(&self, request: &EmbeddingRequest) -> Cost {
        self.measure_embeddings(Reserve::Most, request).cost
    }

    /// Where a model is.
    #[inline]
    pub(super) fn find(&self, model: &str) -> Places {
        Places {
            ratios: self.shared.calibrated.find(model),
            lengths: self.shared.lengths.find(model),
        }
    }

    /// What is learned of bytes and tokens.
    #[must_use]
    pub fn ratios(&self) -> &Calibrated {
        &self.shared.calibrated
    }

    /// What is learned of the lengths of answers.
    #[must_use]
    pub fn learned_lengths(&self) -> &OutputLengths {
        &self.shared.lengths
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &EstimateConfig {
        &self.shared.config
    }

    pub(super) fn measure(
        &self,
        reserve: Reserve,
        request: &ChatRequest,
        size: PromptSize,
        places: Places,
    ) -> Measured {
        let said = request.most_tokens();
        let input = self.input(reserve, request, size, places.ratios);
        self.dearest(reserve, request.model(), input, |price| {
            let most = said.or_else(|| price?.most_output);
            self.output(reserve, places.lengths, most)
                .saturating_mul(request.choices())
        })
    }

    /// What a call for embeddings is estimated to take: its texts, and no answer.
    #[must_use]
    pub fn estimate_embeddings(&self, request: &EmbeddingRequest) -> Cost {
        self.measure_embeddings(self.shared.config.reserve, request)
            .cost
    }

    pub(super) fn measure_embeddings(
        &self,
        reserve: Reserve,
        request: &EmbeddingRequest,
    ) -> Measured {
        let (model, size) = (request.model(), request.size());
        let input = match reserve {
            Reserve::Likely => self.shared.calibrated.size_tokens(model, size),
            Reserve::Most => size.text,
        };
        self.dearest(reserve, model, input, |_| 0)
    }

    /// The dearest of the models that may serve a call of so much input, with an answer that may depend on the price.
    fn dearest(
        &self,
        reserve: Reserve,
        asked: &str,
        input: u64,
        output: impl Fn(Option<&Price>) -> u64,
    ) -> Measured {
        let mut cost = Cost::default();
        let mut consider = |price: Option<&Price>| {
            let output = output(price);
            cost.tokens = cost.tokens.max(input.saturating_add(output));
            let money = price.map_or(0, |price| money(reserve, price, input, output));
            cost.nano_dollars = cost.nano_dollars.max(money);
        };
        let mut priced = true;
        let mut look_up = |provider: Option<&str>, model: &str| {
            if !self.shared.prices.each(provider, model, &mut consider) {
                consider(None);
                priced = false;
            }
        };
        match self.serving(asked) {
            Some(models) => models.iter().for_each(|(provider, model)| {
                let model = match &**model {
                    ASKED => asked,
                    model => model,
                };
                look_up(provider.as_deref(), model);
            }),
            None => look_up(None, asked),
        }
        Measured { cost, priced }
    }

    /// What may serve what is asked for, where the settings say so.
    fn serving(&self, asked: &str) -> Option<&[Served]> {
        let Shared {
            serves, patterns, ..
        } = &*self.shared;
        let by_pattern = || {
            let mut patterns = patterns.iter();
            patterns.find_map(|(pattern, models)| pattern.matches(asked).then_some(models))
        };
        serves
            .get(asked)
            .or_else(by_pattern)
            .map(|models| &models[..])
    }

    fn input(
        &self,
        reserve: Reserve,
        request: &ChatRequest,
        size: PromptSize,
        place: Option<Place>,
    ) -> u64 {
        let Shared { config, .. } = &*self.shared;
        match reserve {
            Reserve::Likely => {
                let counted = self.shared.counter.as_ref();
                let counted = counted.and_then(|counter| counter.prompt(request));
                let by_bytes = || self.shared.calibrated.size_tokens_at(place, size);
                counted.unwrap_or_else(by_bytes)
            }
            // No tokenizer in use makes more of a text than a token for each byte. Of media bytes tell nothing: a small picture
            // may be billed as a large one.
            Reserve::Most => {
                let bytes = request.object().iter().map(|(_, value)| value.len() as u64);
                let media = u64::from(size.media).saturating_mul(config.media);
                let added = config.overhead.saturating_add(media);
                bytes.sum::<u64>().saturating_add(added)
            }
        }
    }

    fn output(&self, reserve: Reserve, place: Option<Place>, most: Option<u64>) -> u64 {
        let Shared { config, .. } = &*self.shared;
        match reserve {
            Reserve::Likely => {
                let learned = place.and_then(|place| self.shared.lengths.likely_at(place, most));
                let guessed = || most.map_or(config.output, |most| most.min(config.output));
                learned.unwrap_or_else(guessed)
            }
            Reserve::Most => most.unwrap_or(config.most_output),
        }
    }
}

fn money(reserve: Reserve, price: &Price, input_tokens: u64, output_tokens: u64) -> u64 {
    match reserve {
        Reserve::Likely => price.of(&Usage {
            input_tokens: Some(input_tokens),
            output_tokens: Some(output_tokens),
            ..Usage::default()
        }),
        Reserve::Most => price.most(input_tokens, output_tokens),
    }
}

impl fmt::Debug for Estimator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Estimator")
            .field("config", &self.shared.config)
            .field("prices", &self.shared.prices)
            .field("counts", &self.shared.counter.is_some())
            .field("ratios", &self.shared.calibrated)
            .field("lengths", &self.shared.lengths)
            .finish()
    }
}
