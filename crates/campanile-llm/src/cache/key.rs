use campanile::Call;

use super::Scope;
use crate::chat::ChatRequest;

/// What tells requests apart: a hash of 256 bits, so that nobody is ever given the answer to another request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key([u8; 32]);

// ===== impl Key =====

impl Key {
    pub(super) fn of(call: &Call<ChatRequest>, scope: Scope) -> Self {
        let mut hasher = blake3::Hasher::new();
        // Each part with its length, so that no two lists of parts read the same.
        let mut part = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        part(call.message.dialect().name().as_bytes());
        match (scope, &call.context.tenant) {
            (Scope::Tenant, Some(tenant)) => part(tenant.as_bytes()),
            (Scope::Tenant, None) => part(b""),
            (Scope::Everyone, _) => {}
        }
        part(&[u8::from(
            call.context.tenant.is_some() && scope == Scope::Tenant,
        )]);
        if let Some(features) = call.message.anthropic_beta() {
            part(b"anthropic-beta");
            part(features.as_bytes());
        }
        for (name, value) in call.message.object().iter() {
            part(name.as_bytes());
            part(value);
        }
        Self(*hasher.finalize().as_bytes())
    }
}
