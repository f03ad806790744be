use std::{fs, path::Path};

use super::{
    Config, Digest, check, complete,
    overrides::{self, Override},
    read::{
        expand::{Env, expand, left_out},
        hide,
        problem::LoadError,
        tree::Node,
        typed::typed,
    },
    warning::Warning,
};

/// Settings that were read, complete, and what is to be said of them.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Loaded {
    /// The settings: with the pools and stages that the file left out, and with every secret read from where it lies.
    pub config: Config,
    /// What is accepted, though it does nothing or may not be meant so.
    pub warnings: Vec<Warning>,
    /// Which settings the environment has changed.
    pub overrides: Vec<Override>,
    /// What they were read from.
    pub digest: Digest,
}

/// Reads a file, with the environment of the process: `${NAME}`, secrets, and the [overrides](super::OVERRIDES). Paths in it are
/// relative to its folder.
///
/// # Errors
///
/// When it cannot be read, is not YAML, says what nobody knows, or breaks a rule: all of that at once, with line, column and
/// rule.
pub fn read(path: &Path) -> Result<Loaded, LoadError> {
    let name = path.display().to_string();
    let text = fs::read_to_string(path)
        .map_err(|error| LoadError::plain(format!("it cannot be read: {error}")).of(&name))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let env = |name: &str| std::env::var(name).ok();
    load_in(&text, folder, &env, true).map_err(|error| error.of(name))
}

/// Reads a file as [`read`] does, but leaves out secrets that are elsewhere: files with secrets, `{ env: NAME }`, the variables of
/// presets, and `${NAME}` of variables that are not set where a secret is. For a check by somebody who may not see them;
/// nothing can be started by it.
///
/// # Errors
///
/// As [`read`]: a variable that is not set is wrong where no secret is.
pub fn read_without_secrets(path: &Path) -> Result<Loaded, LoadError> {
    let name = path.display().to_string();
    let text = fs::read_to_string(path)
        .map_err(|error| LoadError::plain(format!("it cannot be read: {error}")).of(&name))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let env = |name: &str| std::env::var(name).ok();
    load_by(&text, folder, &env, true, true).map_err(|error| error.of(name))
}

/// Reads a text, with the environment of the process for `${NAME}` and secrets, but without overrides. Paths in it are relative
/// to the folder of the process.
///
/// # Errors
///
/// As [`read`].
pub fn load(text: &str) -> Result<Loaded, LoadError> {
    load_in(text, Path::new(""), &|name| std::env::var(name).ok(), false)
}

/// Reads a text in an environment.
pub(crate) fn load_in(
    text: &str,
    folder: &Path,
    env: Env<'_>,
    overridden: bool,
) -> Result<Loaded, LoadError> {
    load_by(text, folder, env, overridden, false)
}

/// The same, and leaves out secrets that are elsewhere where `leave_out` says so.
pub(super) fn load_by(
    text: &str,
    folder: &Path,
    env: Env<'_>,
    overridden: bool,
    leave_out: bool,
) -> Result<Loaded, LoadError> {
    let mut root = Node::parse(text).map_err(|problem| LoadError::new(vec![problem], text, &[]))?;
    let mut problems = Vec::new();
    expand(&mut root, env, leave_out, &mut problems);
    let secrets = hide::secrets(&root);
    complete::defaults(&mut root);
    let read = typed::<Config>(&root);
    let failed = |problems| LoadError::new(problems, text, &secrets);
    let mut config = match read {
        Ok(config) if problems.is_empty() => config,
        Ok(_) => return Err(failed(problems)),
        Err(more) => {
            problems.extend(more);
            return Err(failed(problems));
        }
    };
    let mut overrides = Vec::new();
    if overridden {
        match overrides::apply(&mut config, env) {
            Ok(applied) => overrides = applied,
            Err(problem) => return Err(failed(vec![problem])),
        }
    }
    // Only keys of presets are looked for there.
    let left = |name: &str| env(name).or_else(|| leave_out.then(|| left_out(name)));
    let mut check = check::Check::new(&root, folder, &left, leave_out);
    check.before(&mut config);
    complete::complete(&mut config, &mut check);
    check.after(&mut config);
    let (problems, warnings) = check.done();
    if !problems.is_empty() {
        return Err(failed(problems));
    }
    Ok(Loaded {
        digest: Digest::of(text, config.prices.as_deref()),
        config,
        warnings,
        overrides,
    })
}
