use std::net::SocketAddr;

use axum::body::Body;
use http::{HeaderMap, Request, StatusCode, header::RETRY_AFTER};
use http_body_util::BodyExt;

use super::{Client, client};

/// A client of the front that looks closely at how an answer ends.
#[derive(Debug, Clone)]
pub struct Caller {
    client: Client,
    front: SocketAddr,
}

/// What came of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The body ended as it should, and had every line.
    Whole {
        /// Who answered.
        upstream: String,
    },
    /// The body broke off, and the caller was told: an error.
    Cut {
        /// Who had begun to answer.
        upstream: String,
    },
    /// The body broke off and looked as if it had ended well. Must never happen.
    Lie {
        /// Who had begun to answer.
        upstream: String,
    },
    /// Refused by the pool.
    Refused {
        /// The status: 503, 504 or 429.
        status: StatusCode,
        /// `Retry-After`, in seconds.
        retry_after: Option<u64>,
    },
    /// No head came: connection refused, or cut before it.
    Failed {
        /// 502, unless the front itself could not be reached.
        status: Option<StatusCode>,
    },
}

// ===== impl Caller =====

impl Caller {
    /// A client of the front at `front`.
    #[must_use]
    pub fn new(front: SocketAddr) -> Self {
        Self {
            client: client(),
            front,
        }
    }

    /// Makes one request and reads its answer to the end.
    ///
    /// # Errors
    ///
    /// When the request cannot be made at all.
    pub async fn get(&self) -> anyhow::Result<Answer> {
        let request = Request::get(format!("http://{}/", self.front)).body(Body::empty())?;
        let Ok(response) = self.client.request(request).await else {
            return Ok(Answer::Failed { status: None });
        };
        let status = response.status();
        let headers = response.headers();
        match status.as_u16() {
            200 => {}
            429 | 503 | 504 => {
                return Ok(Answer::Refused {
                    status,
                    retry_after: text(headers, RETRY_AFTER.as_str())
                        .and_then(|after| after.parse().ok()),
                });
            }
            _ => {
                return Ok(Answer::Failed {
                    status: Some(status),
                });
            }
        }
        let upstream = text(headers, "x-upstream").unwrap_or_default().to_owned();
        Ok(
            match response
                .into_body()
                .collect()
                .await
                .map(|body| body.to_bytes())
            {
                Err(_) => Answer::Cut { upstream },
                Ok(body) if is_whole(&body) => Answer::Whole { upstream },
                Ok(_) => Answer::Lie { upstream },
            },
        )
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Whether the last line is the last piece, `name 8/8`, and there are as many lines.
fn is_whole(body: &[u8]) -> bool {
    let body = String::from_utf8_lossy(body);
    let last = body.lines().last().and_then(|line| line.rsplit_once(' '));
    let Some((at, of)) = last.and_then(|(_, counts)| counts.split_once('/')) else {
        return false;
    };
    at == of && of.parse() == Ok(body.lines().count())
}
