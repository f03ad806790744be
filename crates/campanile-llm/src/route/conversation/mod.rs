//! By conversation: what belongs together stays together, so that a provider's prompt cache stays warm.
//!
//! [`ConversationLayer`] says to which conversation a call belongs: by fields that clients set for that, or else by how the
//! chat begins. `Affinity::by_conversation` of the pool keeps calls of one conversation at one member as long as it has room
//! there.
//!
//! **State.** None.
//!
//! **Readiness, Cancellation, Streaming.** Those of the service within.
//!
//! **Sharing.** Clones share the settings.
//!
//! **Errors.** None of its own.
//!
//! # Example
//!
//! ```
//! use campanile::Call;
//! use campanile_llm::{chat::ChatRequest, route::{ConversationConfig, ConversationLayer}};
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let layer = ConversationLayer::new(ConversationConfig::default()).unwrap();
//! let service = layer.layer(service_fn(async |call: Call<ChatRequest>| Ok::<_, ()>(call.context.conversation)));
//!
//! let first = ChatRequest::new("m").system("Be brief.").user("The capital of Italy?");
//! let later = first.clone().assistant("Rome.").user("And of France?");
//! let one = service.clone().oneshot(Call::new(first)).await.unwrap();
//! assert_eq!(service.oneshot(Call::new(later)).await.unwrap(), one);
//! # }
//! ```

use std::{
    borrow::Cow,
    sync::Arc,
    task::{Context, Poll},
};

use campanile::{Call, config::Invalid};
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use tower_layer::Layer;
use tower_service::Service;

use crate::chat::ChatRequest;

mod key;
#[cfg(test)]
mod tests;

pub use key::conversation_key;
pub(in crate::route) use key::hash;
#[cfg(feature = "pool")]
pub(in crate::route) use key::mix;

/// How long a client's name of a conversation may be, in bytes; of a longer one the hash is taken.
const LONGEST: usize = 128;

/// Where a conversation is found.
///
/// ```
/// use campanile_llm::route::ConversationConfig;
///
/// let config: ConversationConfig = serde_json::from_str(r#"{ "headers": ["x-session"], "beginning": false }"#).unwrap();
/// assert_eq!(config.fields, ["prompt_cache_key", "metadata.user_id", "user"]);
/// assert!(config.build().is_ok());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ConversationConfig {
    /// Headers whose value names it, the first that there is. `x-conversation-id` and `x-session-id` by default.
    pub headers: Vec<String>,
    /// Fields of the request whose text names it, the first that there is; a dot is between a field and one within.
    /// `prompt_cache_key`, `metadata.user_id` and `user` by default.
    pub fields: Vec<String>,
    /// Whether a chat that nothing names is known by its [beginning](conversation_key). True by default.
    pub beginning: bool,
}

/// Says to which conversation a call belongs, unless its context says so already. See the [module](self).
#[derive(Debug, Clone)]
pub struct ConversationLayer {
    config: Arc<ConversationConfig>,
}

/// A service that is told to which conversation calls belong.
#[derive(Debug, Clone)]
pub struct ConversationService<S> {
    inner: S,
    config: Arc<ConversationConfig>,
}

/// Calls of one conversation stay together: that of their context, otherwise that which their
/// [beginning](conversation_key) tells. For [`Affinity::by`](campanile::balance::Affinity::by).
///
/// ```
/// use campanile::balance::{Affinity, BalanceLayer};
/// use campanile_llm::{Chat, route::ByChat};
///
/// let layer = BalanceLayer::new(Affinity::by(ByChat)).protocol(Chat);
/// # let _ = layer;
/// ```
#[cfg(feature = "pool")]
#[derive(Debug, Clone, Copy, Default)]
pub struct ByChat;

// ===== impl ConversationConfig =====

impl Default for ConversationConfig {
    fn default() -> Self {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self {
            headers: owned(&["x-conversation-id", "x-session-id"]),
            fields: owned(&["prompt_cache_key", "metadata.user_id", "user"]),
            beginning: true,
        }
    }
}

impl ConversationConfig {
    /// Sets the headers.
    #[must_use]
    pub fn with_headers<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.headers = names.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the fields.
    #[must_use]
    pub fn with_fields<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.fields = names.into_iter().map(Into::into).collect();
        self
    }

    /// Sets whether a chat that nothing names is known by its beginning.
    #[must_use]
    pub const fn with_beginning(mut self, is_known: bool) -> Self {
        self.beginning = is_known;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// When a name of a header is none, or that of a field is empty.
    pub fn build(self) -> Result<Self, Invalid> {
        for name in &self.headers {
            Invalid::unless(
                http::HeaderName::from_bytes(name.as_bytes()).is_ok(),
                "conversation",
                "headers",
                name,
                "it must be the name of a header",
            )?;
        }
        for name in &self.fields {
            Invalid::unless(
                name.split('.').all(|part| !part.is_empty()),
                "conversation",
                "fields",
                name,
                "no part of a name may be empty",
            )?;
        }
        Ok(self)
    }

    /// The conversation that the headers of a client's request name: for those who make calls of HTTP requests.
    #[must_use]
    pub fn of_headers(&self, headers: &HeaderMap) -> Option<Arc<str>> {
        let values = self.headers.iter().filter_map(|name| headers.get(name));
        let mut texts = values.filter_map(|value| value.to_str().ok());
        texts.find_map(named)
    }

    /// The conversation that a request names, or that its beginning tells.
    #[must_use]
    pub fn of_request(&self, request: &ChatRequest) -> Option<Arc<str>> {
        let named = self.fields.iter().find_map(|path| {
            let text = field(request, path)?;
            named(&text)
        });
        named.or_else(|| {
            let key = conversation_key(request).filter(|_| self.beginning)?;
            Some(format!("chat-{key:016x}").into())
        })
    }
}

/// The text of a field, or of one within it.
fn field<'a>(request: &'a ChatRequest, path: &str) -> Option<Cow<'a, str>> {
    let object = request.object();
    let Some((outer, inner)) = path.split_once('.') else {
        return object.read::<Cow<'a, str>>(path).ok().flatten();
    };
    let value = object.read::<serde_json::Value>(outer).ok().flatten()?;
    let inner = inner
        .split('.')
        .try_fold(&value, |value, name| value.get(name))?;
    Some(inner.as_str()?.to_owned().into())
}

/// A client's name of a conversation, bounded.
fn named(text: &str) -> Option<Arc<str>> {
    match text.len() {
        0 => None,
        1..=LONGEST => Some(text.into()),
        _ => Some(format!("name-{:016x}", hash(0, text.as_bytes())).into()),
    }
}

// ===== impl ConversationLayer =====

impl ConversationLayer {
    /// Finds conversations so.
    ///
    /// # Errors
    ///
    /// As [`ConversationConfig::build`].
    pub fn new(config: ConversationConfig) -> Result<Self, Invalid> {
        Ok(Self {
            config: Arc::new(config.build()?),
        })
    }
}

impl<S> Layer<S> for ConversationLayer {
    type Service = ConversationService<S>;

    fn layer(&self, inner: S) -> ConversationService<S> {
        ConversationService {
            inner,
            config: Arc::clone(&self.config),
        }
    }
}

// ===== impl ConversationService =====

impl<S> ConversationService<S> {
    /// The service within.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S: Service<Call<ChatRequest>>> Service<Call<ChatRequest>> for ConversationService<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut call: Call<ChatRequest>) -> S::Future {
        if call.context.conversation.is_none() {
            call.context.conversation = self.config.of_request(&call.message);
        }
        self.inner.call(call)
    }
}

// ===== impl ByChat =====

#[cfg(feature = "pool")]
impl campanile::balance::AffinityKey<Call<ChatRequest>> for ByChat {
    fn key(&self, call: &Call<ChatRequest>, context: Option<&campanile::Context>) -> Option<u64> {
        let known = context.and_then(|context| context.conversation.as_deref());
        match known {
            Some(conversation) => Some(campanile::balance::affinity_key(conversation)),
            None => conversation_key(&call.message),
        }
    }
}
