//! Idempotency keys: what makes the retry of a mutation safe.
//!
//! A client's key is a number of its own (`Ayu/17`) or any text. A node mints one for a request that has none: a number under
//! an origin of the node's. Such a key says which earlier ones of its origin nobody will ask for any more; their answers are
//! forgotten at once, so requests without a key cost the memory of those that are under way.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smol_str::{SmolStr, format_smolstr};

/// How long a key is remembered where its command does not say it (commands before version 4), on the lease clock.
pub const HOLD_MS_DEFAULT: u64 = 600_000;

/// The number that says that a key is any text.
const TEXT: u64 = u64::MAX;

/// What a minted key begins with where a client sees it.
const MINTED: &str = "orrery-";

/// A key as a client sends it and is told it: `<client>/<number>`, or any other text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IdempotencyKey {
    /// The client that numbers its requests, or the whole text.
    pub client: SmolStr,
    /// Its number of this mutation; the largest number where the key is any text.
    pub number: u64,
}

impl IdempotencyKey {
    /// The key of that text: numbered where it ends with a slash and a number as Rust would write it.
    pub fn of(text: &str) -> IdempotencyKey {
        let numbered = text.rsplit_once('/').and_then(|(client, digits)| {
            let number = digits.parse().ok().filter(|number: &u64| number.to_string() == digits)?;
            (!client.is_empty() && number != TEXT).then(|| IdempotencyKey { client: client.into(), number })
        });
        numbered.unwrap_or_else(|| IdempotencyKey { client: text.into(), number: TEXT })
    }

    /// Whether it is any text, and no number of a client.
    pub fn is_text(&self) -> bool {
        self.number == TEXT
    }

    /// Origin and number, where a node minted it.
    pub fn minted(&self) -> Option<(u64, u64)> {
        let digits = self.client.strip_prefix(MINTED).filter(|digits| digits.len() == 16)?;
        let origin = u64::from_str_radix(digits, 16).ok()?;
        (!self.is_text() && minted_name(origin) == self.client).then_some((origin, self.number))
    }
}

fn minted_name(origin: u64) -> SmolStr {
    format_smolstr!("{MINTED}{origin:016x}")
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_text() { f.write_str(&self.client) } else { write!(f, "{}/{}", self.client, self.number) }
    }
}

/// Under what a command's answer is remembered, and for how long.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RequestKey {
    /// The key.
    pub name: KeyName,
    /// Length on the lease clock, from when the command is applied. It is part of the command, so that every replica uses the
    /// same, whatever its own settings are.
    pub hold_ms: u64,
}

/// Whose key it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum KeyName {
    /// A client's.
    Client(IdempotencyKey),
    /// A node minted it for a request that had none.
    Minted {
        /// A random number of one boot of one node.
        origin: u64,
        /// Counts the requests of the origin; starts at 1.
        number: u64,
        /// Nobody asks for the answer to any number up to this one any more.
        settled: u64,
    },
}

impl RequestKey {
    /// A client's key, or one that a node minted and told its client.
    pub fn new(key: IdempotencyKey, hold_ms: u64) -> RequestKey {
        let name = match key.minted() {
            Some((origin, number)) => KeyName::Minted { origin, number, settled: 0 },
            None => KeyName::Client(key),
        };
        RequestKey { name, hold_ms }
    }

    /// As a client sees it.
    pub fn shown(&self) -> IdempotencyKey {
        match &self.name {
            KeyName::Client(key) => key.clone(),
            KeyName::Minted { origin, number, .. } => {
                IdempotencyKey { client: minted_name(*origin), number: *number }
            }
        }
    }
}

impl From<IdempotencyKey> for RequestKey {
    fn from(key: IdempotencyKey) -> Self {
        RequestKey::new(key, HOLD_MS_DEFAULT)
    }
}

impl fmt::Display for RequestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shown().fmt(f)
    }
}

/// A command's key in the log. Before version 4 it was none or a client's key, whose bytes are the first two variants.
#[derive(Serialize, Deserialize)]
enum Logged {
    None,
    Client(IdempotencyKey),
    Held { key: IdempotencyKey, hold_ms: u64 },
    Minted { origin: u64, number: u64, settled: u64, hold_ms: u64 },
}

/// For a command, whose keys of older versions had no hold: `#[serde(with = …)]`.
pub fn serialize<S: Serializer>(key: &Option<RequestKey>, to: S) -> Result<S::Ok, S::Error> {
    let logged = match key {
        None => Logged::None,
        Some(RequestKey { name: KeyName::Client(key), hold_ms: HOLD_MS_DEFAULT }) => {
            Logged::Client(key.clone())
        }
        Some(RequestKey { name: KeyName::Client(key), hold_ms }) => {
            Logged::Held { key: key.clone(), hold_ms: *hold_ms }
        }
        Some(RequestKey { name: KeyName::Minted { origin, number, settled }, hold_ms }) => {
            let (origin, number, settled, hold_ms) = (*origin, *number, *settled, *hold_ms);
            Logged::Minted { origin, number, settled, hold_ms }
        }
    };
    logged.serialize(to)
}

/// The other way.
pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<RequestKey>, D::Error> {
    Ok(match Logged::deserialize(from)? {
        Logged::None => None,
        Logged::Client(key) => Some(RequestKey { name: KeyName::Client(key), hold_ms: HOLD_MS_DEFAULT }),
        Logged::Held { key, hold_ms } => Some(RequestKey { name: KeyName::Client(key), hold_ms }),
        Logged::Minted { origin, number, settled, hold_ms } => {
            Some(RequestKey { name: KeyName::Minted { origin, number, settled }, hold_ms })
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_number_of_a_client_or_any_text() {
        let numbered = |client: &str, number| IdempotencyKey { client: client.into(), number };
        let text = |text: &str| numbered(text, TEXT);
        let table = [
            ("Ayu/17", numbered("Ayu", 17)),
            ("a/b/0", numbered("a/b", 0)),
            ("9d1c-77", text("9d1c-77")),
            ("Ayu/", text("Ayu/")),
            ("/7", text("/7")),
            ("Ayu/017", text("Ayu/017")),
            ("Ayu/+7", text("Ayu/+7")),
            ("Ayu/-7", text("Ayu/-7")),
            ("Ayu/18446744073709551614", numbered("Ayu", u64::MAX - 1)),
            ("Ayu/18446744073709551615", text("Ayu/18446744073709551615")),
            ("Ayu/18446744073709551616", text("Ayu/18446744073709551616")),
        ];
        for (said, key) in table {
            assert_eq!(IdempotencyKey::of(said), key, "{said}");
            assert_eq!(key.to_string(), said, "two keys never look the same");
        }
    }

    #[test]
    fn a_minted_key_that_its_client_sends_back_is_the_same_key() {
        let name = |settled| KeyName::Minted { origin: 0xfeed, number: 12, settled };
        let minted = RequestKey { name: name(7), hold_ms: 5 };
        let told = minted.shown().to_string();
        assert_eq!(told, "orrery-000000000000feed/12");
        assert_eq!(RequestKey::new(IdempotencyKey::of(&told), 5), RequestKey { name: name(0), hold_ms: 5 });
        for other in [
            "orrery-00000000000FEED/12",
            "orrery-feed/12",
            "orrery-000000000000feed",
            "orrery-+00000000000feed/1",
        ] {
            let key = RequestKey::new(IdempotencyKey::of(other), 5);
            assert!(matches!(key.name, KeyName::Client(_)), "{other}");
        }
    }
}
