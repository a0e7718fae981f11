//! What the services' state machines report out of `apply`.

use std::fmt;

use orrery_cache::CacheFact;
use orrery_lock::LockFact;
use orrery_lock::view::LockCounts;
use orrery_queue::QueueFact;
use serde::de::value::EnumAccessDeserializer;
use serde::de::{self, DeserializeSeed, EnumAccess, IntoDeserializer as _, VariantAccess, Visitor};
use serde::ser::{SerializeStructVariant as _, Serializer};
use serde::{Deserialize, Deserializer, Serialize};
use smol_str::SmolStr;

use crate::numbered::Numbered;

/// What the services' state machines report out of `apply`.
///
/// Streams carry it flat, as they did when locks had no facts of their own: `{"lock_granted": {…}}` beside `{"queue": …}`,
/// and for each variant the number that it always had. So a stream of any version is read.
#[derive(Clone, Debug, PartialEq)]
pub enum ServiceFact {
    Lock(LockFact),
    Queue(QueueFact),
    /// A shard's cached values.
    Cache(CacheFact),
    /// So much is in a lock table of which a stream shows only a part. Since version 6.
    LocksCounted {
        /// In the whole table.
        counts: LockCounts,
    },
}

const NAME: &str = "ServiceFact";
/// A variant's number and name. Those of [`LockFact`] have the numbers around them: its first nine came before queues and cache.
const QUEUE: (u32, &str) = (9, "queue");
const CACHE: (u32, &str) = (10, "cache");
const LOCKS_COUNTED: (u32, &str) = (11, "locks_counted");

/// The number in streams of the lock fact with that number in its enum.
fn beside_the_others(number: u32) -> u32 {
    if number < QUEUE.0 { number } else { number + LOCKS_COUNTED.0 + 1 - QUEUE.0 }
}

/// The other way.
fn of_locks(number: u32) -> u32 {
    if number < QUEUE.0 { number } else { number - (LOCKS_COUNTED.0 + 1 - QUEUE.0) }
}

impl Serialize for ServiceFact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            ServiceFact::Lock(fact) => fact.serialize(Numbered(serializer, beside_the_others)),
            ServiceFact::Queue(fact) => serializer.serialize_newtype_variant(NAME, QUEUE.0, QUEUE.1, fact),
            ServiceFact::Cache(fact) => serializer.serialize_newtype_variant(NAME, CACHE.0, CACHE.1, fact),
            ServiceFact::LocksCounted { counts } => {
                let (number, name) = LOCKS_COUNTED;
                let mut variant = serializer.serialize_struct_variant(NAME, number, name, 1)?;
                variant.serialize_field("counts", counts)?;
                variant.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for ServiceFact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_enum(NAME, &[QUEUE.1, CACHE.1, LOCKS_COUNTED.1], FactVisitor)
    }
}

#[derive(Deserialize)]
struct Counted {
    counts: LockCounts,
}

struct FactVisitor;

impl<'de> Visitor<'de> for FactVisitor {
    type Value = ServiceFact;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a fact of a service")
    }

    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<ServiceFact, A::Error> {
        let (tag, content) = access.variant::<Tag>()?;
        if tag.is(QUEUE) {
            content.newtype_variant().map(ServiceFact::Queue)
        } else if tag.is(CACHE) {
            content.newtype_variant().map(ServiceFact::Cache)
        } else if tag.is(LOCKS_COUNTED) {
            content.newtype_variant().map(|Counted { counts }| ServiceFact::LocksCounted { counts })
        } else {
            LockFact::deserialize(EnumAccessDeserializer::new(Tagged { tag, content })).map(ServiceFact::Lock)
        }
    }
}

/// Which variant: by its number (postcard) or its name (JSON).
enum Tag {
    Number(u32),
    Name(SmolStr),
}

impl Tag {
    fn is(&self, (number, name): (u32, &str)) -> bool {
        match self {
            Tag::Number(found) => *found == number,
            Tag::Name(found) => found == name,
        }
    }
}

impl<'de> Deserialize<'de> for Tag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TagVisitor;

        impl Visitor<'_> for TagVisitor {
            type Value = Tag;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the number or the name of a fact")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Tag, E> {
                u32::try_from(number).map(Tag::Number).map_err(E::custom)
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Tag, E> {
                Ok(Tag::Name(name.into()))
            }
        }

        deserializer.deserialize_identifier(TagVisitor)
    }
}

/// An enum whose variant was read, and whose content was not.
struct Tagged<A> {
    tag: Tag,
    content: A,
}

impl<'de, A: VariantAccess<'de>> EnumAccess<'de> for Tagged<A> {
    type Error = A::Error;
    type Variant = A;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, A), A::Error> {
        let variant = match &self.tag {
            Tag::Number(number) => seed.deserialize(of_locks(*number).into_deserializer()),
            Tag::Name(name) => seed.deserialize(name.as_str().into_deserializer()),
        };
        Ok((variant?, self.content))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use orrery_lock::{Holder, Mode, SessionId};

    #[test]
    fn locks_stand_beside_the_others_as_they_always_did() {
        let renewed = LockFact::SessionRenewed { session: SessionId(7), expires_at_ms: 9 };
        let counts = LockCounts { locks: 3, waits: 2, sessions: 1 };
        let cases = [
            (
                ServiceFact::Lock(renewed),
                r#"{"session_renewed":{"session":7,"expires_at_ms":9}}"#,
                vec![7, 7, 9],
            ),
            (
                ServiceFact::LocksCounted { counts },
                r#"{"locks_counted":{"counts":{"locks":3,"waits":2,"sessions":1}}}"#,
                vec![11, 3, 2, 1],
            ),
        ];
        let handed_over = LockFact::Transferred {
            resource: "r".into(),
            holder: Holder { client: "a".into(), session: None },
            to: Holder { client: "b".into(), session: None },
            mode: Mode::Exclusive,
            fencing_token: 3,
            expires_at_ms: None,
            wait: None,
        };
        let handed_over = (
            ServiceFact::Lock(handed_over),
            r#"{"lock_transferred":{"resource":"r","holder":{"client":"a","session":null},"to":{"client":"b","session":null},"mode":"exclusive","fencing_token":3,"expires_at_ms":null,"wait":null}}"#,
            vec![12, 1, b'r', 1, b'a', 0, 1, b'b', 0, 1, 3, 0, 0],
        );
        for (fact, json, bytes) in cases.into_iter().chain([handed_over]) {
            assert_eq!(serde_json::to_string(&fact).unwrap(), json);
            assert_eq!(serde_json::from_str::<ServiceFact>(json).unwrap(), fact);
            assert_eq!(postcard::to_stdvec(&fact).unwrap(), bytes, "{json}");
            assert_eq!(postcard::from_bytes::<ServiceFact>(&bytes).unwrap(), fact);
        }
        let unknown = serde_json::from_str::<ServiceFact>(r#"{"lock_eaten":{}}"#).unwrap_err();
        assert!(unknown.to_string().contains("lock_eaten"), "{unknown}");
        assert!(postcard::from_bytes::<ServiceFact>(&[13, 0]).is_err());
    }
}
