/// A name of models with stars in it, each of which stands for any text: `gpt-*`.
///
/// ```
/// use campanile_llm::route::Pattern;
///
/// let pattern = Pattern::parse("gpt-*-mini").unwrap();
/// assert!(pattern.matches("gpt-5-mini") && !pattern.matches("gpt-5"));
/// assert_eq!(Pattern::parse("gpt-5"), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Box<str>);

// ===== impl Pattern =====

impl Pattern {
    /// A pattern, if there is a star in the text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.contains('*').then(|| Self(text.into()))
    }

    /// How much of a name it tells: the more, the earlier it is asked.
    pub(crate) fn letters(&self) -> usize {
        self.0.bytes().filter(|byte| *byte != b'*').count()
    }

    /// Whether a name is of this form. In time proportional to the name, times the stars.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = name.strip_prefix(first) else {
            return false;
        };
        let Some(last) = parts.next_back() else {
            return rest.is_empty();
        };
        for part in parts {
            // The earliest place leaves most for the others.
            let Some(at) = rest.find(part) else {
                return false;
            };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(last)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        Pattern::parse(pattern).unwrap().matches(name)
    }

    #[test]
    fn a_star_stands_for_any_text() {
        assert!(Pattern::parse("gpt-5").is_none());
        for (pattern, name, expected) in [
            ("gpt-*", "gpt-5", true),
            ("gpt-*", "gpt-", true),
            ("gpt-*", "xgpt-5", false),
            ("*", "", true),
            ("*-mini", "gpt-5-mini", true),
            ("*-mini", "gpt-5-mini-x", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXc", false),
            ("ab*bc", "abc", false),
            ("**", "x", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_a_plain_search(pattern in "[ab*]{0,6}\\*", name in "[ab]{0,8}") {
            fn plain(pattern: &[u8], name: &[u8]) -> bool {
                match (pattern.split_first(), name.split_first()) {
                    (None, left) => left.is_none(),
                    (Some((b'*', rest)), None) => plain(rest, name),
                    (Some((b'*', rest)), Some((_, less))) => plain(rest, name) || plain(pattern, less),
                    (Some((one, rest)), Some((other, less))) => one == other && plain(rest, less),
                    (Some(_), None) => false,
                }
            }
            prop_assert_eq!(matches(&pattern, &name), plain(pattern.as_bytes(), name.as_bytes()));
        }
    }
}
