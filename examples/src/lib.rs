//! The parts that the examples and the end-to-end tests share: HTTP upstreams that can be killed, and the server in
//! front of them. The programs themselves are in `src/bin`.

pub mod http;
