use http::{HeaderMap, HeaderValue};

/// What the head of a request says to the gateway, found in one pass: a look-up of each name would cost as much as everything
/// else that is done with a head.
#[derive(Default)]
pub(crate) struct Said<'a> {
    pub(super) authorization: Option<&'a HeaderValue>,
    pub(super) api_key: Option<&'a HeaderValue>,
    pub(super) priority: Option<&'a HeaderValue>,
    /// `x-campanile-timeout`: how long the caller waits for the whole answer.
    pub(super) timeout: Option<&'a HeaderValue>,
    /// What SDKs send: how long they wait for the next byte of an answer, or for its head.
    pub(super) patience: Option<&'a HeaderValue>,
    pub(super) conversation: Option<&'a HeaderValue>,
    pub(crate) content_type: Option<&'a HeaderValue>,
    pub(crate) content_length: Option<&'a HeaderValue>,
    pub(crate) content_encoding: Option<&'a HeaderValue>,
    /// `x-campanile-trail`: whether the caller wants to be told where its call goes.
    pub(crate) trail: Option<&'a HeaderValue>,
    pub(crate) stage: Option<&'a HeaderValue>,
    /// The features that are to come which the caller wants to use already.
    pub(crate) anthropic_beta: Option<&'a HeaderValue>,
    /// Whether the request is one of Anthropic's SDKs.
    pub(crate) is_anthropic: bool,
}

// ===== impl Said =====

impl<'a> Said<'a> {
    pub(crate) fn read(headers: &'a HeaderMap) -> Self {
        let mut said = Self::default();
        for (name, value) in headers {
            let place = match name.as_str() {
                "authorization" => &mut said.authorization,
                "content-type" => &mut said.content_type,
                "content-length" => &mut said.content_length,
                "content-encoding" => &mut said.content_encoding,
                "anthropic-beta" => &mut said.anthropic_beta,
                "anthropic-version" => {
                    said.is_anthropic = true;
                    continue;
                }
                name => match name.strip_prefix("x-") {
                    Some("api-key") => &mut said.api_key,
                    Some("campanile-trail") => &mut said.trail,
                    Some("campanile-stage") => &mut said.stage,
                    Some("campanile-priority") => &mut said.priority,
                    Some("campanile-timeout") => &mut said.timeout,
                    Some("stainless-read-timeout" | "stainless-timeout") => &mut said.patience,
                    Some("campanile-conversation" | "conversation-id" | "session-id") => {
                        &mut said.conversation
                    }
                    _ => continue,
                },
            };
            // The first that there is.
            place.get_or_insert(value);
        }
        said
    }
}
