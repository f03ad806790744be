use strsim::damerau_levenshtein;

/// The name that was meant, if one is near.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.to_ascii_lowercase().replace(['-', ' ', '.'], "_");
    let name = plain(name);
    // A hostile name costs no more than a long one.
    if name.len() > 64 {
        return None;
    }
    let most = (name.chars().count() / 3).clamp(1, 3);
    let near = known.into_iter().filter_map(|known| {
        let other = plain(known);
        let begins = name.len() >= 4 && other.starts_with(&name)
            || other.len() >= 4 && name.starts_with(&other);
        let distance = damerau_levenshtein(&name, &other);
        (distance <= most || begins).then_some((distance, known))
    });
    near.min().map(|(_, known)| known)
}

/// What to say of a name that is not there: the one that was meant, or all.
pub(crate) fn instead<'a>(
    name: &str,
    known: impl IntoIterator<Item = &'a str> + Clone,
    what: &str,
) -> String {
    if let Some(nearest) = nearest(name, known.clone()) {
        return format!("; did you mean `{nearest}`?");
    }
    let mut all: Vec<_> = known.into_iter().take(41).collect();
    all.sort_unstable();
    match all.len() {
        0 => String::new(),
        1..=40 => format!("; {what}: {}", all.join(", ")),
        _ => String::new(),
    }
}
