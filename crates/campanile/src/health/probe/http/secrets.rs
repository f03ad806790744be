use http::{HeaderMap, HeaderValue, Uri};

/// What of a request must not stand in a message, should the client's error repeat it: values of headers, and of its URI
/// the user information and the query, whole and by value.
pub(in super::super) struct Secrets(Vec<String>);

// ===== impl Secrets =====

impl Secrets {
    pub(in super::super) fn new(headers: &HeaderMap, uri: &Uri) -> Self {
        let mut secrets: Vec<_> = headers.values().flat_map(header).collect();
        let authority = uri.authority().map(|authority| authority.as_str());
        if let Some((user, _)) = authority.and_then(|authority| authority.rsplit_once('@')) {
            secrets.push(user.to_owned());
            secrets.extend(user.split(':').map(str::to_owned));
        }
        if let Some(query) = uri.query() {
            secrets.push(query.to_owned());
            let values = query.split('&').filter_map(|pair| pair.split_once('='));
            secrets.extend(values.map(|(_, value)| value.to_owned()));
        }
        // The longest first, or a part of one would hide the rest from being found.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self(secrets)
    }

    pub(in super::super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// The whole value, and what comes after a scheme: `Bearer abcd`, `abcd`.
fn header(value: &HeaderValue) -> impl Iterator<Item = String> + use<> {
    let whole = String::from_utf8_lossy(value.as_bytes()).into_owned();
    let after = whole.split_once(' ').map(|(_, after)| after.to_owned());
    [Some(whole), after].into_iter().flatten()
}
