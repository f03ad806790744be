use std::{
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use campanile::{BoxError, Call};
use http::{HeaderMap, Method, Request, Response};
use http_body::Body;
use http_body_util::Full;
use tower_service::Service;

use super::{ListModels, ModelList};
use crate::{
    chat::Meta,
    dialect::{Api, Outgoing, segment},
    error::{Class, Error},
    provider::{Asking, Kind, Provider, ProviderFuture, Settings},
};

/// A list that is under way.
#[derive(Debug)]
#[allow(unreachable_pub)]
pub struct AskedModels;

impl<H, B> Service<Call<ListModels>> for Provider<H>
where
    H: Service<Request<Full<Bytes>>, Response = Response<B>>,
    H::Error: Into<BoxError>,
    B: Body,
    B::Error: Into<BoxError>,
{
    type Response = ModelList;
    type Error = Error;
    type Future = ProviderFuture<H::Future, B, AskedModels>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll_http(cx)
    }

    fn call(&mut self, call: Call<ListModels>) -> Self::Future {
        let settings = Arc::clone(self.settings());
        let outgoing = Outgoing {
            path: path(settings.api, call.message.page.as_deref()),
            body: Bytes::new(),
            headers: HeaderMap::new(),
        };
        match settings.request(Method::GET, outgoing, "application/json") {
            Ok(http) => ProviderFuture::sent(self.http_mut().call(http), AskedModels, settings),
            Err(error) => ProviderFuture::refused(error, settings),
        }
    }
}

fn path(api: Api, page: Option<&str>) -> String {
    let (path, after) = match api {
        // These two know no pages.
        Api::OpenAi => return "/models".to_owned(),
        Api::Ollama => return "/api/tags".to_owned(),
        Api::Anthropic => ("/v1/models?limit=1000", "&after_id="),
        Api::Gemini => ("/v1beta/models?pageSize=1000", "&pageToken="),
    };
    match page {
        Some(page) => format!("{path}{after}{}", segment(page)),
        None => path.to_owned(),
    }
}

impl<B> Asking<B> for AskedModels {
    type Answer = ModelList;

    fn model(&self) -> Option<Arc<str>> {
        None
    }

    fn streams(&self, _: Kind) -> bool {
        false
    }

    fn stream(self, _: Meta, _: B, _: &Arc<Settings>) -> Result<ModelList, Error> {
        Err(Error::new(
            Class::Malformed,
            "lists of models are not streamed",
        ))
    }

    fn whole(
        self,
        meta: Meta,
        _: Kind,
        body: Bytes,
        settings: &Arc<Settings>,
    ) -> Result<ModelList, Error> {
        ModelList::read(settings.api, meta, body)
    }
}
