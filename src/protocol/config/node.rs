//! A configuration as a tree. It keeps what serde's usual types lose: the order of keys, and the number of each value,
//! by which its position can be found in the text.

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// A value.
#[derive(Debug, Clone)]
pub(super) struct Node {
    /// How many values and keys the text has before it.
    pub(super) at: usize,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    Whole(i128),
    Real(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Member>),
}

/// A key and its value.
#[derive(Debug, Clone)]
pub(super) struct Member {
    /// As [`Node::at`], of the key.
    pub(super) at: usize,
    pub(super) name: String,
    pub(super) value: Node,
}

impl Node {
    /// The tree of a JSON value.
    pub(super) fn of(value: &Value) -> Result<Self, serde_json::Error> {
        TreeReader::default().deserialize(value)
    }

    /// The value in JSON. A number that JSON does not have (infinity, NaN) becomes `null`.
    pub(super) fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(value) => (*value).into(),
            Kind::Whole(value) => {
                let whole = u64::try_from(*value).map(Value::from);
                whole
                    .or_else(|_| i64::try_from(*value).map(Value::from))
                    .unwrap_or_else(|_| approximate(*value).into())
            }
            Kind::Real(value) => (*value).into(),
            Kind::Text(text) => text.clone().into(),
            Kind::List(items) => items.iter().map(Self::to_json).collect(),
            Kind::Map(members) => {
                let members = members
                    .iter()
                    .map(|member| (member.name.clone(), member.value.to_json()));
                Value::Object(members.collect())
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "JSON has no exact number of this size")]
fn approximate(value: i128) -> f64 {
    value as f64
}

/// Reads a tree and numbers its keys and values. Or it stops with an error at a given number: the YAML library tells no
/// other position than that of an error.
#[derive(Debug, Default)]
pub(super) struct TreeReader {
    count: Cell<usize>,
    stop_at: Option<usize>,
}

impl TreeReader {
    pub(super) fn stopping_at(at: usize) -> Self {
        Self {
            count: Cell::new(0),
            stop_at: Some(at),
        }
    }

    /// Only for visitors: an error that is made in one gets the position of the visited value.
    fn next<E: Error>(&self) -> Result<usize, E> {
        let at = self.count.replace(self.count.get() + 1);
        if self.stop_at == Some(at) {
            return Err(E::custom("here"));
        }
        Ok(at)
    }

    fn node<E: Error>(&self, kind: Kind) -> Result<Node, E> {
        Ok(Node { at: self.next()?, kind })
    }
}

impl<'de> DeserializeSeed<'de> for &TreeReader {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> DeserializeSeed<'de> for TreeReader {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(&self)
    }
}

impl<'de> Visitor<'de> for &TreeReader {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Node, E> {
        self.node(Kind::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Node, E> {
        self.node(Kind::Whole(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Node, E> {
        self.node(Kind::Whole(value.into()))
    }

    fn visit_i128<E: Error>(self, value: i128) -> Result<Node, E> {
        self.node(Kind::Whole(value))
    }

    fn visit_u128<E: Error>(self, value: u128) -> Result<Node, E> {
        self.node(Kind::Whole(i128::try_from(value).unwrap_or(i128::MAX)))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Node, E> {
        self.node(Kind::Real(value))
    }

    fn visit_unit<E: Error>(self) -> Result<Node, E> {
        self.node(Kind::Null)
    }

    /// Of a text without any value.
    fn visit_none<E: Error>(self) -> Result<Node, E> {
        self.node(Kind::Null)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Node, E> {
        self.node(Kind::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let at = self.next()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Node {
            at,
            kind: Kind::List(list),
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut given: A) -> Result<Node, A::Error> {
        let at = self.next()?;
        let mut members = Vec::new();
        while let Some((at, name)) = given.next_key_seed(Key(self))? {
            let value = given.next_value_seed(self)?;
            members.push(Member { at, name, value });
        }
        Ok(Node {
            at,
            kind: Kind::Map(merge(members)),
        })
    }

    fn visit_enum<A: EnumAccess<'de>>(self, _: A) -> Result<Node, A::Error> {
        Err(A::Error::custom("a tag (!) has no place in a configuration"))
    }
}

/// A key is read as text, whatever it looks like.
struct Key<'r>(&'r TreeReader);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = (usize, String);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = (usize, String);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok((self.0.next()?, name.to_owned()))
    }
}

/// The members of a mapping after those under `<<` are merged into it, each name once: with its last value, in the order
/// of its first.
fn merge(given: Vec<Member>) -> Vec<Member> {
    let mut merged = Vec::new();
    let mut own = Vec::with_capacity(given.len());
    for member in given {
        match member.value.kind {
            Kind::Map(members) if member.name == "<<" => merged.extend(members),
            Kind::List(items) if member.name == "<<" && items.iter().all(|item| matches!(item.kind, Kind::Map(_))) => {
                // The first mapping of a list wins over the later ones.
                for item in items.into_iter().rev() {
                    if let Kind::Map(members) = item.kind {
                        merged.extend(members);
                    }
                }
            }
            _ => own.push(member),
        }
    }
    let mut index = HashMap::new();
    let mut unique: Vec<Member> = Vec::with_capacity(merged.len() + own.len());
    for member in merged.into_iter().chain(own) {
        let at = *index.entry(member.name.clone()).or_insert(unique.len());
        match unique.get_mut(at) {
            Some(earlier) => *earlier = member,
            None => unique.push(member),
        }
    }
    unique
}
