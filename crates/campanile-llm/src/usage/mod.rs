//! What calls take: counted while they go on, also where nothing is reported.

#[cfg(test)]
pub(crate) mod script;
mod tally;
#[cfg(test)]
mod tests;

pub use tally::Tally;
