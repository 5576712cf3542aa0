//! The values of a YAML text, through serde; the only file that names the YAML crate.
//!
//! Owns `Wire`, a mirror of what YAML can say that keeps duplicate keys and the order of keys, so
//! that every problem can be reported and not just the first. Places are found by `locate`.

use std::fmt;

use serde::de::{Deserialize, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess};

/// A YAML value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Wire {
    Null,
    Bool(bool),
    Integer(i128),
    Float(f64),
    String(String),
    List(Vec<Wire>),
    Mapping(Vec<(Wire, Wire)>),
}

/// Why a text is no YAML value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct WireError {
    pub(crate) message: String,
    /// Line and column from 1, where known.
    pub(crate) place: Option<(usize, usize)>,
}

/// The value of the one document in `text`.
pub(crate) fn parse(text: &str) -> Result<Wire, WireError> {
    serde_yaml::from_str(text).map_err(|error| {
        let message = error.to_string();
        // The place is shown with the line; the crate repeats it inside its sentence.
        let end = message.find(" at line ").unwrap_or(message.len());
        let place = error.location();
        WireError {
            message: message[..end].to_owned(),
            place: place.map(|place| (place.line(), place.column())),
        }
    })
}

impl<'de> Deserialize<'de> for Wire {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Visitor)
    }
}

struct Visitor;

impl<'de> serde::de::Visitor<'de> for Visitor {
    type Value = Wire;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Wire, E> {
        Ok(Wire::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Wire, E> {
        Ok(Wire::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Wire, E> {
        Ok(Wire::Integer(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Wire, E> {
        Ok(Wire::Integer(value.into()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Wire, E> {
        Ok(Wire::Integer(value))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Wire, E> {
        // Larger than any field allows either way, so the largest value gives the same message.
        Ok(Wire::Integer(i128::try_from(value).unwrap_or(i128::MAX)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Wire, E> {
        Ok(Wire::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Wire, E> {
        Ok(Wire::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Wire, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Wire::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Wire, A::Error> {
        let mut mapping = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            mapping.push(entry);
        }
        Ok(Wire::Mapping(mapping))
    }

    /// A value with a tag of its own, such as `!colour red`; the tag itself is refused elsewhere.
    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<Wire, A::Error> {
        let (_tag, value): (String, _) = tagged.variant()?;
        value.newtype_variant()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_type_and_order() {
        let text = "b: 1\na: [~, true, 0.5, yes, '1', !x 2]\nb: 18446744073709551616\n";
        let string = |text: &str| Wire::String(text.to_owned());
        let list = [
            Wire::Null,
            Wire::Bool(true),
            Wire::Float(0.5),
            string("yes"),
            string("1"),
            Wire::Integer(2),
        ];
        let expected = [
            (string("b"), Wire::Integer(1)),
            (string("a"), Wire::List(list.to_vec())),
            (string("b"), Wire::Integer(1 << 64)),
        ];
        assert_eq!(parse(text), Ok(Wire::Mapping(expected.to_vec())));
    }

    #[test]
    fn an_error_has_its_place() {
        let error = parse("a: b: c").unwrap_err();
        assert_eq!(error.place, Some((1, 5)));
        assert_eq!(
            error.message,
            "mapping values are not allowed in this context"
        );
    }
}
