//! Which models a provider has.
