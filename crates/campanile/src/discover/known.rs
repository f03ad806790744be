use std::{collections::HashMap, fmt};

use super::Key;
use crate::endpoint::Endpoint;

/// The endpoints that the keys of a discovery stand for, which a discovery layer hands on in their place. A key that is no
/// endpoint itself is the same one for as long as it is a member.
#[derive(Default)]
pub(crate) struct Known {
    named: HashMap<String, Endpoint>,
}

// ===== impl Known =====

impl Known {
    /// The endpoint of a key that is inserted.
    pub(crate) fn insert<K: Key>(&mut self, key: &K) -> Endpoint {
        match key.endpoint() {
            Some(endpoint) => endpoint.clone(),
            None => self
                .named
                .entry(key.to_string())
                .or_insert_with_key(|name| Endpoint::new(name.as_str()))
                .clone(),
        }
    }

    /// The endpoint of a key that is removed.
    pub(crate) fn remove<K: Key>(&mut self, key: &K) -> Endpoint {
        key.endpoint()
            .cloned()
            .or_else(|| self.named.remove(&key.to_string()))
            .unwrap_or_else(|| Endpoint::new(key.to_string()))
    }
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.named.keys()).finish()
    }
}
