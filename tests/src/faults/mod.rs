//! A provider that fails on purpose, over real sockets: [`Upstream`] answers requests with what was [recorded], broken
//! as the [`Answer`] says; [`Between`] stands between a client and a real server, and breaks what passes.
//!
//! Both see what their clients do: how many connections and requests there were, how many bytes of an answer were taken, and
//! whether the client left before its end.
//!
//! ```
//! use campanile_llm::dialect::Api;
//! use campanile_tests::faults::{Answer, Cut, Ended, Upstream, recorded};
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let upstream = Upstream::start().await?;
//! upstream.next(Answer::stream(Api::OpenAi, recorded(Api::OpenAi, "llama_text.sse")).cut_at(100, Cut::Fin));
//!
//! let mut client = tokio::net::TcpStream::connect(upstream.address()).await?;
//! client.write_all(b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}").await?;
//! let mut answer = Vec::new();
//! client.read_to_end(&mut answer).await?;
//! assert!(!answer.ends_with(b"0\r\n\r\n"), "the last chunk is missing");
//! let exchanges = upstream.ended(1).await;
//! assert_eq!((exchanges[0].sent, exchanges[0].ended), (100, Some(Ended::Cut)));
//! # Ok(())
//! # }
//! ```

use std::{fs, path::PathBuf};

use bytes::Bytes;
use campanile_llm::dialect::Api;

mod answer;
mod between;
mod errors;
mod exchange;
mod named;
mod upstream;

pub use answer::{Answer, Cut, Step};
pub use between::{Between, Breach};
pub use errors::Hint;
pub use exchange::{Counts, Ended, Exchange};
pub use upstream::{Upstream, refusing};

/// All interfaces of providers.
pub const APIS: [Api; 4] = [Api::OpenAi, Api::Anthropic, Api::Gemini, Api::Ollama];

/// A recorded answer: the file of this name in the interface's folder of `tests/recorded`.
///
/// # Panics
///
/// When there is no such file.
#[must_use]
pub fn recorded(api: Api, name: &str) -> Bytes {
    let folder = match api {
        Api::Anthropic => "anthropic",
        Api::Gemini => "gemini",
        Api::Ollama => "ollama",
        _ => "openai",
    };
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("recorded")
        .join(folder)
        .join(name);
    match fs::read(&path) {
        Ok(bytes) => bytes.into(),
        Err(error) => panic!("{}: {error}", path.display()),
    }
}

/// The name of an interface's file: how the names of its streams end.
#[must_use]
pub fn streamed(api: Api, name: &str) -> String {
    match api {
        Api::Ollama => format!("{name}.ndjson"),
        _ => format!("{name}.sse"),
    }
}
