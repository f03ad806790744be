use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use campanile::{BoxError, Call, config::Invalid};
use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use tower_service::Service;

use super::{
    ProviderConfig, ProviderFuture, ProviderStream,
    future::{AskedChat, unreachable},
    settings::Settings,
};
use crate::{
    chat::{ChatRequest, ChatResponse},
    dialect::Asked,
    error::Error,
    tokens::{Calibrated, PromptSize},
    usage::Tally,
};

/// How many bytes of text are a token, about, until it is known better.
const BYTES_PER_TOKEN: f32 = 4.0;

/// A provider, as a service of chats, embeddings and lists of models. See the [module](super).
#[derive(Clone)]
pub struct Provider<H> {
    http: H,
    settings: Arc<Settings>,
    ratios: Option<Calibrated>,
}

// ===== impl Provider =====

impl<H> Provider<H> {
    /// A provider that is called through this HTTP client: any service of HTTP requests, with any layers around it.
    ///
    /// # Errors
    ///
    /// As [`ProviderConfig::build`].
    pub fn new(http: H, config: &ProviderConfig) -> Result<Self, Invalid> {
        Ok(Self {
            http,
            settings: Arc::new(Settings::new(config)?),
            ratios: None,
        })
    }

    /// Estimates what is not reported by what is learned: usually the [ratios](crate::estimate::Estimator::ratios) of the layer
    /// that estimates calls, which teaches them. Without this four bytes are a token.
    #[must_use]
    pub fn ratios(mut self, ratios: &Calibrated) -> Self {
        self.ratios = Some(ratios.clone());
        self
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    pub(crate) const fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    pub(crate) const fn http_mut(&mut self) -> &mut H {
        &mut self.http
    }

    pub(crate) fn poll_http(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>>
    where
        H: Service<Request<Full<Bytes>>>,
        H::Error: Into<BoxError>,
    {
        let ready = self.http.poll_ready(cx);
        ready.map_err(|error| self.settings.own(unreachable(error.into()), None))
    }
}

/// Equal are providers that are configured alike, whatever HTTP client they are called through: a member of a pool that is
/// inserted again with an equal one keeps its state.
impl<H> PartialEq for Provider<H> {
    fn eq(&self, other: &Self) -> bool {
        self.settings == other.settings
    }
}

impl<H> Eq for Provider<H> {}

impl<H, B> Service<Call<ChatRequest>> for Provider<H>
where
    H: Service<Request<Full<Bytes>>, Response = Response<B>>,
    H::Error: Into<BoxError>,
    B: Body,
    B::Error: Into<BoxError>,
{
    type Response = ChatResponse<ProviderStream<B>>;
    type Error = Error;
    type Future = ProviderFuture<H::Future, B, AskedChat>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll_http(cx)
    }

    fn call(&mut self, call: Call<ChatRequest>) -> Self::Future {
        let settings = Arc::clone(&self.settings);
        let request = &call.message;
        let model = settings.model(&request.model_shared());
        let (usage, limit) = (settings.include_usage, settings.token_limit);
        let past = settings.past_reasoning;
        let api = settings.api;
        let outgoing = api.chat_request(request, &model, usage, limit, past);
        let accept = match (request.is_streamed(), settings.api) {
            (true, crate::dialect::Api::Ollama) => "application/x-ndjson",
            (true, _) => "text/event-stream",
            (false, _) => "application/json",
        };
        let http = match outgoing.and_then(|outgoing| settings.post(outgoing, accept)) {
            Ok(http) => http,
            Err(error) => return ProviderFuture::refused(error, settings),
        };
        let asked = AskedChat {
            dialect: request.dialect(),
            streamed: request.is_streamed(),
            asked: Asked::by(request),
            tally: match &self.ratios {
                Some(ratios) => ratios.tally(request, &model),
                None => {
                    let prompt = PromptSize::of(request).tokens(BYTES_PER_TOKEN);
                    Tally::new(prompt, BYTES_PER_TOKEN)
                }
            },
            model,
        };
        // The very client that was readied.
        ProviderFuture::sent(self.http.call(http), asked, settings)
    }
}

impl<H> fmt::Debug for Provider<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
