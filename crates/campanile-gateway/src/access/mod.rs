//! Who calls, and within which limits.
//!
//! A [`Caller`] is made of each key once: its services are the router within the key's limits and its tenant's budgets. Of a
//! secret only the hash is kept.

use std::{collections::HashMap, sync::Arc};

use campanile::{config::Invalid, context::Priority};
use campanile_llm::{Error, error::Class, estimate::EstimateLayer, route::Router};
use foldhash::fast::RandomState;

use crate::{
    build::{BuildError, Chats, Embeds, Name},
    config::{Config, LimitsConfig},
};

mod budgets;
mod caller;
mod context;
mod key;
mod limits;
pub(crate) mod quota;
mod report;
mod said;
mod within;

use budgets::Budgets;
use caller::Models;
pub(crate) use caller::{Caller, quoted};
use key::{Absent, Fingerprint};
use limits::Limits;
pub(crate) use report::KeySnapshot;
pub(crate) use said::Said;

/// Everybody who may call.
pub(crate) struct Access {
    /// By the hash of the secret.
    keys: HashMap<Fingerprint, Arc<Caller>, RandomState>,
    /// Who calls where there are no keys.
    anybody: Option<Arc<Caller>>,
    /// By the name of the key.
    limits: HashMap<Arc<str>, Limits, RandomState>,
    budgets: Budgets,
}

/// What all callers call, each within limits of its own.
pub(crate) struct Routed<'a> {
    pub(crate) chats: &'a Router<Chats>,
    pub(crate) embeds: &'a Router<Embeds>,
    /// Tells what calls will take, before any limit of a caller's: the outermost layer.
    pub(crate) estimate: &'a EstimateLayer,
}

// ===== impl Access =====

impl Access {
    /// Callers as the settings say. What was counted and spent `before` goes on to be, as far as limits are those of then or
    /// can be moved to where they are now; they are moved last, when nothing can fail any more.
    pub(crate) fn new(
        config: &Config,
        routed: &Routed<'_>,
        before: Option<&Self>,
    ) -> Result<Self, BuildError> {
        let mut access = Self {
            keys: HashMap::default(),
            anybody: None,
            limits: HashMap::default(),
            budgets: Budgets::default(),
        };
        let mut names: HashMap<Fingerprint, &String> = HashMap::new();
        for (name, key) in &config.keys {
            let fingerprint = Fingerprint::of(key.secret.reveal()?.as_bytes());
            if let Some(other) = names.insert(fingerprint, name) {
                return Err(Invalid {
                    concern: "keys",
                    field: "secret",
                    value: format!("the same for {other:?} and {name:?}"),
                    rule: "each key has a secret of its own",
                }
                .into());
            }
            access
                .budgets
                .add(&tenant(name, key.tenant.as_ref()), key)?;
            let limits = Limits::new(&key.limits)?;
            access.limits.insert(name.as_str().into(), limits);
        }
        if let Some(before) = before {
            access.budgets.follow(&before.budgets);
            for (name, limits) in &mut access.limits {
                if let Some(past) = before.limits.get(name) {
                    limits.follow(past);
                }
            }
        }
        for (fingerprint, name) in names {
            let key = &config.keys[name];
            let limits = &access.limits[name.as_str()];
            let tenant = tenant(name, key.tenant.as_ref());
            let budgets = access.budgets.of(&tenant);
            let held = (Name::of(name), Name::of(&tenant));
            let caller = Caller {
                name: name.as_str().into(),
                priority: key.priority,
                may_raise_priority: key.may_raise_priority,
                models: Models::new(key, config),
                chats: within::chats(routed, held, limits, budgets),
                embeds: within::embeds(routed, held, limits, budgets),
                rate: limits.rate.clone(),
                tenant,
            };
            access.keys.insert(fingerprint, Arc::new(caller));
        }
        if config.keys.is_empty() {
            access.anybody = Some(Arc::new(anybody(routed)?));
        }
        Ok(access)
    }

    /// Who sends this.
    ///
    /// # Errors
    ///
    /// 401 where nobody is known by the key.
    pub(crate) fn caller(&self, said: &Said<'_>) -> Result<Arc<Caller>, Error> {
        if let Some(anybody) = &self.anybody {
            return Ok(Arc::clone(anybody));
        }
        key::find(&self.keys, said)
            .map(Arc::clone)
            .map_err(unauthorized)
    }
}

fn tenant(name: &str, tenant: Option<&String>) -> Arc<str> {
    tenant.map_or(name, String::as_str).into()
}

/// Who calls where there are no keys: without limits.
fn anybody(routed: &Routed<'_>) -> Result<Caller, BuildError> {
    let name: Arc<str> = "anybody".into();
    let limits = Limits::new(&LimitsConfig::default())?;
    let held = (Name::of(&name), Name::of(&name));
    Ok(Caller {
        tenant: Arc::clone(&name),
        name,
        priority: Priority::default(),
        may_raise_priority: true,
        models: None,
        chats: within::chats(routed, held, &limits, None),
        embeds: within::embeds(routed, held, &limits, None),
        rate: None,
    })
}

#[cold]
fn unauthorized(absent: Absent) -> Error {
    let message = match absent {
        Absent::NoKey => {
            "there is no API key in the request: send one as `authorization: Bearer KEY` or `x-api-key: KEY`"
        }
        Absent::Unknown => "the API key is not valid here",
    };
    Error::new(Class::Request, message)
        .with_status(401)
        .with_kind("invalid_request_error")
        .with_code("invalid_api_key")
}
