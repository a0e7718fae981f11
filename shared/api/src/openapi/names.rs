//! Under which names serde takes the fields of a type, and the variants of an enum.

use std::fmt;

use serde::de::{DeserializeOwned, Deserializer, Error, Visitor};
use serde::forward_to_deserialize_any;

/// Other names than their own, by field: what `#[serde(alias)]` says.
pub fn aliases<T: DeserializeOwned>() -> Vec<(String, Vec<String>)> {
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    for name in taken::<T>().iter().copied() {
        let field = field_of::<T>(name);
        if field == name {
            continue;
        }
        match found.iter_mut().find(|(known, _)| *known == field) {
            Some((_, names)) => names.push(name.to_owned()),
            None => found.push((field, vec![name.to_owned()])),
        }
    }
    found
}

/// What a field may be, for all kinds of fields: the first that its type takes is used.
const VALUES: [&str; 16] = [
    "100",
    "\"x\"",
    "true",
    "[]",
    "{}",
    "\"s1-1\"",
    "\"r1-0\"",
    "\"exclusive\"",
    "\"earliest\"",
    "\"ready\"",
    "\"eventual\"",
    "\"cluster\"",
    "\"services\"",
    "\"boot\"",
    "\"json\"",
    "\"each\"",
];

/// The field that this name is one of: given twice, serde says which field that is.
///
/// # Panics
/// Where no value of the table fits the field.
fn field_of<T: DeserializeOwned>(name: &str) -> String {
    let twice = |value: &str| {
        let error = serde_json::from_str::<T>(&format!("{{\"{name}\":{value},\"{name}\":{value}}}")).err()?;
        let text = error.to_string();
        let field = text.strip_prefix("duplicate field `")?.split('`').next()?;
        Some(field.to_owned())
    };
    // A field that no value of the table fits has its own name: the test of aliases would miss one otherwise.
    VALUES.into_iter().find_map(twice).unwrap_or_else(|| panic!("no value of the table fits {name}"))
}

/// All names that a struct's fields or an enum's variants have for serde.
pub fn taken<T: DeserializeOwned>() -> &'static [&'static str] {
    match T::deserialize(Probe) {
        Err(Names(names)) => names,
        Ok(_) => &[],
    }
}

/// Reads nothing, and fails with the names that were asked for.
struct Probe;

#[derive(Debug)]
struct Names(&'static [&'static str]);

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl std::error::Error for Names {}

impl Error for Names {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Names(&[])
    }
}

impl<'de> Deserializer<'de> for Probe {
    type Error = Names;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Names> {
        Err(Names(&[]))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Names> {
        Err(Names(fields))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Names> {
        Err(Names(variants))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map identifier ignored_any
    }
}
