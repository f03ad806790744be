//! JSON whose fields stay as they were written: what is only passed on is never parsed, and nothing unknown is lost.

use std::{borrow::Cow, collections::HashMap, fmt};

use bytes::{BufMut, Bytes, BytesMut};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, Visitor},
    ser::SerializeMap,
};
use serde_json::value::RawValue;

#[cfg(test)]
mod tests;

/// A JSON object, its fields in their order, each value as the bytes that it was written in. Parsing one copies nothing:
/// names and values are parts of the buffer.
///
/// ```
/// use campanile_llm::json::Object;
///
/// let mut object = Object::parse(r#"{"model": "a", "top_k": 1e2, "new": {"x": []}}"#)?;
/// assert_eq!(object.read::<f64>("top_k")?, Some(100.0));
/// object.set("model", &"b");
/// assert_eq!(object.to_bytes(), r#"{"model":"b","top_k":1e2,"new":{"x": []}}"#);
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Object {
    fields: Vec<Field>,
}

#[derive(Clone, PartialEq, Eq)]
struct Field {
    /// UTF-8, unescaped.
    name: Bytes,
    /// JSON.
    value: Bytes,
}

/// How many fields are looked through one by one, while an object is read.
const FEW: usize = 32;

// ===== impl Object =====

impl Object {
    /// An object without fields.
    #[must_use]
    pub const fn new() -> Self {
        Self { fields: Vec::new() }
    }

    /// Reads an object. Of fields of the same name the last counts.
    ///
    /// # Errors
    ///
    /// What is wrong, and where: it is not JSON, or not an object.
    pub fn parse(bytes: impl Into<Bytes>) -> serde_json::Result<Self> {
        Self::read_all(bytes.into()).map(|(object, _)| object)
    }

    /// Reads an object; whether each of its fields has a name of its own too.
    pub(crate) fn read_all(bytes: Bytes) -> serde_json::Result<(Self, bool)> {
        let mut reader = serde_json::Deserializer::from_slice(&bytes);
        let read = reader.deserialize_map(Fields { bytes: &bytes })?;
        reader.end()?;
        Ok(read)
    }

    /// A field's value, as JSON.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Bytes> {
        self.fields
            .iter()
            .find(|field| field.name == name.as_bytes())
            .map(|field| &field.value)
    }

    /// A field's value; `None` where there is none, or `null`.
    ///
    /// # Errors
    ///
    /// When it is of another type.
    pub fn read<'a, T: Deserialize<'a>>(&'a self, name: &str) -> serde_json::Result<Option<T>> {
        self.get(name)
            .map_or(Ok(None), |value| serde_json::from_slice(value))
    }

    /// Sets a field, in its place or at the end.
    ///
    /// # Panics
    ///
    /// When the value cannot be written as JSON, such as a map with keys that are no strings.
    pub fn set<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) {
        match serde_json::to_vec(value) {
            Ok(json) => self.set_raw(name, json.into()),
            Err(error) => panic!("{name} cannot be written as JSON: {error}"),
        }
    }

    /// Sets a field to what is JSON already.
    pub fn set_raw(&mut self, name: &str, json: Bytes) {
        match self
            .fields
            .iter_mut()
            .find(|field| field.name == name.as_bytes())
        {
            Some(field) => field.value = json,
            None => self.fields.push(Field {
                name: Bytes::copy_from_slice(name.as_bytes()),
                value: json,
            }),
        }
    }

    /// Takes a field's value out, and leaves nothing in its place, until it is set again.
    pub(crate) fn take(&mut self, name: &str) -> Option<Bytes> {
        let mut fields = self.fields.iter_mut();
        let field = fields.find(|field| field.name == name.as_bytes())?;
        Some(std::mem::take(&mut field.value))
    }

    /// Gives a field another name, in its place; that name is free.
    pub(crate) fn rename(&mut self, from: &str, to: &'static str) {
        let mut fields = self.fields.iter_mut();
        if let Some(field) = fields.find(|field| field.name == from.as_bytes()) {
            field.name = Bytes::from_static(to.as_bytes());
        }
    }

    /// Takes a field out.
    pub fn remove(&mut self, name: &str) -> Option<Bytes> {
        let place = self
            .fields
            .iter()
            .position(|field| field.name == name.as_bytes())?;
        Some(self.fields.remove(place).value)
    }

    /// The fields' names and values, as JSON.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Bytes)> {
        self.fields
            .iter()
            .map(|field| (std::str::from_utf8(&field.name).unwrap_or(""), &field.value))
    }

    /// How many fields there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Where a field is, while the object is read. Few are looked through; of many the places are kept, or a hostile object
    /// would take a time that grows with their square.
    fn place(&self, name: &Bytes, places: &mut HashMap<Bytes, usize>) -> Option<usize> {
        if self.fields.len() < FEW {
            return self.fields.iter().position(|field| field.name == name);
        }
        for (place, field) in self.fields.iter().enumerate().skip(places.len()) {
            places.insert(field.name.clone(), place);
        }
        places.get(name).copied()
    }

    /// Writes the object.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let length = |field: &Field| field.name.len() + field.value.len() + 4;
        let mut out = BytesMut::with_capacity(2 + self.fields.iter().map(length).sum::<usize>());
        out.put_u8(b'{');
        for (index, (name, value)) in self.iter().enumerate() {
            if index > 0 {
                out.put_u8(b',');
            }
            // A name without anything to escape, as nearly all are.
            if name
                .bytes()
                .all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\')
            {
                out.put_u8(b'"');
                out.put_slice(name.as_bytes());
                out.put_u8(b'"');
            } else if let Ok(name) = serde_json::to_vec(name) {
                out.put_slice(&name);
            }
            out.put_u8(b':');
            out.put_slice(value);
        }
        out.put_u8(b'}');
        out.freeze()
    }
}

/// Names of the fields, not what is in them: that may be anybody's secret.
impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for (name, value) in self.iter() {
            map.entry(&name, &format_args!("{} bytes", value.len()));
        }
        map.finish()
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (name, value) in self.iter() {
            let value: &RawValue =
                serde_json::from_slice(value).map_err(serde::ser::Error::custom)?;
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Self::parse(String::from(Box::<str>::from(raw))).map_err(de::Error::custom)
    }
}

/// Reads the fields of the object in these bytes.
struct Fields<'a> {
    bytes: &'a Bytes,
}

impl<'de> Visitor<'de> for Fields<'de> {
    type Value = (Object, bool);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut single = true;
        let mut object = Object {
            fields: Vec::with_capacity(8),
        };
        let mut places = HashMap::new();
        while let Some(Name(name)) = map.next_key()? {
            let value: &RawValue = map.next_value()?;
            let value = self.bytes.slice_ref(value.get().as_bytes());
            let name = match name {
                Cow::Borrowed(name) => self.bytes.slice_ref(name.as_bytes()),
                Cow::Owned(name) => name.into(),
            };
            match object.place(&name, &mut places) {
                Some(place) => {
                    object.fields[place].value = value;
                    single = false;
                }
                None => object.fields.push(Field { name, value }),
            }
        }
        Ok((object, single))
    }
}

#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
