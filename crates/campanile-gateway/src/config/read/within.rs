//! What is within a map, a list or a choice.

use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor, value::StrDeserializer,
};

use super::{
    failure::Failure,
    problem::{Problem, joined},
    suggest::instead,
    tree::{Key, Node, Value},
    typed::{Path, Reader},
};

/// The entries of a map, but for those that are broken.
pub(super) struct Entries<'de, 'p> {
    reader: Reader<'de, 'p>,
    rest: std::slice::Iter<'de, (Key, Node)>,
    value: Option<(&'de Key, &'de Node)>,
    fields: Option<&'static [&'static str]>,
}

/// The elements of a list, but for those that are broken.
pub(super) struct Elements<'de, 'p> {
    reader: Reader<'de, 'p>,
    rest: std::iter::Enumerate<std::slice::Iter<'de, Node>>,
}

/// A choice with settings of its own.
pub(super) struct Variant<'de, 'p> {
    reader: Reader<'de, 'p>,
    key: &'de Key,
    value: &'de Node,
}

// ===== impl Entries =====

impl<'de, 'p> Entries<'de, 'p> {
    pub(super) fn new(
        reader: Reader<'de, 'p>,
        entries: &'de [(Key, Node)],
        fields: Option<&'static [&'static str]>,
    ) -> Self {
        Self {
            reader,
            rest: entries.iter(),
            value: None,
            fields,
        }
    }
}

/// Whether a struct of these fields knows this setting. If not, that is said, and the others are read all the same.
fn knows(
    reader: &Reader<'_, '_>,
    fields: Option<&'static [&'static str]>,
    key: &Key,
    value: &Node,
) -> bool {
    let Some(fields) = fields else {
        return true;
    };
    if fields.contains(&key.text.as_str()) {
        return true;
    }
    let path = joined(&reader.path.text(), &key.text);
    let hint = instead(&key.text, fields.iter().copied(), "there are");
    let message = format!("there is no such setting{hint}");
    let problem = Problem::new(&path, key.place, message);
    reader.problems.borrow_mut().push(problem);
    value.broken.set(true);
    false
}

impl<'de> MapAccess<'de> for Entries<'de, '_> {
    type Error = Failure;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Failure> {
        while let Some((key, value)) = self.rest.next() {
            if value.broken.get() {
                continue;
            }
            // A place for anchors.
            let root = matches!(self.reader.path, Path::Root);
            if root && self.fields.is_some() && key.text.starts_with("x-") {
                continue;
            }
            if !knows(&self.reader, self.fields, key, value) {
                continue;
            }
            // Settings that are all commented out are those by default; `null` is for none.
            if self.fields.is_some() && value.is_blank() {
                continue;
            }
            self.value = Some((key, value));
            let text: StrDeserializer<'_, Failure> = key.text.as_str().into_deserializer();
            return seed.deserialize(text).map(Some).map_err(|failure| {
                if self.reader.path.is_secret() {
                    return self.reader.tell(failure);
                }
                let path = Path::Key(&self.reader.path, &key.text);
                value.broken.set(true);
                let at = Node {
                    value: Value::List(Vec::new()),
                    place: key.place,
                    broken: std::cell::Cell::new(false),
                };
                failure.at(&path.text(), &at)
            });
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Failure> {
        let Some((key, node)) = self.value.take() else {
            return Err(de::Error::custom("a value was asked for before its key"));
        };
        let path = Path::Key(&self.reader.path, &key.text);
        let reader = self.reader.within(node, path);
        seed.deserialize(reader)
            .map_err(|failure| reader.tell(failure))
    }
}

// ===== impl Elements =====

impl<'de, 'p> Elements<'de, 'p> {
    pub(super) fn new(reader: Reader<'de, 'p>, list: &'de [Node]) -> Self {
        let rest = list.iter().enumerate();
        Self { reader, rest }
    }
}

impl<'de> SeqAccess<'de> for Elements<'de, '_> {
    type Error = Failure;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Failure> {
        let Some((index, node)) = self.rest.find(|(_, node)| !node.broken.get()) else {
            return Ok(None);
        };
        let path = Path::Index(&self.reader.path, index);
        let reader = self.reader.within(node, path);
        let read = seed.deserialize(reader);
        read.map(Some).map_err(|failure| reader.tell(failure))
    }
}

// ===== impl Variant =====

impl<'de, 'p> Variant<'de, 'p> {
    pub(super) const fn new(reader: Reader<'de, 'p>, key: &'de Key, value: &'de Node) -> Self {
        Self { reader, key, value }
    }
}

impl<'de> EnumAccess<'de> for Variant<'de, '_> {
    type Error = Failure;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Failure> {
        let name: StrDeserializer<'_, Failure> = self.key.text.as_str().into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'de, '_> {
    type Error = Failure;

    fn unit_variant(self) -> Result<(), Failure> {
        match self.value.is_blank() {
            true => Ok(()),
            false => Err(de::Error::custom("it has no settings")),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Failure> {
        let path = Path::Key(&self.reader.path, &self.key.text);
        let reader = self.reader.within(self.value, path);
        seed.deserialize(reader)
            .map_err(|failure| reader.tell(failure))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Failure> {
        let path = Path::Key(&self.reader.path, &self.key.text);
        self.reader
            .within(self.value, path)
            .deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        let path = Path::Key(&self.reader.path, &self.key.text);
        self.reader
            .within(self.value, path)
            .deserialize_struct("", fields, visitor)
    }
}
