use std::cell::RefCell;

use serde::{
    de::{self, DeserializeOwned, Deserializer, IntoDeserializer, Visitor, value::StrDeserializer},
    forward_to_deserialize_any,
};

use super::{
    failure::Failure,
    problem::{Problem, joined},
    scalar::{Kind, kind},
    sight::is_secret,
    tree::{Node, Scalar, Value},
    within::{Elements, Entries, Variant},
};

/// How often it is read again, without what was wrong, to find what else is.
const PASSES: usize = 50;

/// A value that is read, and where what is wrong with it is told.
#[derive(Clone, Copy)]
pub(super) struct Reader<'de, 'p> {
    node: &'de Node,
    pub(super) path: Path<'p>,
    pub(super) problems: &'p RefCell<Vec<Problem>>,
}

/// The path of a value, made a text only if something is wrong there.
#[derive(Clone, Copy)]
pub(super) enum Path<'de> {
    Root,
    Key(&'de Path<'de>, &'de str),
    Index(&'de Path<'de>, usize),
}

/// Reads settings, or tells all that is wrong with them. Serde stops at the first: so that is marked broken, and the rest read
/// again without it.
pub(crate) fn typed<T: DeserializeOwned>(root: &Node) -> Result<T, Vec<Problem>> {
    let problems = RefCell::new(Vec::new());
    for _ in 0..PASSES {
        let reader = Reader {
            node: root,
            path: Path::Root,
            problems: &problems,
        };
        match T::deserialize(reader) {
            Ok(read) if problems.borrow().is_empty() => return Ok(read),
            Ok(_) => break,
            Err(failure) => {
                let failure = reader.tell(failure);
                if !failure.silent {
                    problems.borrow_mut().push(failure.problem());
                }
            }
        }
        if root.broken.get() {
            break;
        }
    }
    Err(problems.into_inner())
}

// ===== impl Path =====

impl Path<'_> {
    pub(super) fn text(&self) -> String {
        match self {
            Self::Root => String::new(),
            Self::Key(path, key) => joined(&path.text(), key),
            Self::Index(path, index) => format!("{}[{index}]", path.text()),
        }
    }

    /// Whether a secret stands here.
    pub(super) fn is_secret(&self) -> bool {
        match self {
            Self::Key(Self::Key(_, above), key) => *above == "headers" || is_secret(key),
            Self::Key(_, key) => is_secret(key),
            _ => false,
        }
    }
}

// ===== impl Reader =====

impl<'de, 'p> Reader<'de, 'p> {
    /// The reader of a value within.
    pub(super) const fn within<'q>(self, node: &'de Node, path: Path<'q>) -> Reader<'de, 'q>
    where
        'p: 'q,
    {
        Reader {
            node,
            path,
            problems: self.problems,
        }
    }

    pub(super) fn tell(&self, failure: Failure) -> Failure {
        let mut failure = failure;
        if failure.found.is_none() && failure.follows(self.node) {
            failure.silent = true;
        }
        if self.path.is_secret() {
            failure = failure.of_a_secret();
        }
        failure.at(&self.path.text(), self.node)
    }

    fn scalar(&self) -> Option<&'de Scalar> {
        match &self.node.value {
            Value::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    fn any<V: Visitor<'de>>(self, visitor: V, lenient: bool) -> Result<V::Value, Failure> {
        match &self.node.value {
            Value::Scalar(scalar) => {
                let put_in = scalar.written.is_some();
                let typed = scalar.plain || lenient && put_in;
                let text = !typed || self.path.is_secret();
                match kind(&scalar.text) {
                    Kind::Nothing if scalar.plain => visitor.visit_unit(),
                    _ if text => visitor.visit_borrowed_str(&scalar.text),
                    Kind::Bool(value) => visitor.visit_bool(value),
                    Kind::Unsigned(value) => visitor.visit_u64(value),
                    Kind::Signed(value) => visitor.visit_i64(value),
                    Kind::Float(value) => visitor.visit_f64(value),
                    Kind::Nothing | Kind::Text => visitor.visit_borrowed_str(&scalar.text),
                }
            }
            Value::List(list) => visitor.visit_seq(Elements::new(self, list)),
            Value::Map(entries) => visitor.visit_map(Entries::new(self, entries, None)),
        }
    }
}

impl<'de> Deserializer<'de> for Reader<'de, '_> {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.any(visitor, false)
            .map_err(|failure| self.tell(failure))
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        let text = self.scalar().filter(|scalar| {
            !scalar.plain || scalar.written.is_some() || kind(&scalar.text) != Kind::Nothing
        });
        let read = match text {
            // `007` may be a name.
            Some(scalar) => visitor.visit_borrowed_str(&scalar.text),
            None => self.any(visitor, false),
        };
        read.map_err(|failure| self.tell(failure))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        let nothing = |scalar: &Scalar| scalar.plain && kind(&scalar.text) == Kind::Nothing;
        if self.scalar().is_some_and(nothing) {
            return visitor.visit_none();
        }
        visitor
            .visit_some(self)
            .map_err(|failure| self.tell(failure))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        let read = match &self.node.value {
            Value::Map(entries) => visitor.visit_map(Entries::new(self, entries, Some(fields))),
            // Its settings may all be commented out.
            _ if self.node.is_blank() => visitor.visit_map(Entries::new(self, &[], None)),
            // Serde would take it for the values of the settings, in their order.
            Value::List(_) => Err(de::Error::invalid_type(
                de::Unexpected::Seq,
                &"a map of settings",
            )),
            Value::Scalar(_) => self.any(visitor, false),
        };
        read.map_err(|failure| self.tell(failure))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        if self.node.is_blank() {
            return visitor.visit_map(Entries::new(self, &[], None));
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        if self.node.is_blank() {
            return visitor.visit_seq(Elements::new(self, &[]));
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        let read = match &self.node.value {
            Value::Scalar(scalar) => {
                let name: StrDeserializer<'_, Failure> = scalar.text.as_str().into_deserializer();
                visitor.visit_enum(name)
            }
            Value::Map(entries) if entries.len() == 1 => {
                let (key, value) = &entries[0];
                visitor.visit_enum(Variant::new(self, key, value))
            }
            _ => self.any(visitor, false),
        };
        read.map_err(|failure| self.tell(failure))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_unit()
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.any(visitor, true)
            .map_err(|failure| self.tell(failure))
    }

    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_bool(visitor)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_bool(visitor)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_bool(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_bool(visitor)
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u128 f32 char bytes byte_buf unit unit_struct tuple tuple_struct
    }
}
