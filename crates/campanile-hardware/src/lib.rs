//! Concurrency limits that fit the machine, and follow it.
//!
//! What a stage may do at once depends on the processors and the memory that its container is given, and on who else uses
//! them. [`Hardware::detect`] tells what there is, [`Work`] how many calls of a stage fit, and a [`Sampler`] lowers the
//! ceiling of a limit while processors or memory are short, and raises it again afterwards. It moves a [`Dial`], which a
//! concurrency limit of `campanile` has, and which anything else may be.
//!
//! | the stage | [`Work`] | starts with | at most |
//! |---|---|---|---|
//! | computes: parses, tokenises, compresses | [`Work::cpu`] | a call a core | a call a core |
//! | waits: calls providers, databases | [`Work::io`] | 2 calls a core | 4 calls a core |
//! | holds memory: embeds, loads documents | [`Work::memory`] | available memory, less a tenth of all, / memory per call | the same |
//!
//! With the feature `health` there is a [`MemoryProbe`] besides, for health layers over processors that run on this machine.
//!
//! A crate of its own, since `sysinfo` wants Rust 1.95.
//!
//! # State
//!
//! A [`Ceiling`] for each stage: the full ceiling, the part of it that holds, and when it was last cut and raised. It is a
//! state machine over readings ([`Hardware`]); the [`Sampler`] around it reads the machine once a second, in a task, and
//! sets dials when something changes. Nothing of it lies on the path of a call. A reading takes about a tenth of a
//! millisecond: a few small files of `/proc` and `/sys`.
//!
//! Processors are short when tasks wait for them half of the time, when the quota is used up in a quarter of its periods,
//! or, where neither is known, when the load is above two for each core. Memory is short when nine tenths are in use, or
//! tasks wait for it a tenth of the time. All bounds are in [`CeilingConfig`].
//!
//! # Readiness
//!
//! Nothing here is called by calls. What happens to calls in flight when a ceiling falls below them is the limit's to say.
//!
//! # Cancellation
//!
//! The task ends when its [`SamplerHandle`] is dropped, and when every dial's owner is gone
//! ([`Dial::is_alive`](campanile::control::Dial::is_alive)).
//!
//! # Streaming
//!
//! Nothing.
//!
//! # Sharing
//!
//! One sampler moves the ceilings of all stages of a process: each stage has its own [`CeilingConfig`], and
//! [`share`](CeilingConfig::share) divides the machine among those that run at the same time. [`Sample`]s, the latest
//! reading and what became of it, are told to anybody who [watches](SamplerHandle::watch).
//!
//! # Errors
//!
//! [`CeilingConfig::build`] names the setting that is wrong. Reading never fails: what a machine or a container does not
//! show is `None`, and named, with each file that was tried, in [`Hardware::missing`].
//!
//! # Example
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), campanile::config::Invalid> {
//! use campanile::control::Dial;
//! use campanile_hardware::{CeilingConfig, Hardware, Sampler, Work};
//! use std::sync::{Arc, Mutex};
//!
//! // In place of the `ceiling_dial()` of a concurrency limit.
//! struct Limit(Mutex<f64>);
//!
//! impl Dial for Limit {
//!     fn value(&self) -> f64 {
//!         *self.0.lock().unwrap()
//!     }
//!     fn set(&self, value: f64) -> f64 {
//!         *self.0.lock().unwrap() = value;
//!         value
//!     }
//! }
//!
//! // Limits to start with, for each kind of stage.
//! let hardware = Hardware::detect();
//! let parse = Arc::new(Limit(Mutex::new(Work::cpu().start(&hardware))));
//! let chat = Arc::new(Limit(Mutex::new(Work::io().start(&hardware))));
//!
//! // And ceilings that follow the machine from here on.
//! let sampler = Sampler::new()
//!     .stage("parse", CeilingConfig::new(Work::cpu()).with_share(0.5).build()?, parse.clone())
//!     .stage("chat", CeilingConfig::new(Work::io()).with_cap(500.0).build()?, chat.clone())
//!     .spawn();
//!
//! println!("{}", sampler.latest().hardware);
//! assert_eq!(sampler.latest().stages[1].dial, chat.value());
//! # Ok(()) }
//! ```
//!
//! [`Dial`]: campanile::control::Dial
#![cfg_attr(not(feature = "health"), allow(rustdoc::broken_intra_doc_links))]

mod config;
mod hardware;
#[cfg(feature = "health")]
mod probe;
mod sampler;
mod source;
mod state;
#[cfg(test)]
mod tests;
mod work;

pub use config::{Band, CeilingConfig};
pub use hardware::{Cores, Figure, Hardware, Load, Memory, Missing, Stall, Throttling};
#[cfg(feature = "health")]
pub use probe::MemoryProbe;
pub use sampler::{Sample, Sampler, SamplerHandle, StageSnapshot};
pub use source::{Source, System};
pub use state::{Cause, Ceiling, CeilingSnapshot, Change};
pub use work::Work;
