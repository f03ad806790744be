//! Providers of every interface, broken in every way, over real sockets, for callers of every dialect: what the caller sees, what
//! the layers of the endpoint count, and what becomes of the call at the provider.

mod answers;
mod callers;
mod leaks;
#[path = "../llm/mod.rs"]
mod llm;
mod shown;
mod streams;
