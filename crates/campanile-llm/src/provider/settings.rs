//! A provider's settings as each call needs them.

use std::{collections::HashMap, fmt, sync::Arc};

use bytes::Bytes;
use campanile::{
    config::Invalid,
    rate_limit::{Advise, Headers},
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use http_body_util::Full;

use super::{PastReasoning, ProviderConfig, TokenLimit, secret::sensitive};
use crate::{
    chat::Meta,
    dialect::{Api, Outgoing, anthropic::BETA},
    error::{Class, Error},
};

/// What is checked and read once.
#[allow(unreachable_pub)]
#[derive(PartialEq, Eq)]
pub struct Settings {
    pub(crate) name: Arc<str>,
    pub(crate) api: Api,
    base: String,
    headers: HeaderMap,
    models: HashMap<String, Arc<str>>,
    pub(crate) include_usage: bool,
    pub(crate) token_limit: TokenLimit,
    pub(crate) past_reasoning: PastReasoning,
    pub(crate) max_frame: usize,
    pub(crate) max_body: usize,
    /// What must not be seen, should the provider repeat it.
    secrets: Vec<Arc<str>>,
}

// ===== impl Settings =====

impl Settings {
    pub(super) fn new(config: &ProviderConfig) -> Result<Self, Invalid> {
        let base = config.checked_base()?;
        let least = "it must be at least 1024";
        let (frame, body) = (config.max_frame, config.max_body);
        Invalid::unless(frame >= 1_024, "provider", "max_frame", &frame, least)?;
        Invalid::unless(body >= 1_024, "provider", "max_body", &body, least)?;
        let mut secrets = Vec::new();
        let mut headers = HeaderMap::new();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        let agent = concat!("campanile/", env!("CARGO_PKG_VERSION"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
        if config.api == Api::Anthropic {
            headers.insert("anthropic-version", HeaderValue::from_static("2023-06-01"));
        }
        if let Some(key) = &config.key {
            let key = key.read("key")?;
            match config.api {
                Api::OpenAi | Api::Ollama => {
                    headers.insert(header::AUTHORIZATION, sensitive("Bearer ", &key))
                }
                Api::Anthropic => headers.insert("x-api-key", sensitive("", &key)),
                Api::Gemini => headers.insert("x-goog-api-key", sensitive("", &key)),
            };
            secrets.extend(telling(key));
        }
        for (name, value) in &config.headers {
            let name = ProviderConfig::checked_header(name)?;
            let value = value.read("headers")?;
            headers.insert(name, sensitive("", &value));
            // Behind a scheme, as `Bearer`, stands what a provider repeats.
            let words = value.split_ascii_whitespace().skip(1).map(Arc::from);
            let words: Vec<_> = words.filter_map(telling).collect();
            // The whole first: what is left of it would show its length.
            secrets.extend(telling(value));
            secrets.extend(words);
        }
        let name = match config.name.as_str() {
            "" => format!("{:?}", config.api).to_lowercase(),
            name => name.to_owned(),
        };
        let models = config.models.iter();
        Ok(Self {
            name: name.into(),
            api: config.api,
            base,
            headers,
            models: models
                .map(|(callers, its)| (callers.clone(), its.as_str().into()))
                .collect(),
            include_usage: config.include_usage,
            token_limit: config.token_limit,
            past_reasoning: config.past_reasoning,
            max_frame: config.max_frame,
            max_body: config.max_body,
            secrets,
        })
    }

    /// The provider's name of a model.
    pub(crate) fn model(&self, callers: &Arc<str>) -> Arc<str> {
        Arc::clone(self.models.get(&**callers).unwrap_or(callers))
    }

    /// A request to be sent.
    pub(crate) fn post(
        &self,
        outgoing: Outgoing,
        accept: &'static str,
    ) -> Result<Request<Full<Bytes>>, Error> {
        self.request(Method::POST, outgoing, accept)
    }

    pub(crate) fn request(
        &self,
        method: Method,
        outgoing: Outgoing,
        accept: &'static str,
    ) -> Result<Request<Full<Bytes>>, Error> {
        let get = method == Method::GET;
        let uri = format!("{}{}", self.base, outgoing.path);
        let request = Request::builder().method(method).uri(uri);
        let mut request = request.body(Full::new(outgoing.body)).map_err(|_| {
            // The model's name is in the path of some.
            Error::new(
                Class::Request,
                "the model's name cannot stand in an address",
            )
            .with_param("model")
        })?;
        let headers = request.headers_mut();
        headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
        headers.extend(outgoing.headers);
        // Those of the settings replace, but for a list. What has no content has no type of it.
        for (name, value) in &self.headers {
            match *name == BETA {
                true => drop(headers.append(name.clone(), value.clone())),
                false => drop(headers.insert(name.clone(), value.clone())),
            }
        }
        if get {
            headers.remove(header::CONTENT_TYPE);
        }
        Ok(request)
    }

    /// What the head of an answer says.
    pub(crate) fn meta<B>(&self, model: Option<Arc<str>>, response: &Response<B>) -> Meta {
        Meta {
            provider: Some(Arc::clone(&self.name)),
            model,
            request_id: request_id(response.headers()),
            limits: Headers.advice(response).map(Box::new),
            cached: false,
        }
    }

    /// An error of this provider's, without its secrets.
    pub(crate) fn own(&self, error: Error, request_id: Option<&str>) -> Error {
        let mut error = match error.rejection() {
            // A layer's around the HTTP client.
            Some(_) => return error,
            None => error.with_provider(Arc::clone(&self.name)),
        };
        error.edit(|text| {
            for secret in &self.secrets {
                if text.contains(&**secret) {
                    *text = text.replace(&**secret, "***");
                }
                // Long words are cut off, perhaps amid it.
                let begun = (SHORT..secret.len()).rev();
                let mut begun = begun.filter_map(|length| secret.get(..length));
                if let Some(begun) = begun.find(|begun| text.ends_with(begun)) {
                    text.truncate(text.len() - begun.len());
                    text.push_str("***");
                }
            }
        });
        match request_id {
            Some(id) if error.request_id().is_none() => error.with_request_id(id),
            _ => error,
        }
    }

    /// What an answer that is no success means.
    pub(crate) fn failure(&self, status: u16, headers: &HeaderMap, body: &[u8]) -> Error {
        let mut error = self.api.error(status, headers, body);
        if error.class() == Class::Rate && error.retry_after().is_none() {
            let mut response = Response::new(());
            *response.headers_mut() = headers.clone();
            if let Some(after) = Headers.advice(&response).and_then(|advice| reset(&advice)) {
                error = error.with_retry_after(after);
            }
        }
        self.own(error, request_id(headers).as_deref())
    }
}

/// A shorter value is a flag or a name, and no secret.
const SHORT: usize = 8;

/// What is looked for in errors.
fn telling(secret: Arc<str>) -> Option<Arc<str>> {
    (secret.len() >= SHORT).then_some(secret)
}

/// When what is exhausted will not be any more.
fn reset(advice: &campanile::rate_limit::Advice) -> Option<std::time::Duration> {
    let quotas = [advice.requests, advice.tokens].into_iter().flatten();
    let exhausted = quotas.filter(|quota| quota.remaining == Some(0));
    exhausted.filter_map(|quota| quota.reset).max()
}

/// What providers call a request, by their different names of it.
fn request_id(headers: &HeaderMap) -> Option<String> {
    let names = [
        "x-request-id",
        "request-id",
        "x-generation-id",
        "apim-request-id",
    ];
    let id = names.iter().find_map(|name| headers.get(*name))?;
    let id = id.to_str().ok().filter(|id| !id.is_empty())?;
    Some(crate::dialect::bounded(id, 256).to_owned())
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("name", &self.name)
            .field("api", &self.api)
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}
