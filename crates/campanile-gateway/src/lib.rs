//! A gateway for language models: one YAML file, one command; callers use the SDKs they have.
//!
//! As a library it is a [`Gateway`], made of a [`Config`](config::Config): behind a [`Server`], or as [`routes`] of any program
//! that speaks axum. The binary `campanile-gateway` is a thin shell around it.
//!
//! | module | what |
//! |---|---|
//! | [`config`] | the file: its types, how it is read and checked, its schema |
//! | `build` | makes pools, stages and routes of it, and makes them anew when it changes |
//! | `access` | who calls, and within which limits |
//! | `serve` | connections, requests and answers |
//! | [`quickstart`] | what is started without a file |
//! | `operate` | health, metrics, status, operators' actions, ids of calls, the access log |
//! | `trail` | tells a caller where its call went, and why |
//! | `simulated` | processors that make up what they answer |
//! | `local` | servers of models on this machine |
#![forbid(unsafe_code)]

mod access;
mod build;
pub mod config;
mod gateway;
mod local;
mod operate;
#[cfg(test)]
mod pages;
pub mod quickstart;
mod serve;
mod simulated;
#[cfg(test)]
mod testing;
mod trail;
pub mod watch;

pub use build::{BuildError, Changes, Reloaded};
pub use gateway::Gateway;
pub use serve::{Server, Stopped, routes, runtime};
