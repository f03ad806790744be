//! From a text to typed settings, with the place of everything that is wrong.
//!
//! 1. [`tree`]: the YAML as it is written, each value with its place.
//! 2. [`expand`]: `${NAME}` in values. What is put in is text of that one value, so it can be no structure.
//! 3. [`typed`]: the settings by serde, all that is wrong at once.
//! 4. [`problem`]: how it is told, without a secret.

mod excerpt;
pub(super) mod expand;
mod failure;
pub(super) mod hide;
pub(super) mod problem;
mod scalar;
pub(super) mod sight;
pub(super) mod suggest;
pub(super) mod tree;
pub(super) mod typed;
mod within;
