use std::{fmt, sync::Arc};

use axum::body::Body;
use http::{HeaderMap, Response, StatusCode, header::AUTHORIZATION};

use super::super::answer::error;
use crate::{config::Config, gateway::Gateway};

/// The hash of the operators' token, as these settings have it.
pub(in crate::operate) struct Token {
    /// Whose it is. Kept, so that no other settings come to lie at the same place.
    config: Arc<Config>,
    /// `None` where there is no token.
    hash: Option<Expected>,
}

/// What the hash of a token has to be.
enum Expected {
    Hash(blake3::Hash),
    /// It could not be read, so nobody has it.
    Unreadable,
}

/// Lets operators in.
///
/// # Errors
///
/// 404 where there is no token in the settings, and 401, the same for whatever is sent, where it is another.
#[allow(clippy::result_large_err)] // made once for who is refused
pub(in crate::operate) fn admit(
    gateway: &Gateway,
    headers: &HeaderMap,
) -> Result<(), Response<Body>> {
    let token = Token::of(gateway);
    let Some(expected) = &token.hash else {
        return Err(error(
            StatusCode::NOT_FOUND,
            "operators' actions are off: the settings have no admin.token",
        ));
    };
    expected.check(headers)
}

/// Lets in who looks at `/status` and `/metrics`: everybody where there is no token, or where the settings say so.
///
/// # Errors
///
/// 401 as [`admit`].
#[allow(clippy::result_large_err)] // made once for who is refused
pub(in crate::operate) fn admit_reader(
    gateway: &Gateway,
    headers: &HeaderMap,
) -> Result<(), Response<Body>> {
    let token = Token::of(gateway);
    match &token.hash {
        Some(expected) if !token.config.admin.open => expected.check(headers),
        _ => Ok(()),
    }
}

// ===== impl Token =====

impl Token {
    /// That of the settings in force. Read once for each settings: it may lie in a file.
    fn of(gateway: &Gateway) -> Arc<Self> {
        let config = Arc::clone(&gateway.live().config);
        let kept = &gateway.kept().standing.token;
        if let Some(known) = kept.load_full()
            && Arc::ptr_eq(&known.config, &config)
        {
            return known;
        }
        let hash = config.admin.token.as_ref().map(|token| match token.reveal() {
            Ok(token) => Expected::Hash(blake3::hash(token.as_bytes())),
            Err(error) => {
                tracing::error!(%error, "the operators' token cannot be read: nobody is let in");
                Expected::Unreadable
            }
        });
        let token = Arc::new(Self { config, hash });
        kept.store(Some(Arc::clone(&token)));
        token
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").finish_non_exhaustive()
    }
}

// ===== impl Expected =====

impl Expected {
    /// Hashes are compared in the same time wherever they differ, and that of a guess tells nothing of how good it was.
    #[allow(clippy::result_large_err)] // made once for who is refused
    fn check(&self, headers: &HeaderMap) -> Result<(), Response<Body>> {
        let sent = headers
            .get(AUTHORIZATION)
            .map_or(&[][..], |value| value.as_bytes());
        let token = match sent.split_at_checked(7) {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"bearer ") => token.trim_ascii(),
            _ => &[],
        };
        let hash = blake3::hash(token);
        match self {
            Self::Hash(expected) if *expected == hash => Ok(()),
            _ => Err(error(
                StatusCode::UNAUTHORIZED,
                "this needs the operators' token: authorization: Bearer TOKEN",
            )),
        }
    }
}
