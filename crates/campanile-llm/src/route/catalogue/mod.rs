//! Which member of a pool serves which models, and what they can do there.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::{ArcSwap, Guard};
use campanile::{Context, Endpoint, config::Invalid};

use super::{Routed, routed::least, unknown::quoted};
use crate::error::{Class, Error};

mod config;
mod table;
#[cfg(test)]
mod tests;

pub use config::{CatalogueConfig, Offer};

pub(super) use table::{Asked, Table, Verdict};

/// What the members of a pool serve: the models, and what these can do there. A handle: clones are of the same catalogue, and
/// it may change while the pool runs.
///
/// It knows the members of the pools whose strategy is a [`Serving`](super::Serving) of it. What an endpoint serves is said by
/// the [configuration](CatalogueConfig::endpoints), or else by the endpoint's own labels ([`Offer`]).
#[derive(Clone, Default)]
pub struct Catalogue {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Looked up by calls; made anew by the first one after a change.
    table: ArcSwap<Table>,
    version: AtomicU64,
    entries: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    config: CatalogueConfig,
    /// What members serve by configuration or labels, by their numbers.
    members: Vec<Option<Member>>,
    /// Numbers that are nobody's any more.
    free: Vec<u32>,
}

struct Member {
    endpoint: Endpoint,
    labels: Offer,
}

/// A member's place in the catalogue, which it leaves when this is dropped.
pub(super) struct Place {
    shared: Arc<Shared>,
    pub(super) number: u32,
}

// ===== impl Catalogue =====

impl Catalogue {
    /// A catalogue of this configuration. An empty one goes by labels alone.
    ///
    /// # Errors
    ///
    /// When a setting is out of range.
    pub fn new(config: CatalogueConfig) -> Result<Self, Invalid> {
        let catalogue = Self::default();
        catalogue.replace(config)?;
        Ok(catalogue)
    }

    /// Sets another configuration. Picks go by it from now on.
    ///
    /// # Errors
    ///
    /// When a setting is out of range; the present one stays.
    pub fn replace(&self, config: CatalogueConfig) -> Result<(), Invalid> {
        let config = config.build()?;
        self.shared.change(|entries| entries.config = config);
        Ok(())
    }

    /// Sets what one endpoint serves.
    pub fn set_endpoint(&self, key: impl Into<String>, offer: Offer) {
        let key = key.into();
        self.shared
            .change(|entries| drop(entries.config.endpoints.insert(key, offer)));
    }

    /// The present configuration.
    #[must_use]
    pub fn config(&self) -> CatalogueConfig {
        self.shared.entries().config.clone()
    }

    /// The models that members name, in their order. Patterns are not among them.
    #[must_use]
    pub fn models(&self) -> Vec<String> {
        let table = self.table();
        table.models().into_iter().map(str::to_owned).collect()
    }

    /// Whether some member serves a request, whether or not it is open now. Without any member everything is left to the pool.
    ///
    /// # Errors
    ///
    /// [`Class::ModelNotFound`] when no member has the model; [`Class::Request`] when those that have it lack something that
    /// the request needs, which the message names; [`Class::ContextWindow`] when it is surely too long for all of them: one that
    /// is only believed to be is for a provider to refuse.
    pub fn check<T: Routed>(&self, request: &T, context: Option<&Context>) -> Result<(), Error> {
        let table = self.table();
        let needs = request.needs();
        let tokens = least(request, context, || needs.media);
        let model = request.model();
        let verdict = table.ask(model, needs, tokens).of_all();
        match verdict {
            Verdict::Serves => Ok(()),
            _ if table.is_empty() => Ok(()),
            Verdict::NoModel => {
                let models = table.models();
                Err(super::unknown::unknown(model, models.iter().copied()))
            }
            Verdict::Lacks(lacks) => Err(lacking(model, lacks)),
            Verdict::Overflows => Err(too_long(model)),
        }
    }

    /// The present table.
    #[inline]
    pub(super) fn table(&self) -> Guard<Arc<Table>> {
        let table = self.shared.table.load();
        if table.version == self.shared.version.load(Ordering::Acquire) {
            return table;
        }
        self.shared.rebuild()
    }

    pub(super) fn join(&self, endpoint: &Endpoint) -> Place {
        let member = Member {
            endpoint: endpoint.clone(),
            labels: Offer::of(endpoint),
        };
        let mut number = 0;
        self.shared.change(|entries| {
            number = entries.free.pop().unwrap_or_else(|| {
                entries.members.push(None);
                entries.members.len() as u32 - 1
            });
            entries.members[number as usize] = Some(member);
        });
        Place {
            shared: Arc::clone(&self.shared),
            number,
        }
    }
}

fn lacking(model: &str, lacks: &'static str) -> Error {
    let param = match lacks {
        "vision" => "messages",
        "json" | "json_schema" => "response_format",
        "reasoning" => "reasoning_effort",
        "streaming" => "stream",
        "max_output" => "max_tokens",
        other => other,
    };
    let model = quoted(model);
    let message = match lacks {
        "max_output" => format!("no endpoint's {model:?} writes answers as long as {param} allows"),
        _ => format!("no endpoint's {model:?} has what this request needs: {lacks}"),
    };
    Error::new(Class::Request, message)
        .with_status(400)
        .with_kind("invalid_request_error")
        .with_code("unsupported_capability")
        .with_param(param)
}

fn too_long(model: &str) -> Error {
    let message = format!(
        "this request is longer than the context window of every endpoint's {:?}",
        quoted(model)
    );
    Error::new(Class::ContextWindow, message)
        .with_status(400)
        .with_kind("invalid_request_error")
        .with_code("context_length_exceeded")
        .with_param("messages")
}

impl fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalogue")
            .field("models", &self.models())
            .finish_non_exhaustive()
    }
}

// ===== impl Shared =====

impl Shared {
    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Entries)) {
        let mut entries = self.entries();
        change(&mut entries);
        // Under the lock, so that a table is never newer than its version.
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Makes the table anew, unless another call has done so meanwhile.
    #[cold]
    fn rebuild(&self) -> Guard<Arc<Table>> {
        let entries = self.entries();
        let version = self.version.load(Ordering::Acquire);
        if self.table.load().version != version {
            let members = entries.members.iter().map(|member| {
                let member = member.as_ref()?;
                let configured = entries.config.endpoints.get(member.endpoint.key());
                Some((&member.endpoint, configured.unwrap_or(&member.labels)))
            });
            let table = Table::new(&entries.config, members, version);
            self.table.store(Arc::new(table));
        }
        self.table.load()
    }
}

// ===== impl Place =====

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.change(|entries| {
            entries.members[self.number as usize] = None;
            entries.free.push(self.number);
        });
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Place").field(&self.number).finish()
    }
}
