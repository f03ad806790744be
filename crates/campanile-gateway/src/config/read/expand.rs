use super::{
    problem::{Problem, quoted},
    sight::{Sight, Walk},
    suggest::nearest,
    tree::{Node, Value},
};

/// Where values of `${NAME}` come from.
pub(crate) type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// How long a value may be.
const MOST: usize = 64 << 10;

/// Puts values of the environment where `${NAME}` and `${NAME:-default}` stand; `$${` is `${`. Keys stay as they are.
/// Variables that are not set are an error; where secrets are and `leave_out` says so, a text stands for them that says that it was
/// left out.
pub(crate) fn expand(node: &mut Node, env: Env<'_>, leave_out: bool, problems: &mut Vec<Problem>) {
    let expanding = Expanding { env, leave_out };
    expanding.node(node, "", Walk::ROOT, problems);
}

/// What stands for a secret that was left where it is.
pub(crate) fn left_out(place: &str) -> String {
    let plain = |sign: char| if sign.is_ascii_graphic() { sign } else { '-' };
    let place: String = place.chars().map(plain).collect();
    format!("left-out-of-the-check:{place}")
}

struct Expanding<'a> {
    env: Env<'a>,
    leave_out: bool,
}

impl Expanding<'_> {
    fn node(&self, node: &mut Node, path: &str, walk: Walk, problems: &mut Vec<Problem>) {
        match &mut node.value {
            Value::Scalar(scalar) if scalar.text.contains("${") => {
                let secret = matches!(walk.sight, Sight::Nothing | Sight::Headers);
                let leave_out = |name: &str| (self.env)(name).or_else(|| Some(left_out(name)));
                let env: Env<'_> = match self.leave_out && secret {
                    true => &leave_out,
                    false => self.env,
                };
                match replaced(&scalar.text, env) {
                    Ok(text) => {
                        scalar.written = Some(std::mem::replace(&mut scalar.text, text));
                    }
                    Err(message) => {
                        problems.push(Problem::new(path, node.place, message));
                        node.broken.set(true);
                    }
                }
            }
            Value::Scalar(_) => {}
            Value::List(list) => {
                for (index, value) in list.iter_mut().enumerate() {
                    self.node(value, &format!("{path}[{index}]"), walk, problems);
                }
            }
            Value::Map(entries) => {
                for (key, value) in entries {
                    let path = super::problem::joined(path, &key.text);
                    self.node(value, &path, walk.into(&key.text), problems);
                }
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
    if default.is_some_and(|default| default.contains("${")) {
        return Err(format!(
            "the text for when `{name}` is not set is taken as it is: no `${{` can stand in it"
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
