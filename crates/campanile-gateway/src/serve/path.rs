//! What a path asks for.

use std::borrow::Cow;

use campanile_llm::dialect::Dialect;
use percent_encoding::percent_decode_str;

/// What a path asks for, and of which stage.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target<'a> {
    pub(super) stage: Option<Cow<'a, str>>,
    pub(super) what: What<'a>,
}

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum What<'a> {
    Chat(Dialect),
    Embeddings,
    Models,
    Model(Cow<'a, str>),
}

// ===== impl Target =====

impl<'a> Target<'a> {
    /// What this path asks for. `/v1` may be left out, or be there twice: SDKs add it, and people write it into base URLs.
    pub(super) fn of(path: &'a str) -> Option<Self> {
        let (stage, rest) = match path.strip_prefix("/stages/") {
            Some(rest) => {
                let (stage, rest) = rest.split_at(rest.find('/')?);
                (Some(decoded(stage)), rest)
            }
            None => (None, path),
        };
        let mut rest = rest;
        while let Some(shorter) = rest.strip_prefix("/v1")
            && shorter.starts_with('/')
        {
            rest = shorter;
        }
        let what = match rest.strip_suffix('/').unwrap_or(rest) {
            "/chat/completions" => What::Chat(Dialect::OpenAi),
            "/messages" => What::Chat(Dialect::Anthropic),
            "/embeddings" => What::Embeddings,
            "/models" => What::Models,
            other => What::Model(decoded(other.strip_prefix("/models/")?)),
        };
        Some(Self { stage, what })
    }

    /// What may be done there.
    pub(super) const fn allowed(&self) -> &'static str {
        match self.what {
            What::Chat(_) | What::Embeddings => "POST, OPTIONS",
            What::Models | What::Model(_) => "GET, HEAD, OPTIONS",
        }
    }

    /// What errors are written in.
    pub(super) const fn dialect(&self, is_anthropic: bool) -> Dialect {
        match self.what {
            What::Chat(dialect) => dialect,
            _ if is_anthropic => Dialect::Anthropic,
            _ => Dialect::OpenAi,
        }
    }
}

fn decoded(part: &str) -> Cow<'_, str> {
    percent_decode_str(part).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_understood_as_clients_write_it() {
        for path in [
            "/v1/chat/completions",
            "/chat/completions",
            "/v1/v1/chat/completions",
            "/v1/chat/completions/",
        ] {
            let target = Target::of(path).unwrap();
            assert_eq!(
                (target.stage, target.what),
                (None, What::Chat(Dialect::OpenAi)),
                "{path}"
            );
        }
        let target = Target::of("/stages/a%20b/v1/messages").unwrap();
        assert_eq!(target.stage.as_deref(), Some("a b"));
        assert_eq!(target.what, What::Chat(Dialect::Anthropic));
        for (path, id) in [
            ("/v1/models/gpt-5", "gpt-5"),
            ("/models/meta%2Fllama", "meta/llama"),
            ("/v1/models/meta/llama", "meta/llama"),
        ] {
            assert_eq!(Target::of(path).unwrap().what, What::Model(id.into()));
        }
        assert_eq!(Target::of("/v1/models/").unwrap().what, What::Models);
        for path in [
            "/",
            "",
            "/v1",
            "/v1/chat",
            "/v1chat/completions",
            "/stages/x",
            "/stages/",
            "*",
        ] {
            assert_eq!(Target::of(path), None, "{path}");
        }
    }
}
