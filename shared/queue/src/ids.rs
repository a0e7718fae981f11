//! Names of messages and deliveries, as people and programs write them.

use std::fmt;
use std::str::FromStr;

use orrery_base::ids::{GroupId, LogIndex};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smol_str::SmolStr;

/// A message: the shard that keeps it, and the log index of its publish there. Displayed `s3-1234`, and so in JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId {
    /// The shard's Raft group.
    pub shard: GroupId,
    /// Log index of its publish in that group.
    pub number: LogIndex,
}

/// One delivery: the log index of the consume that made it, and its place in that answer. Unique in its shard.
/// Displayed `r1234-0`, and so in JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Receipt {
    /// Log index of the consume.
    pub index: LogIndex,
    /// Place in its answer; the first is 0.
    pub n: u32,
}

/// Text that is no id of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a message's id is its shard and its number there, such as s3-1234")]
pub struct NotAMessageId;

/// Text that is no receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a receipt is what a consume answered, such as r1234-0")]
pub struct NotAReceipt;

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s{}-{}", self.shard.0, self.number)
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{}-{}", self.index, self.n)
    }
}

impl FromStr for MessageId {
    type Err = NotAMessageId;

    fn from_str(text: &str) -> Result<Self, NotAMessageId> {
        let (shard, number) = two_numbers(text, 's').ok_or(NotAMessageId)?;
        Ok(MessageId { shard: GroupId(shard.try_into().map_err(|_| NotAMessageId)?), number })
    }
}

impl FromStr for Receipt {
    type Err = NotAReceipt;

    fn from_str(text: &str) -> Result<Self, NotAReceipt> {
        let (index, n) = two_numbers(text, 'r').ok_or(NotAReceipt)?;
        Ok(Receipt { index, n: n.try_into().map_err(|_| NotAReceipt)? })
    }
}

#[cfg(feature = "openapi")]
mod described {
    use orrery_base::openapi::id;
    use utoipa::openapi::{RefOr, Schema};
    use utoipa::{PartialSchema, ToSchema};

    use super::{MessageId, Receipt};

    impl PartialSchema for MessageId {
        fn schema() -> RefOr<Schema> {
            id("^s[0-9]+-[0-9]+$", "s3-12", "A message: the shard that keeps it, and its number there.")
        }
    }

    impl ToSchema for MessageId {}

    impl PartialSchema for Receipt {
        fn schema() -> RefOr<Schema> {
            id(
                "^r[0-9]+-[0-9]+$",
                "r14-0",
                "One delivery: the consume that made it, and its place in that answer.",
            )
        }
    }

    impl ToSchema for Receipt {}
}

/// The numbers of `<letter><number>-<number>`, each written as [`fmt::Display`] writes it: one text per value.
fn two_numbers(text: &str, letter: char) -> Option<(u64, u64)> {
    let number = |digits: &str| {
        let plain = digits == "0" || !digits.starts_with(['0', '+']);
        digits.parse::<u64>().ok().filter(|_| plain)
    };
    let (first, second) = text.strip_prefix(letter)?.split_once('-')?;
    Some((number(first)?, number(second)?))
}

impl Serialize for MessageId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            (self.shard, self.number).serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for MessageId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            SmolStr::deserialize(deserializer)?.parse().map_err(D::Error::custom)
        } else {
            Deserialize::deserialize(deserializer).map(|(shard, number)| MessageId { shard, number })
        }
    }
}

impl Serialize for Receipt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            (self.index, self.n).serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Receipt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            SmolStr::deserialize(deserializer)?.parse().map_err(D::Error::custom)
        } else {
            Deserialize::deserialize(deserializer).map(|(index, n)| Receipt { index, n })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_short_texts_in_json_and_numbers_elsewhere() {
        let id = MessageId { shard: GroupId(3), number: 1234 };
        let receipt = Receipt { index: 99, n: 7 };
        assert_eq!(serde_json::to_string(&(id, receipt)).ok().as_deref(), Some(r#"["s3-1234","r99-7"]"#));
        assert_eq!(serde_json::from_str(r#"["s3-1234","r99-7"]"#).ok(), Some((id, receipt)));
        let bytes = postcard::to_stdvec(&(id, receipt)).expect("numbers");
        assert_eq!(postcard::from_bytes(&bytes).ok(), Some((id, receipt)));
        assert_eq!(bytes.len(), 5);
    }

    #[test]
    fn what_looks_like_an_id_is_refused() {
        for wrong in
            ["", "s", "s3", "s3-", "s-1", "3-1", "r3-1", "s3-1-2", "s+3-1", "s03-1", "s3-01", "s70000-1"]
        {
            assert_eq!(wrong.parse::<MessageId>(), Err(NotAMessageId), "{wrong}");
        }
        for wrong in ["", "s3-1", "r1", "r1-", "r-1", "r1-5000000000", "r01-1", "r1--1"] {
            assert_eq!(wrong.parse::<Receipt>(), Err(NotAReceipt), "{wrong}");
        }
        assert_eq!("s0-0".parse(), Ok(MessageId::default()));
    }
}
