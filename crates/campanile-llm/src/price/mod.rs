//! What models cost: exact to the nano-dollar, from a file, changed while running.
//!
//! Prices are dollars for a million tokens, written as decimals, and kept as whole nano-dollars, so that no token of a cheap
//! model rounds to nothing. What a call costs is worked out from its totals and rounded once, half a nano-dollar up; so the
//! sum over calls is the sum of what each call is said to cost, and nothing is lost event by event.
//!
//! **State.** [`Prices`] is a handle; clones share one table, which is replaced as a whole. A call that looked its price up
//! keeps it to its end. A thread keeps the tables that it looked at last, four at most, so a table that was replaced goes once
//! the threads that used it have looked again.
//!
//! **Errors.** [`PriceError`] names the model, the field and the rule. A list that cannot be used leaves the one before in
//! place.
//!
//! **Models without a price.** [`Prices::find`] says `None`. Then nobody knows what a call costs: its tokens are counted, its
//! money is not, and the ledger counts it as a call without a price. An
//! [`EstimateLayer`](crate::estimate::EstimateLayer) may refuse such calls.
//!
//! # Example
//!
//! ```
//! use campanile::Usage;
//! use campanile_llm::price::Prices;
//!
//! let prices = Prices::from_json(r#"{
//!     "models": {
//!         "small": {"input": 0.05, "cached_input": 0.005, "output": 0.4},
//!         "large": {
//!             "input": 1.25, "output": 10, "cached_input": 0.125,
//!             "tiers": [{"above": 200000, "input": 2.5, "output": 15, "cached_input": 0.25}]
//!         },
//!         "elsewhere/small": {"input": 0.04, "output": 0.3}
//!     },
//!     "aliases": {"default": "small"}
//! }"#)?;
//! let usage = Usage { input_tokens: Some(1), output_tokens: Some(1), ..Usage::default() };
//! assert_eq!(prices.cost(None, "small-2026-01-31", &usage), Some(450), "nano-dollars");
//! assert_eq!(prices.cost(Some("elsewhere"), "small", &usage), Some(340));
//! assert_eq!(prices.cost(Some("elsewhere"), "default", &usage), Some(450));
//! assert_eq!(prices.cost(None, "unheard-of", &usage), None);
//! # Ok::<_, campanile_llm::price::PriceError>(())
//! ```

use std::{fmt, fs, path::Path, sync::Arc};

use campanile::Usage;

mod dollars;
mod error;
mod list;
mod present;
#[allow(clippy::module_inception)]
mod price;
mod table;
#[cfg(test)]
mod tests;

pub use dollars::{Dollars, NotDollars};
pub use error::PriceError;
pub use list::PriceList;
pub use price::{Price, Tier};

use present::Present;
use table::Table;

const CONCERN: &str = "price";

/// Prices by provider and model, replaced while running. Clones share them.
///
/// A model is looked up by its whole name first, then without the date of its version (`-2025-08-07`, `-20250807`,
/// `@20250807`, `-0613`) or `-latest`, then by the rules: the longest that it begins with. At each step what is said of the
/// provider (`provider/model`) goes before what is said of the model anywhere. Aliases are whole names. A name that another
/// one merely begins with is no rule: `some-model-mini` is not priced as `some-model`.
#[derive(Clone, Default)]
pub struct Prices {
    present: Arc<Present>,
}

// ===== impl Prices =====

impl Prices {
    /// Prices of a list.
    ///
    /// # Errors
    ///
    /// When a price or a name breaks a rule.
    pub fn new(list: &PriceList) -> Result<Self, PriceError> {
        let table = Table::new(list)?;
        Ok(Self {
            present: Arc::new(Present::new(table)),
        })
    }

    /// Prices of a list in JSON.
    ///
    /// # Errors
    ///
    /// When it is no list, or as [`new`](Self::new).
    pub fn from_json(json: &str) -> Result<Self, PriceError> {
        Self::new(&serde_json::from_str(json)?)
    }

    /// Prices of a file, a list in JSON.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or as [`from_json`](Self::from_json).
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, PriceError> {
        Self::from_json(&read(path.as_ref())?)
    }

    /// Puts other prices in place of these, for all clones: for calls from now on, not for those under way.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new); the prices are as before.
    pub fn replace(&self, list: &PriceList) -> Result<(), PriceError> {
        self.present.replace(Table::new(list)?);
        Ok(())
    }

    /// [Replaces](Self::replace) these by what the file says now.
    ///
    /// # Errors
    ///
    /// As [`from_file`](Self::from_file); the prices are as before.
    pub fn reload(&self, path: impl AsRef<Path>) -> Result<(), PriceError> {
        let json = read(path.as_ref())?;
        self.replace(&serde_json::from_str(&json)?)
    }

    /// The price of a model at a provider, if it is known.
    #[must_use]
    pub fn find(&self, provider: Option<&str>, model: &str) -> Option<Arc<Price>> {
        self.present
            .look(|table| table.find(provider, model).cloned())
    }

    /// What a call costs in nano-dollars, if the price is known: see [`Price::of`].
    #[must_use]
    pub fn cost(&self, provider: Option<&str>, model: &str, usage: &Usage) -> Option<u64> {
        self.present
            .look(|table| table.find(provider, model).map(|price| price.of(usage)))
    }

    /// Looks at the price of the first of these models that has one.
    pub(crate) fn first<T>(
        &self,
        provider: Option<&str>,
        models: [Option<&str>; 2],
        look: impl FnOnce(&Arc<Price>) -> T,
    ) -> Option<T> {
        self.present.look(|table| {
            let mut models = models.into_iter().flatten();
            models
                .find_map(|model| table.find(provider, model))
                .map(look)
        })
    }

    /// Looks at every price that a model may have: at this provider, or, where none is said, at any. Whether there is one.
    pub(crate) fn each(
        &self,
        provider: Option<&str>,
        model: &str,
        look: &mut impl FnMut(Option<&Price>),
    ) -> bool {
        self.present.look(|table| {
            let mut known = false;
            let mut find = |provider| {
                if let Some(price) = table.find(provider, model) {
                    look(Some(price));
                    known = true;
                }
            };
            find(provider);
            if provider.is_none() {
                table.providers().for_each(|provider| find(Some(provider)));
            }
            known
        })
    }
}

impl fmt::Debug for Prices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prices")
            .field("models", &self.present.look(Table::len))
            .finish()
    }
}

fn read(path: &Path) -> Result<String, PriceError> {
    fs::read_to_string(path).map_err(|source| PriceError::File {
        path: path.to_owned(),
        source,
    })
}
