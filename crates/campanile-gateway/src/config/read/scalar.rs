/// What a text without quotes is, by the rules of YAML 1.2; numbers may have underscores.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Nothing,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text,
}

/// What it is.
pub(super) fn kind(text: &str) -> Kind {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Kind::Nothing,
        "true" | "True" | "TRUE" => return Kind::Bool(true),
        "false" | "False" | "FALSE" => return Kind::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Kind::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" => return Kind::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Kind::Float(f64::NEG_INFINITY),
        _ => {}
    }
    let numeric = |byte: u8| byte.is_ascii_digit() || b"+-._eE".contains(&byte);
    let begins = text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first));
    if !begins || !text.bytes().all(numeric) || text.ends_with('_') {
        return Kind::Text;
    }
    let digits = text.replace('_', "");
    if let Ok(number) = digits.parse() {
        return Kind::Unsigned(number);
    }
    if let Ok(number) = digits.parse() {
        return Kind::Signed(number);
    }
    digits.parse().map_or(Kind::Text, Kind::Float)
}
