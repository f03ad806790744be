use campanile::Cost;

use super::{EmbeddingRequest, EmbeddingResponse};
use crate::protocol::single::single;

/// How the layers of `campanile` read calls for embeddings: put it into their `protocol` method. As
/// [`Chat`](crate::Chat), but that no answer is streamed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Embeddings;

// ===== impl Embeddings =====

single!(Embeddings: EmbeddingRequest => EmbeddingResponse, cost, EmbeddingRequest::input_bytes, EmbeddingResponse::usage);

/// Four bytes a token, where nobody made a better estimate.
fn cost(request: &EmbeddingRequest) -> Cost {
    Cost::tokens(request.input_bytes() / 4)
}
