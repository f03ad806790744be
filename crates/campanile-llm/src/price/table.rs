use std::sync::Arc;

use foldhash::HashMap;

use super::{Price, PriceError, PriceList};

/// A list of prices, ready to be looked up in.
#[derive(Debug, Default)]
pub(super) struct Table {
    prices: Vec<Arc<Price>>,
    /// By whole name.
    named: Names,
    /// By provider, then by the rest of the name.
    of_providers: HashMap<Box<str>, Names>,
    /// What names begin with, the longest first.
    prefixes: Vec<(Box<str>, usize)>,
}

type Names = HashMap<Box<str>, usize>;

// ===== impl Table =====

impl Table {
    pub(super) fn new(list: &PriceList) -> Result<Self, PriceError> {
        let mut table = Self::default();
        for (name, price) in &list.models {
            price.check().map_err(|source| PriceError::Price {
                model: name.clone(),
                source,
            })?;
            let index = table.prices.len();
            table.prices.push(Arc::new(price.clone()));
            match name.strip_suffix('*') {
                Some(prefix) => {
                    if let Some((provider, _)) = prefix.split_once('/') {
                        table.of_providers.entry(provider.into()).or_default();
                    }
                    table.prefixes.push((prefix.into(), index));
                }
                None => table.insert(name, index)?,
            }
        }
        for (alias, name) in &list.aliases {
            let error = |rule| PriceError::Name {
                name: alias.clone(),
                rule,
            };
            let index = table.named.get(name.as_str()).copied();
            let index = index.ok_or_else(|| error("an alias stands for a name in `models`"))?;
            if list.models.contains_key(alias) {
                return Err(error("it is an alias and has a price of its own"));
            }
            table.insert(alias, index)?;
        }
        // Longest first; of the same length in the order of the list.
        table
            .prefixes
            .sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        Ok(table)
    }

    fn insert(&mut self, name: &str, index: usize) -> Result<(), PriceError> {
        let error = |rule| PriceError::Name {
            name: name.to_owned(),
            rule,
        };
        if name.is_empty() {
            return Err(error("a name is not empty"));
        }
        if name.contains('*') {
            return Err(error("a star is at the end of a rule, and nowhere else"));
        }
        if let Some((provider, model)) = name.split_once('/') {
            let names = self.of_providers.entry(provider.into()).or_default();
            names.insert(model.into(), index);
        }
        self.named.insert(name.into(), index);
        Ok(())
    }

    /// The price of a model. The order is that of [`Prices`](super::Prices).
    pub(super) fn find(&self, provider: Option<&str>, model: &str) -> Option<&Arc<Price>> {
        let index = self
            .exact(provider, model)
            .or_else(|| self.exact(provider, undated(model)?))
            .or_else(|| self.by_prefix(provider, model))?;
        self.prices.get(index)
    }

    fn exact(&self, provider: Option<&str>, model: &str) -> Option<usize> {
        let of_provider = || self.of_providers.get(provider?)?.get(model);
        of_provider().or_else(|| self.named.get(model)).copied()
    }

    fn by_prefix(&self, provider: Option<&str>, model: &str) -> Option<usize> {
        let of_provider = |prefix: &str| {
            let rest = prefix.strip_prefix(provider?)?.strip_prefix('/')?;
            model.starts_with(rest).then_some(())
        };
        let rules = || self.prefixes.iter();
        rules()
            .find(|(prefix, _)| of_provider(prefix).is_some())
            .or_else(|| rules().find(|(prefix, _)| model.starts_with(&**prefix)))
            .map(|&(_, index)| index)
    }

    /// Every provider of which something is said.
    pub(super) fn providers(&self) -> impl Iterator<Item = &str> {
        self.of_providers.keys().map(|provider| &**provider)
    }

    pub(super) const fn len(&self) -> usize {
        self.prices.len()
    }
}

/// A model's name without the date of its version, or the word that stands for the latest: `-2025-08-07`, `-20250807`,
/// `@20250807`, `-0613`, `-latest`, `:latest`. `None` where it has none.
pub(super) fn undated(model: &str) -> Option<&str> {
    if let Some(name) = model
        .strip_suffix("-latest")
        .or_else(|| model.strip_suffix(":latest"))
    {
        return Some(name);
    }
    let dated = |length: usize, marks: &[u8], shape: fn(&[u8]) -> bool| {
        let (name, tail) = model.split_at_checked(model.len().checked_sub(length)?)?;
        let (mark, date) = tail.as_bytes().split_first()?;
        (marks.contains(mark) && shape(date)).then_some(name)
    };
    dated(11, b"-@", |date| {
        date[4] == b'-' && date[7] == b'-' && is_year(&date[..4]) && is_day(&date[5..7], &date[8..])
    })
    .or_else(|| {
        dated(9, b"-@", |date| {
            is_year(&date[..4]) && is_day(&date[4..6], &date[6..])
        })
    })
    .or_else(|| dated(5, b"-", |date| is_day(&date[..2], &date[2..])))
    .filter(|name| !name.is_empty())
}

fn is_year(digits: &[u8]) -> bool {
    digits.starts_with(b"20") && digits.iter().all(u8::is_ascii_digit)
}

fn is_day(month: &[u8], day: &[u8]) -> bool {
    let number = |digits: &[u8]| match digits {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => (tens - b'0') * 10 + ones - b'0',
        _ => 0,
    };
    (1..=12).contains(&number(month)) && (1..=31).contains(&number(day))
}
