//! What must hold of every answer, whatever was asked.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use switchboard::protocol::{ErrorType, Problem};

use super::world::Reply;

/// Says what is wrong with an answer.
pub fn judge(reply: &Reply, is_head: bool, is_reference: bool) -> Result<(), String> {
    let is_json = reply.kind == "application/json" || reply.kind == "application/problem+json";
    if is_json && !is_head {
        serde_json::from_slice::<Once>(&reply.body).map_err(|error| format!("the answer cannot be read: {error}"))?;
    }
    match reply.status {
        500.. => Err("the server failed".to_owned()),
        204 | 304 if !reply.body.is_empty() => Err("an empty answer with a body".to_owned()),
        400.. => problem(reply, is_head, is_reference),
        _ => Ok(()),
    }
}

fn problem(reply: &Reply, is_head: bool, is_reference: bool) -> Result<(), String> {
    if reply.kind != "application/problem+json" {
        return Err("a refusal that is no problem document".to_owned());
    }
    if is_head {
        return Ok(());
    }
    let members: Value = serde_json::from_slice(&reply.body).map_err(|error| error.to_string())?;
    let members = members.as_object().map(serde_json::Map::len);
    let problem: Problem = serde_json::from_slice(&reply.body).map_err(|error| error.to_string())?;
    if members != Some(5) || problem.title.is_empty() || problem.detail.is_empty() || problem.instance.is_empty() {
        return Err("a problem document without its five members".to_owned());
    }
    if problem.status != reply.status {
        return Err("two statuses".to_owned());
    }
    match problem.error_type() {
        Some(kind) if kind.status() == reply.status => Ok(()),
        // The vocabulary has no type for a wrong method.
        Some(ErrorType::BadRequest) if reply.status == 405 => Ok(()),
        None if is_reference && problem.kind.starts_with("eden://reference-error/") => Ok(()),
        _ => Err("a type that is not of the vocabulary, or not with this status".to_owned()),
    }
}

/// Any JSON in which no object names a member twice.
struct Once;

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Once)
    }
}

impl<'de> Visitor<'de> for Once {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut seen = BTreeSet::new();
        while let Some(key) = map.next_key::<String>()? {
            map.next_value::<Self>()?;
            if let Some(key) = seen.replace(key) {
                return Err(A::Error::custom(format!("{key} is there twice")));
            }
        }
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self, A::Error> {
        while seq.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }
}
