use super::{
    problem::{Problem, quoted},
    suggest::nearest,
    tree::{Node, Value},
};

/// Where values of `${NAME}` come from.
pub(crate) type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// How long a value may be.
const MOST: usize = 64 << 10;

/// Puts values of the environment where `${NAME}` and `${NAME:-default}` stand; `$${` is `${`. Keys stay as they are.
pub(crate) fn expand(node: &mut Node, path: &str, env: Env<'_>, problems: &mut Vec<Problem>) {
    match &mut node.value {
        Value::Scalar(scalar) if scalar.text.contains("${") => match replaced(&scalar.text, env) {
            Ok(text) => scalar.written = Some(std::mem::replace(&mut scalar.text, text)),
            Err(message) => {
                problems.push(Problem::new(path, node.place, message));
                node.broken.set(true);
            }
        },
        Value::Scalar(_) => {}
        Value::List(list) => {
            for (index, value) in list.iter_mut().enumerate() {
                expand(value, &format!("{path}[{index}]"), env, problems);
            }
        }
        Value::Map(entries) => {
            for (key, value) in entries {
                let path = super::problem::joined(path, &key.text);
                expand(value, &path, env, problems);
            }
        }
    }
}

fn replaced(text: &str, env: Env<'_>) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        out.push_str(&rest[..start]);
        if out.ends_with('$') {
            out.pop();
            out.push_str("${");
            rest = &rest[start + 2..];
            continue;
        }
        let Some(length) = rest[start..].find('}') else {
            return Err(
                "`${` is not closed by `}`; write `$${` for the characters themselves".to_owned(),
            );
        };
        out.push_str(&one(&rest[start + 2..start + length], env)?);
        if out.len() > MOST {
            return Err(format!("what it becomes is longer than {MOST} bytes"));
        }
        rest = &rest[start + length + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

fn one(inside: &str, env: Env<'_>) -> Result<String, String> {
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.is_empty() || !name.bytes().all(letters) || name.as_bytes()[0].is_ascii_digit() {
        return Err(format!(
            "{} is no name of an environment variable; write `${{NAME}}`, `${{NAME:-default}}`, or `$${{` for the characters themselves",
            quoted(name)
        ));
    }
    match (
        env(name).filter(|value| default.is_none() || !value.is_empty()),
        default,
    ) {
        (Some(value), _) => Ok(value),
        (None, Some(default)) => Ok(default.to_owned()),
        (None, None) => {
            let set = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
            let set: Vec<_> = set.filter(|set| env(set).is_some()).collect();
            let near = nearest(name, set.iter().map(String::as_str));
            let near = near.map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"));
            Err(format!(
                "the environment variable `{name}` is not set{near}; set it, or write `${{{name}:-default}}`"
            ))
        }
    }
}
