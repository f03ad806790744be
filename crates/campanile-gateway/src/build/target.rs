use std::{fmt, sync::Arc};

use bytes::Bytes;
use campanile::{
    Call,
    config::Invalid,
    health::{Check, Report},
};
use campanile_llm::{
    dialect::Api,
    models::ListModels,
    provider::{HttpConfig, Provider, ProviderConfig},
    tokens::Calibrated,
};
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::Full;
use tower::ServiceExt;

use super::Wire;
use crate::config::{ProviderSection, SimulatedConfig};

/// The path that asks for a provider's models, by whatever it speaks.
const MODELS: &str = "/models";

/// What a member's stacks are built around.
#[derive(Clone)]
pub(crate) struct Target {
    pub(super) provider: Provider<Wire>,
    wire: Wire,
    pub(super) api: Api,
    http: HttpConfig,
    simulated: Option<SimulatedConfig>,
    probe: Option<Arc<Asked>>,
}

/// What a probe asks for.
#[derive(PartialEq)]
struct Asked {
    uri: Uri,
    headers: HeaderMap,
}

// ===== impl Target =====

impl Target {
    /// A provider, and what a probe asks of it, if it is of a path.
    pub(super) fn new(
        name: &str,
        section: &ProviderSection,
        (wire, http): (Wire, HttpConfig),
        ratios: &Calibrated,
        probe: Option<&str>,
    ) -> Result<Self, Invalid> {
        let config = section.resolve(name)?;
        let provider = Provider::new(wire.clone(), &config)?.ratios(ratios);
        let probe = probe.filter(|path| *path != MODELS);
        Ok(Self {
            provider,
            wire,
            api: config.api,
            http,
            simulated: section.simulated.clone(),
            probe: probe
                .map(|path| Asked::new(&config, path).map(Arc::new))
                .transpose()?,
        })
    }

    /// Whether it has embeddings.
    pub(super) fn embeds(&self) -> bool {
        self.api != Api::Anthropic
    }
}

/// Equal are those that a call would not tell from each other.
impl PartialEq for Target {
    fn eq(&self, other: &Self) -> bool {
        self.provider == other.provider
            && self.http == other.http
            && self.simulated == other.simulated
            && self.probe == other.probe
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("provider", &self.provider)
            .finish_non_exhaustive()
    }
}

// ===== impl Asked =====

impl Asked {
    fn new(config: &ProviderConfig, path: &str) -> Result<Self, Invalid> {
        let base = config.base_url.trim_end_matches('/');
        let uri = format!("{base}/{}", path.trim_start_matches('/'));
        let uri = uri.parse().map_err(|_| Invalid {
            concern: "probe",
            field: "path",
            value: format!("{path:?}"),
            rule: "it is a path, as /health",
        })?;
        let mut headers = HeaderMap::new();
        if let Some(key) = &config.key {
            let key = key.reveal()?;
            match config.api {
                Api::Anthropic => headers.insert("x-api-key", value("", &key)?),
                Api::Gemini => headers.insert("x-goog-api-key", value("", &key)?),
                _ => headers.insert(header::AUTHORIZATION, value("Bearer ", &key)?),
            };
        }
        for (name, secret) in &config.headers {
            // The provider has checked the names.
            if let Ok(name) = HeaderName::try_from(name) {
                headers.insert(name, value("", &secret.reveal()?)?);
            }
        }
        Ok(Self { uri, headers })
    }
}

fn value(scheme: &str, secret: &str) -> Result<HeaderValue, Invalid> {
    let mut value = HeaderValue::try_from(format!("{scheme}{secret}")).map_err(|_| Invalid {
        concern: "provider",
        field: "key",
        value: "***".to_owned(),
        rule: "it can stand in a header",
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Looks whether a provider is there and takes its key.
pub(super) async fn probe(check: Check<Target>) -> Report {
    let target = check.target;
    let Some(asked) = target.probe else {
        let listed = target.provider.oneshot(Call::new(ListModels::new())).await;
        return match listed {
            Ok(_) => Report::healthy(),
            Err(error) => Report::unhealthy(error.to_string()),
        };
    };
    let mut request = Request::new(Full::<Bytes>::default());
    *request.uri_mut() = asked.uri.clone();
    request.headers_mut().clone_from(&asked.headers);
    match target.wire.oneshot(request).await {
        Ok(response) => judge(response.status()),
        // What a connector says may name the address, which is no secret: it has neither user nor query.
        Err(error) => Report::unhealthy(error.to_string()),
    }
}

fn judge(status: StatusCode) -> Report {
    match status.is_success() {
        true => Report::healthy(),
        false => Report::unhealthy(format!("status {status}")),
    }
}
