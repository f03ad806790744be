//! Refuses at once what cannot be served now.
