//! Which model a call asks for, where its path or a header names a stage; and whether its caller may.

use campanile_llm::{Error, error::Class, route::listed};

use super::refuse;
use crate::{
    access::{Caller, quoted},
    build::Live,
    config::{Config, StageConfig},
    gateway::Gateway,
};

/// The model to ask for in place of the one that is named, if another one is to be asked for.
///
/// A stage that is named takes the call whatever model is asked for: one that is the stage's own stays, for any other the
/// stage's own name is asked for, which stands for its model.
///
/// # Errors
///
/// 404 where there is no such stage, or the caller may not ask for it.
pub(super) fn model(
    gateway: &Gateway,
    caller: &Caller,
    stage: Option<&str>,
    asked: &str,
) -> Result<Option<String>, Error> {
    if stage.is_none() && !caller.is_restricted() {
        return Ok(None);
    }
    let live = gateway.live();
    let model = match stage {
        Some(name) => match live.config.stages.get(name) {
            Some(stage) if takes(&live, name, stage, asked) => None,
            Some(_) => Some(name.to_owned()),
            None => return Err(no_stage(caller, &live.config, name)),
        },
        None => None,
    };
    let effective = model.as_deref().unwrap_or(asked);
    // Whoever may ask for a stage may ask for what it has.
    if !caller.may_see(effective) && !stage.is_some_and(|stage| caller.may_see(stage)) {
        return Err(caller.no_model(effective, &live.chats.models()));
    }
    Ok(model)
}

/// Whether a model can be asked for at a stage as it is: its own, or one that it takes for want of another's.
fn takes(live: &Live, name: &str, stage: &StageConfig, asked: &str) -> bool {
    match live.chats.handle().routes().owner(asked) {
        Some(owner) => owner == name,
        None => live.config.default_stage.as_deref() == Some(name) && stage.model.is_none(),
    }
}

#[cold]
fn no_stage(caller: &Caller, config: &Config, name: &str) -> Error {
    let names = config.stages.keys().map(String::as_str);
    let seen = names.filter(|name| caller.may_see(name));
    let mut message = format!("there is no stage {:?}", quoted(name));
    if let Some(listed) = listed(name, seen) {
        message.push_str("; ");
        message.push_str(&listed);
    }
    refuse::fault(404, message).with_code("stage_not_found")
}

/// An error of a model that nobody has lists the known ones: to a caller that may not ask for all of them, only those.
pub(super) fn hide(gateway: &Gateway, caller: &Caller, model: Option<&str>, error: Error) -> Error {
    match model {
        Some(model)
            if caller.is_restricted()
                && error.class() == Class::ModelNotFound
                && error.provider().is_none() =>
        {
            caller.no_model(model, &gateway.live().chats.models())
        }
        _ => error,
    }
}
