//! The catalogue as it is looked up.

use std::collections::{BTreeSet, HashMap};

use campanile::{Endpoint, endpoint::Reason, time::Timestamp};

use super::{CatalogueConfig, Offer};
use crate::route::{Capabilities, Needs, Pattern};

/// Which member serves what. Immutable: it is made anew when anything changes.
#[derive(Debug, Default)]
pub(in crate::route) struct Table {
    pub(super) version: u64,
    /// Numbers of the models that a member names.
    numbers: HashMap<String, u32>,
    names: Vec<String>,
    facts: HashMap<String, Capabilities>,
    /// The pattern that tells most of a name first.
    fact_patterns: Vec<(Pattern, Capabilities)>,
    /// By the members' own numbers.
    members: Vec<Option<Served>>,
}

#[derive(Debug)]
struct Served {
    endpoint: Endpoint,
    any: bool,
    /// Sorted.
    models: Box<[u32]>,
    patterns: Box<[Pattern]>,
    limits: Capabilities,
}

/// What a request asks for, looked up once.
#[derive(Debug)]
pub(in crate::route) struct Asked<'a> {
    table: &'a Table,
    model: &'a str,
    number: Option<u32>,
    facts: Capabilities,
    needs: Needs,
    /// What prompt and answer take at most, if that is known.
    tokens: Option<u64>,
}

/// Whether a member serves a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::route) enum Verdict {
    /// It does not have the model.
    NoModel,
    /// It has the model, which lacks this.
    Lacks(&'static str),
    /// The context window is too small.
    Overflows,
    Serves,
}

// ===== impl Table =====

impl Table {
    pub(super) fn new<'a>(
        config: &'a CatalogueConfig,
        members: impl Iterator<Item = Option<(&'a Endpoint, &'a Offer)>>,
        version: u64,
    ) -> Self {
        let mut table = Self {
            version,
            ..Self::default()
        };
        for (name, can) in &config.models {
            match Pattern::parse(name) {
                Some(pattern) => table.fact_patterns.push((pattern, *can)),
                None => drop(table.facts.insert(name.clone(), *can)),
            }
        }
        table
            .fact_patterns
            .sort_by_key(|(pattern, _)| std::cmp::Reverse(pattern.letters()));
        for member in members {
            let served = member.map(|(endpoint, offer)| table.served(endpoint, offer));
            table.members.push(served);
        }
        table
    }

    fn served(&mut self, endpoint: &Endpoint, offer: &Offer) -> Served {
        let mut models = Vec::new();
        let mut patterns = Vec::new();
        for name in &offer.models {
            if let Some(pattern) = Pattern::parse(name) {
                patterns.push(pattern);
                continue;
            }
            let next = self.names.len() as u32;
            let number = *self.numbers.entry(name.clone()).or_insert(next);
            if number == next {
                self.names.push(name.clone());
            }
            models.push(number);
        }
        models.sort_unstable();
        Served {
            endpoint: endpoint.clone(),
            any: offer.models.is_empty(),
            models: models.into(),
            patterns: patterns.into(),
            limits: offer.limits,
        }
    }

    pub(in crate::route) fn ask<'a>(
        &'a self,
        model: &'a str,
        needs: Needs,
        tokens: Option<u64>,
    ) -> Asked<'a> {
        let named = self.facts.get(model).copied();
        let facts = named.or_else(|| {
            let found = self
                .fact_patterns
                .iter()
                .find(|(pattern, _)| pattern.matches(model));
            found.map(|(_, can)| *can)
        });
        Asked {
            table: self,
            model,
            number: self.numbers.get(model).copied(),
            facts: facts.unwrap_or_default(),
            needs,
            tokens,
        }
    }

    /// The models that members name, in their order.
    pub(in crate::route) fn models(&self) -> BTreeSet<&str> {
        // Marked first: many members name the same few.
        let mut named = vec![false; self.names.len()];
        for (_, served) in self.present() {
            for number in &served.models {
                named[*number as usize] = true;
            }
        }
        let names = self.names.iter().zip(named);
        names
            .filter_map(|(name, named)| named.then_some(name.as_str()))
            .collect()
    }

    /// Changes with the table.
    pub(in crate::route) const fn version(&self) -> u64 {
        self.version
    }

    /// The models that a member has, of those that some member names.
    pub(in crate::route) fn models_of(&self, member: u32, mut tell: impl FnMut(u32)) {
        let Some(Some(served)) = self.members.get(member as usize) else {
            return;
        };
        if !served.any && served.patterns.is_empty() {
            served.models.iter().copied().for_each(tell);
            return;
        }
        for (number, name) in (0..).zip(&self.names) {
            if served.has(Some(number), name) {
                tell(number);
            }
        }
    }

    pub(in crate::route) fn is_empty(&self) -> bool {
        self.present().next().is_none()
    }

    /// The members that are still in their pool. What is kept of one that has left is dropped later: with its last call, and
    /// when every clone of the pool has noticed.
    fn present(&self) -> impl Iterator<Item = (u32, &Served)> {
        (0_u32..)
            .zip(&self.members)
            .filter_map(|(number, served)| Some((number, served.as_ref()?)))
            .filter(|(_, served)| {
                let gate = served.endpoint.gate();
                !gate.is_closed_for(Reason::Removed, Timestamp::ZERO)
            })
    }
}

// ===== impl Served =====

impl Served {
    #[inline]
    fn has(&self, number: Option<u32>, name: &str) -> bool {
        let named = number.is_some_and(|number| self.models.binary_search(&number).is_ok());
        named || self.any || self.patterns.iter().any(|pattern| pattern.matches(name))
    }
}

// ===== impl Asked =====

impl Asked<'_> {
    /// The number of the model, if some member names it.
    pub(in crate::route) const fn number(&self) -> Option<u32> {
        self.number
    }

    /// What the member of this number makes of it. One that the table does not know has no model.
    #[inline]
    pub(in crate::route) fn of(&self, member: u32) -> Verdict {
        let Some(Some(served)) = self.table.members.get(member as usize) else {
            return Verdict::NoModel;
        };
        if !served.has(self.number, self.model) {
            return Verdict::NoModel;
        }
        let can = self.facts.and(served.limits);
        match can.lacks(&self.needs) {
            Some(lacks) => Verdict::Lacks(lacks),
            None if can.overflows(self.tokens) => Verdict::Overflows,
            None => Verdict::Serves,
        }
    }

    /// The best verdict of all members.
    pub(in crate::route) fn of_all(&self) -> Verdict {
        let mut best = Verdict::NoModel;
        for (number, _) in self.table.present() {
            best = best.max(self.of(number));
            if best == Verdict::Serves {
                break;
            }
        }
        best
    }
}
