//! What calls take: counted while they go on, also where nothing is reported.

mod tally;

pub use tally::Tally;
