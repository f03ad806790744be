use campanile::{Usage, config::Invalid};
use serde::{Deserialize, Serialize};

use super::{CONCERN, Dollars};

/// What a model costs: dollars for a million tokens.
///
/// Input and output have no default. Cached input and input that is written to the cache cost as much as other input, unless
/// they are given, and what is written there for longer as much as what is written there for a short time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Price {
    /// A million tokens read.
    #[serde(deserialize_with = "named::input")]
    pub input: Dollars,
    /// A million tokens written, those that were thought and not said included.
    #[serde(deserialize_with = "named::output")]
    pub output: Dollars,
    /// A million tokens of the input that came from the provider's cache.
    #[serde(default, deserialize_with = "named::cached_input")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<Dollars>,
    /// A million tokens of the input that were written to the provider's cache.
    #[serde(default, deserialize_with = "named::cache_write")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<Dollars>,
    /// A million tokens of the input that were written there to stay for longer, as Anthropic's for an hour. As
    /// `cache_write`, unless given.
    #[serde(default, deserialize_with = "named::cache_write_long")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write_long: Option<Dollars>,
    /// Each call that was answered, whatever its tokens. 0 unless given.
    #[serde(default, deserialize_with = "named::per_request")]
    #[serde(skip_serializing_if = "is_zero")]
    pub per_request: Dollars,
    /// Other prices for long prompts, the shortest first. A prompt is as long as all its input tokens, cached ones included;
    /// the price of its tier is for all tokens of the call, as providers have it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tiers: Vec<Tier>,
    /// How many tokens the model writes at most, where that is known: the bound of what a call can cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most_output: Option<u64>,
}

/// The [price](Price) of calls with long prompts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Tier {
    /// For prompts of more tokens than this.
    pub above: u64,
    /// As [`Price::input`].
    #[serde(deserialize_with = "named::input")]
    pub input: Dollars,
    /// As [`Price::output`].
    #[serde(deserialize_with = "named::output")]
    pub output: Dollars,
    /// As [`Price::cached_input`].
    #[serde(default, deserialize_with = "named::cached_input")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<Dollars>,
    /// As [`Price::cache_write`].
    #[serde(default, deserialize_with = "named::cache_write")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<Dollars>,
    /// As [`Price::cache_write_long`].
    #[serde(default, deserialize_with = "named::cache_write_long")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write_long: Option<Dollars>,
}

/// Nano-dollars for a million tokens, of each kind.
struct Rates {
    input: Dollars,
    output: Dollars,
    cached_input: Option<Dollars>,
    cache_write: Option<Dollars>,
    cache_write_long: Option<Dollars>,
}

const MILLION: u64 = 1_000_000;

/// Reads amounts, with errors that say of which field.
mod named {
    use serde::{Deserialize, Deserializer, de::Error};

    use super::Dollars;

    macro_rules! field {
        ($name:ident: $type:ty) => {
            pub(super) fn $name<'de, D: Deserializer<'de>>(from: D) -> Result<$type, D::Error> {
                let name = stringify!($name);
                <$type>::deserialize(from)
                    .map_err(|error| D::Error::custom(format_args!("{name}: {error}")))
            }
        };
    }

    field!(input: Dollars);
    field!(output: Dollars);
    field!(cached_input: Option<Dollars>);
    field!(cache_write: Option<Dollars>);
    field!(cache_write_long: Option<Dollars>);
    field!(per_request: Dollars);
}

fn is_zero(dollars: &Dollars) -> bool {
    *dollars == Dollars::ZERO
}

// ===== impl Price =====

impl Price {
    /// A price of so much for a million tokens read, and so much for a million written.
    #[must_use]
    pub const fn new(input: Dollars, output: Dollars) -> Self {
        Self {
            input,
            output,
            cached_input: None,
            cache_write: None,
            cache_write_long: None,
            per_request: Dollars::ZERO,
            tiers: Vec::new(),
            most_output: None,
        }
    }

    /// Sets the price of cached input.
    #[must_use]
    pub const fn with_cached_input(mut self, price: Dollars) -> Self {
        self.cached_input = Some(price);
        self
    }

    /// Sets the price of input that is written to the cache.
    #[must_use]
    pub const fn with_cache_write(mut self, price: Dollars) -> Self {
        self.cache_write = Some(price);
        self
    }

    /// Sets the price of input that is written to the cache to stay for longer.
    #[must_use]
    pub const fn with_cache_write_long(mut self, price: Dollars) -> Self {
        self.cache_write_long = Some(price);
        self
    }

    /// Sets the price of each call.
    #[must_use]
    pub const fn with_per_request(mut self, price: Dollars) -> Self {
        self.per_request = price;
        self
    }

    /// Adds a tier.
    #[must_use]
    pub fn with_tier(mut self, tier: Tier) -> Self {
        self.tiers.push(tier);
        self
    }

    /// Sets how many tokens the model writes at most.
    #[must_use]
    pub const fn with_most_output(mut self, tokens: u64) -> Self {
        self.most_output = Some(tokens);
        self
    }

    /// What a call costs in nano-dollars, by its totals: exact, and rounded once, half a nano-dollar up. Input tokens include
    /// those that were cached and those that were written to the cache, as everywhere in [`Usage`].
    ///
    /// ```
    /// use campanile::Usage;
    /// use campanile_llm::price::Price;
    ///
    /// let price = Price::new("2.5".parse()?, "10".parse()?).with_cached_input("1.25".parse()?);
    /// let usage = Usage {
    ///     input_tokens: Some(1_000),
    ///     cached_tokens: Some(600),
    ///     output_tokens: Some(100),
    ///     ..Usage::default()
    /// };
    /// // 400 * $2.50/M + 600 * $1.25/M + 100 * $10/M
    /// assert_eq!(price.of(&usage), 2_750_000);
    /// # Ok::<_, campanile_llm::price::NotDollars>(())
    /// ```
    #[must_use]
    pub fn of(&self, usage: &Usage) -> u64 {
        let input = usage.input_tokens.unwrap_or(0);
        // What is told to be more than the whole counts as the whole, cached tokens first.
        let cached = usage.cached_tokens.unwrap_or(0).min(input);
        let written = usage.cache_write_tokens.unwrap_or(0).min(input - cached);
        let long = usage.cache_write_long_tokens.unwrap_or(0).min(written);
        let plain = input - cached - written;
        let rates = self.rates(input);
        let write = rates.cache_write.unwrap_or(rates.input);
        let parts = [
            (plain, rates.input),
            (cached, rates.cached_input.unwrap_or(rates.input)),
            (written - long, write),
            (long, rates.cache_write_long.unwrap_or(write)),
            (usage.output_tokens.unwrap_or(0), rates.output),
        ];
        sum(&parts, self.per_request).unwrap_or_else(|| large_sum(&parts, self.per_request))
    }

    /// The dearest that so many tokens can be, in nano-dollars: all input at the dearest of its prices.
    #[must_use]
    pub fn most(&self, input_tokens: u64, output_tokens: u64) -> u64 {
        let rates = self.rates(input_tokens);
        let dearest = Self::new(rates.dearest_input(), rates.output);
        let usage = Usage {
            input_tokens: Some(input_tokens),
            output_tokens: Some(output_tokens),
            ..Usage::default()
        };
        dearest.with_per_request(self.per_request).of(&usage)
    }

    pub(super) fn check(&self) -> Result<(), Invalid> {
        let rule = "it is at least 1";
        let most = &self.most_output;
        Invalid::unless(*most != Some(0), CONCERN, "most_output", most, rule)?;
        let mut above = None;
        let mut before = self.base();
        for tier in &self.tiers {
            let rule = "each tier is above more tokens than the one before it";
            let rising = above.is_none_or(|above| above < tier.above);
            Invalid::unless(rising, CONCERN, "tiers.above", &tier.above, rule)?;
            // A prompt that is estimated too long would otherwise be reserved too little for.
            let rule = "a long prompt is not cheaper than a short one";
            let rates = tier.rates();
            let rising = rates.dearest_input() >= before.dearest_input();
            Invalid::unless(rising, CONCERN, "tiers.input", &tier.input, rule)?;
            let rising = rates.output >= before.output;
            Invalid::unless(rising, CONCERN, "tiers.output", &tier.output, rule)?;
            above = Some(tier.above);
            before = rates;
        }
        Ok(())
    }

    fn rates(&self, input: u64) -> Rates {
        let tier = self.tiers.iter().rev().find(|tier| input > tier.above);
        tier.map_or_else(|| self.base(), Tier::rates)
    }

    const fn base(&self) -> Rates {
        Rates {
            input: self.input,
            output: self.output,
            cached_input: self.cached_input,
            cache_write: self.cache_write,
            cache_write_long: self.cache_write_long,
        }
    }
}

// ===== impl Rates =====

impl Rates {
    fn dearest_input(&self) -> Dollars {
        let cached = self.cached_input.unwrap_or_default();
        self.input
            .max(cached)
            .max(self.cache_write.unwrap_or_default())
            .max(self.cache_write_long.unwrap_or_default())
    }
}

/// So many tokens at so much for a million, and so much for the call, in nano-dollars. `None` where a word does not hold it.
fn sum(parts: &[(u64, Dollars)], per_request: Dollars) -> Option<u64> {
    let mut sum = MILLION / 2;
    for (tokens, price) in parts {
        sum = sum.checked_add(tokens.checked_mul(price.as_nanos())?)?;
    }
    (sum / MILLION).checked_add(per_request.as_nanos())
}

/// Likewise, whatever they are.
#[cold]
fn large_sum(parts: &[(u64, Dollars)], per_request: Dollars) -> u64 {
    let million = u128::from(MILLION);
    let part =
        |&(tokens, price): &(u64, Dollars)| u128::from(tokens) * u128::from(price.as_nanos());
    let sum = parts
        .iter()
        .map(part)
        .fold(million / 2, u128::saturating_add);
    let nanos = sum / million + u128::from(per_request.as_nanos());
    u64::try_from(nanos).unwrap_or(u64::MAX)
}

// ===== impl Tier =====

impl Tier {
    /// A price for prompts of more than `above` tokens.
    #[must_use]
    pub const fn new(above: u64, input: Dollars, output: Dollars) -> Self {
        Self {
            above,
            input,
            output,
            cached_input: None,
            cache_write: None,
            cache_write_long: None,
        }
    }

    /// Sets the price of cached input.
    #[must_use]
    pub const fn with_cached_input(mut self, price: Dollars) -> Self {
        self.cached_input = Some(price);
        self
    }

    /// Sets the price of input that is written to the cache.
    #[must_use]
    pub const fn with_cache_write(mut self, price: Dollars) -> Self {
        self.cache_write = Some(price);
        self
    }

    /// Sets the price of input that is written to the cache to stay for longer.
    #[must_use]
    pub const fn with_cache_write_long(mut self, price: Dollars) -> Self {
        self.cache_write_long = Some(price);
        self
    }

    const fn rates(&self) -> Rates {
        Rates {
            input: self.input,
            output: self.output,
            cached_input: self.cached_input,
            cache_write: self.cache_write,
            cache_write_long: self.cache_write_long,
        }
    }
}
