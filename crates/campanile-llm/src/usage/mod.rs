//! What calls take: counted while they go on, also where nothing is reported.

mod tally;
#[cfg(test)]
mod tests;

pub use tally::Tally;
