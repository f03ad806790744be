//! Looks for servers of models on this machine: Ollama, and llama.cpp.
//!
//! Each place is asked for its models, all at the same time and for a moment only. What answers as something else, such as
//! another gateway, is left alone.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use campanile::BoxError;
use campanile_llm::provider::{HttpClient, HttpConfig};
use futures_util::future::join_all;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use serde::Deserialize;
use tokio::time::timeout;
use tower::ServiceExt;

use crate::config::{Preset, ProviderSection};

#[cfg(test)]
mod tests;

/// How long is waited for an answer.
const PATIENCE: Duration = Duration::from_millis(300);
/// How many bytes a list of models may have.
const LONGEST: usize = 1 << 20;
/// How many models of a server are taken.
const MOST: usize = 256;

/// Where a server is by default.
#[derive(Debug, Clone, Copy)]
struct Place {
    name: &'static str,
    preset: Preset,
    port: u16,
}

const PLACES: [Place; 3] = [
    Place {
        name: "ollama",
        preset: Preset::Ollama,
        port: 11_434,
    },
    Place {
        name: "llama-cpp",
        preset: Preset::LlamaCpp,
        port: 8_080,
    },
    // Where it goes when 8080 is taken, as by this gateway.
    Place {
        name: "llama-cpp-8081",
        preset: Preset::LlamaCpp,
        port: 8_081,
    },
];

/// The servers of models that answer on this machine, by the names that they get, with their models.
pub(crate) async fn find() -> Vec<(String, ProviderSection)> {
    find_at(&PLACES).await
}

async fn find_at(places: &[Place]) -> Vec<(String, ProviderSection)> {
    let Ok(http) = HttpClient::new(HttpConfig::default()) else {
        return Vec::new();
    };
    let looked = places.iter().map(|place| place.look(&http));
    join_all(looked).await.into_iter().flatten().collect()
}

// ===== impl Place =====

impl Place {
    async fn look(self, http: &HttpClient) -> Option<(String, ProviderSection)> {
        let url = format!("http://127.0.0.1:{}", self.port);
        let path = match self.preset {
            Preset::Ollama => "/api/tags",
            _ => "/v1/models",
        };
        let path = format!("{url}{path}");
        let (headers, body) = timeout(PATIENCE, get(http, &path)).await.ok()?.ok()?;
        let models = match self.preset {
            Preset::Ollama => ollama(&body),
            _ => llama_cpp(&headers, &body),
        }?;
        let section = ProviderSection {
            preset: Some(self.preset),
            base_url: Some(url),
            models: named(models),
            ..ProviderSection::default()
        };
        (!section.models.is_empty()).then(|| (self.name.to_owned(), section))
    }
}

async fn get(http: &HttpClient, url: &str) -> Result<(HeaderMap, Bytes), BoxError> {
    let request = Request::get(url).body(Full::default())?;
    let (head, body) = http.clone().oneshot(request).await?.into_parts();
    if head.status != StatusCode::OK {
        return Err("it does not answer".into());
    }
    let body = Limited::new(body, LONGEST).collect().await?;
    Ok((head.headers, body.to_bytes()))
}

/// The models of an Ollama.
fn ollama(body: &[u8]) -> Option<Vec<String>> {
    #[derive(Deserialize)]
    struct List {
        models: Vec<Model>,
    }
    #[derive(Deserialize)]
    struct Model {
        name: String,
    }
    let list: List = serde_json::from_slice(body).ok()?;
    Some(list.models.into_iter().map(|model| model.name).collect())
}

/// The models of a llama.cpp, if it is one.
fn llama_cpp(headers: &HeaderMap, body: &[u8]) -> Option<Vec<String>> {
    #[derive(Deserialize)]
    struct List {
        data: Vec<Model>,
    }
    #[derive(Deserialize)]
    struct Model {
        id: String,
    }
    let server = headers.get(header::SERVER)?.to_str().ok()?;
    if !server.starts_with("llama.cpp") {
        return None;
    }
    let list: List = serde_json::from_slice(body).ok()?;
    Some(list.data.into_iter().map(|model| model.id).collect())
}

/// Names that can be asked for, and what they are called there: of a path of a file its name is enough.
fn named(models: Vec<String>) -> BTreeMap<String, Option<String>> {
    let plain = |name: &String| {
        // A star would be a pattern.
        !name.is_empty()
            && name.len() <= 256
            && !name.contains(|c: char| c.is_control() || c == '*')
    };
    let models = models.into_iter().filter(plain).take(MOST);
    let named = models.map(|its| match file(&its) {
        Some(name) => (name.to_owned(), Some(its)),
        None => (its, None),
    });
    named.collect()
}

/// The name of a file, without its folder and its ending.
fn file(path: &str) -> Option<&str> {
    let (_, name) = path.rsplit_once(['/', '\\']).unwrap_or(("", path));
    name.strip_suffix(".gguf").filter(|name| !name.is_empty())
}
