//! Names and numbers of requests that are within their bounds, or do not exist.
//!
//! Who has one need not check it: it is made by [`Name::new`], [`Number::new`], or by reading a request, and each of these
//! refuses what breaks the rule with the sentence that the client is told.
//!
//! Commands in a log carry plain text and numbers: those were within the bounds of the release that took them.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, RangeInclusive};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smol_str::SmolStr;

use crate::error::ApiError;
use crate::ids::NAME_BYTES_MAX;
use crate::names;

/// Which names a field takes.
pub trait NameRule {
    /// The field, as the sentence calls it.
    const FIELD: &'static str;
    /// Longest name: bytes of UTF-8.
    const BYTES_MAX: usize = NAME_BYTES_MAX;

    /// What else is wrong with a name, as a sentence.
    ///
    /// # Errors
    /// The sentence.
    fn also(_: &str) -> Result<(), String> {
        Ok(())
    }
}

/// A name that keeps the rule for all names ([`names`]) and the one of its kind.
#[derive(PartialEq, Eq)]
pub struct Name<R>(SmolStr, PhantomData<fn() -> R>);

impl<R: NameRule> Name<R> {
    /// Checks the text.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence: 400 `bad_request`.
    pub fn new(text: impl Into<SmolStr>) -> Result<Self, ApiError> {
        Self::checked(text.into()).map_err(ApiError::bad_request)
    }

    /// A name of which the caller knows that it keeps the rule: one that is written in the code.
    ///
    /// # Panics
    /// Where it breaks the rule.
    pub fn known(text: &str) -> Self {
        match Self::checked(text.into()) {
            Ok(name) => name,
            Err(sentence) => panic!("{sentence}"),
        }
    }

    fn checked(text: SmolStr) -> Result<Self, String> {
        names::check_within(&text, R::BYTES_MAX).map_err(|why| why.sentence(R::FIELD))?;
        R::also(&text)?;
        Ok(Name(text, PhantomData))
    }
}

impl<R> Name<R> {
    /// The text.
    pub fn into_text(self) -> SmolStr {
        self.0
    }
}

impl<R> Clone for Name<R> {
    fn clone(&self) -> Self {
        Name(self.0.clone(), PhantomData)
    }
}

impl<R> Deref for Name<R> {
    type Target = SmolStr;

    fn deref(&self) -> &SmolStr {
        &self.0
    }
}

impl<R> fmt::Debug for Name<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<R> fmt::Display for Name<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<R> From<Name<R>> for SmolStr {
    fn from(name: Name<R>) -> SmolStr {
        name.0
    }
}

impl<R: NameRule> TryFrom<SmolStr> for Name<R> {
    type Error = ApiError;

    fn try_from(text: SmolStr) -> Result<Self, ApiError> {
        Name::new(text)
    }
}

impl<R> Serialize for Name<R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, R: NameRule> Deserialize<'de> for Name<R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::checked(SmolStr::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// Which numbers a field takes.
pub trait NumberRule {
    /// The field, as the sentence calls it.
    const FIELD: &'static str;
    /// Its bounds.
    const RANGE: RangeInclusive<u64>;
    /// What is counted, as the sentence says it after a number; empty where the field says it.
    const UNIT: &'static str = "";
}

/// A number within its bounds.
#[derive(PartialEq, Eq)]
pub struct Number<R>(u64, PhantomData<fn() -> R>);

impl<R: NumberRule> Number<R> {
    /// Checks the number.
    ///
    /// # Errors
    /// That it is beyond its bounds, as a sentence: 400 `bad_request`.
    pub fn new(number: u64) -> Result<Self, ApiError> {
        Self::checked(number).map_err(ApiError::bad_request)
    }

    /// A number of which the caller knows that it is within its bounds: one that is written in the code.
    ///
    /// # Panics
    /// Where it is beyond its bounds.
    pub const fn known(number: u64) -> Self {
        assert!(number >= *R::RANGE.start() && number <= *R::RANGE.end(), "beyond its bounds");
        Number(number, PhantomData)
    }

    fn checked(number: u64) -> Result<Self, String> {
        if R::RANGE.contains(&number) {
            return Ok(Number(number, PhantomData));
        }
        let (field, least, most) = (R::FIELD, R::RANGE.start().to_owned(), R::RANGE.end().to_owned());
        let unit = if R::UNIT.is_empty() { String::new() } else { format!(" {}", R::UNIT) };
        Err(match least {
            0 => format!("\"{field}\" is {number}; it must be at most {most}{unit}."),
            least => format!("\"{field}\" is {number}; it must be from {least} to {most}{unit}."),
        })
    }
}

impl<R> Number<R> {
    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl<R> Clone for Number<R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Number<R> {}

impl<R> fmt::Debug for Number<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<R> fmt::Display for Number<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<R: NumberRule> TryFrom<u64> for Number<R> {
    type Error = ApiError;

    fn try_from(number: u64) -> Result<Self, ApiError> {
        Number::new(number)
    }
}

impl<R> Serialize for Number<R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, R: NumberRule> Deserialize<'de> for Number<R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::checked(u64::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// The sentence of an error that one of the types here made, without what a reader of JSON adds to it (` at line 1 column 7`);
/// none of an error that the reader made itself: those are no sentences.
pub fn sentence_in(error: &str) -> Option<&str> {
    let text = error.rsplit_once(" at line ").map_or(error, |(text, _)| text);
    text.ends_with('.').then_some(text)
}

/// A resource that can be locked.
#[derive(Debug, PartialEq, Eq)]
pub enum ResourceRule {}

impl NameRule for ResourceRule {
    const FIELD: &'static str = "resource";
}

/// The name of a lockable resource.
pub type ResourceName = Name<ResourceRule>;

/// A client.
#[derive(Debug, PartialEq, Eq)]
pub enum ClientRule {}

impl NameRule for ClientRule {
    const FIELD: &'static str = "client";
}

/// A client's name as it gives it.
pub type ClientName = Name<ClientRule>;

/// A client that is given something.
#[derive(Debug, PartialEq, Eq)]
pub enum ReceiverRule {}

impl NameRule for ReceiverRule {
    const FIELD: &'static str = "to";
}

/// The name of the client to whom something goes.
pub type ReceiverName = Name<ReceiverRule>;

/// Milliseconds of a lease that a client asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum TtlRule {}

impl NumberRule for TtlRule {
    const FIELD: &'static str = "ttl_ms";
    const RANGE: RangeInclusive<u64> = 100..=86_400_000;
    const UNIT: &'static str = "milliseconds";
}

/// The length of a lease, in milliseconds.
pub type Ttl = Number<TtlRule>;

/// Milliseconds that a request may wait.
#[derive(Debug, PartialEq, Eq)]
pub enum WaitRule {}

impl NumberRule for WaitRule {
    const FIELD: &'static str = "wait_ms";
    const RANGE: RangeInclusive<u64> = 0..=600_000;
    const UNIT: &'static str = "milliseconds";
}

/// How long a request waits for what it asks for, in milliseconds.
pub type WaitTime = Number<WaitRule>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        resource: ResourceName,
        #[serde(default)]
        ttl_ms: Option<Ttl>,
    }

    #[test]
    fn what_breaks_a_rule_does_not_exist() {
        let error = ClientName::new("a\nb").expect_err("a control character");
        assert_eq!(error.code, ErrorCode::BadRequest);
        assert_eq!(error.message, "\"client\" must not contain control characters, and has U+000A.");
        assert_eq!(ClientName::new("Ayu").ok(), Some(ClientName::known("Ayu")));
        for (number, fits) in [(99, false), (100, true), (86_400_000, true), (86_400_001, false)] {
            assert_eq!(Ttl::new(number).map(Ttl::get).ok(), fits.then_some(number));
        }
        let sentence = WaitTime::new(600_001).expect_err("too long").message;
        assert_eq!(sentence, "\"wait_ms\" is 600001; it must be at most 600000 milliseconds.");
    }

    #[test]
    fn a_request_says_in_a_sentence_which_rule_it_breaks() {
        let read = |json: &str| serde_json::from_str::<Body>(json);
        let body = read(r#"{"resource":"printer","ttl_ms":100}"#).expect("a body");
        assert_eq!((body.resource.as_str(), body.ttl_ms), ("printer", Some(Ttl::known(100))));
        for (json, sentence) in [
            (r#"{"resource":""}"#, Some("\"resource\" must not be empty.")),
            (
                r#"{"resource":"a","ttl_ms":7}"#,
                Some("\"ttl_ms\" is 7; it must be from 100 to 86400000 milliseconds."),
            ),
            (r#"{"resource":"a","ttl_ms":-1}"#, None),
            (r#"{"resource":"a","colour":1}"#, None),
            (r#"{"resource":7}"#, None),
        ] {
            let error = read(json).expect_err(json).to_string();
            assert_eq!(sentence_in(&error), sentence, "{error}");
        }
        let json = serde_json::to_string(&ClientName::known("Ayu")).expect("a string");
        assert_eq!(json, "\"Ayu\"");
    }
}
