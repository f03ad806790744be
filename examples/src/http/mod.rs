//! HTTP upstreams on loopback ([`Upstream`]), the pool in front of them ([`pool`]), the server in front of the pool
//! ([`front`]), and a client that tells a whole answer from a cut one ([`Caller`]).

mod caller;
mod front;
mod upstream;

pub use caller::{Answer, Caller};
pub use front::{Client, Pool, client, front, pool, serve, to};
pub use upstream::Upstream;
