//! Embeddings: texts in, vectors out, in the form of OpenAI's `/v1/embeddings` whatever the provider speaks.
//!
//! A [`Provider`](crate::provider::Provider) is a service of [`Call`](campanile::Call)`<`[`EmbeddingRequest`]`>` too.
//! [`Embeddings`] lets every layer of `campanile` read such calls.
//!
//! | interface | path |
//! |---|---|
//! | OpenAI | `/embeddings`, as the request is written |
//! | Gemini | `:embedContent` for one text, `:batchEmbedContents` for more |
//! | Ollama | `/api/embed` |
//! | Anthropic | has none: an error that says so |

mod base64;
mod gemini;
mod ollama;
mod protocol;
mod request;
mod response;
mod service;
#[cfg(test)]
mod tests;

pub use protocol::Embeddings;
pub use request::EmbeddingRequest;
pub use response::EmbeddingResponse;
