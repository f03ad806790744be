use campanile::{Cost, Usage};

use super::{ListModels, ModelList};
use crate::protocol::single::single;

/// How the layers of `campanile` read calls for lists of models: put it into their `protocol` method. They take no tokens.
#[derive(Debug, Clone, Copy, Default)]
pub struct Models;

const NOTHING: Usage = Usage {
    input_tokens: Some(0),
    output_tokens: Some(0),
    cached_tokens: None,
    cache_write_tokens: None,
    cache_write_long_tokens: None,
    reasoning_tokens: None,
    nano_dollars: Some(0),
};

// ===== impl Models =====

single!(Models: ListModels => ModelList, cost, bytes, usage);

fn cost(_: &ListModels) -> Cost {
    Cost::default()
}

const fn bytes(_: &ListModels) -> u64 {
    0
}

const fn usage(_: &ModelList) -> &Usage {
    &NOTHING
}
