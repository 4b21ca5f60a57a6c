//! How much a text stands for, counted without building any of it: a few aliases can stand for gigabytes.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor};

/// What a value weighs beside its text.
const VALUE: usize = 16;

/// Whether everything that a text stands for weighs no more than `most`, which is roughly in bytes. A text that
/// cannot be read counts up to there; whoever reads it next will say what is wrong with it.
pub(super) fn is_light<'de>(text: impl Deserializer<'de>, most: usize) -> bool {
    let scale = Scale {
        left: Cell::new(Some(most)),
    };
    // Faults of the text are not the scale's.
    let _ = (&scale).deserialize(text);
    scale.left.get().is_some()
}

struct Scale {
    /// Nothing once it is too much.
    left: Cell<Option<usize>>,
}

impl Scale {
    fn put<E: Error>(&self, weight: usize) -> Result<(), E> {
        let left = self.left.get().and_then(|left| left.checked_sub(weight));
        self.left.set(left);
        left.map(drop).ok_or_else(|| E::custom("too heavy"))
    }
}

impl<'de> DeserializeSeed<'de> for &Scale {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.put(VALUE)?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &Scale {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i128<E>(self, _: i128) -> Result<(), E> {
        Ok(())
    }

    fn visit_u128<E>(self, _: u128) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.put(text.len())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while members.next_key_seed(self)?.is_some() {
            members.next_value_seed(self)?;
        }
        Ok(())
    }

    /// A value with a tag.
    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<(), A::Error> {
        let ((), value) = tagged.variant_seed(self)?;
        value.newtype_variant_seed(self)
    }
}
