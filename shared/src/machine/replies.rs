//! Idempotency: the answers that a retry under the same key gets again.
//!
//! The bound is on the whole: the oldest answers (by log index) are forgotten first. A client keeps the highest of its
//! forgotten numbers, so that a number at or below it which is not remembered is refused instead of applied again.
//! Of clients that have nothing remembered any more only the last [`IDLE_CLIENTS_MAX`] are known.

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use super::{IdempotencyKey, Operation, Reply};
use crate::cache::CacheCommand;
use crate::ids::{ClientName, LogIndex};
use crate::lock::LockCommand;
use crate::pages::Pages;
use crate::queue::QueueCommand;

/// Most remembered answers of all clients.
pub const REPLIES_MAX: usize = 32_768;

/// Most remembered answers of one client.
pub const REPLIES_PER_CLIENT_MAX: u32 = 8_192;

/// Most clients whose numbers are all forgotten and still refused.
pub const IDLE_CLIENTS_MAX: usize = 4_096;

/// Everything remembered.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Replies {
    clients: OrdMap<ClientName, Client>,
    /// The remembered keys by the log index of their command.
    by_age: Pages<IdempotencyKey>,
    /// Clients without a remembered answer, by the log index of the last one that they had.
    idle: OrdMap<LogIndex, ClientName>,
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Remembered {
    /// Of its command.
    pub index: LogIndex,
    /// Of its operation.
    pub fingerprint: u64,
    pub reply: Reply,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Client {
    /// By its numbers.
    remembered: Pages<Remembered>,
    forgotten_through: Option<u64>,
    /// Its key in `idle`, while it is there.
    idle_since: Option<LogIndex>,
}

/// What is known of a key.
pub(super) enum Known {
    /// Nothing: apply the command.
    New,
    /// This operation was applied under it, and this was the answer.
    Again(Reply),
    /// It was forgotten, or belongs to another operation.
    Refused,
}

/// One piece in a snapshot. The order of the variants is part of the snapshot format: add at the end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum ReplyRecord {
    Client { client: ClientName, forgotten_through: u64, idle_since: Option<LogIndex> },
    Reply { key: IdempotencyKey, remembered: Remembered },
}

impl Replies {
    /// What is known of a key that comes with an operation of this fingerprint.
    pub(super) fn look_up(&self, key: &IdempotencyKey, fingerprint: u64) -> Known {
        let Some(client) = self.clients.get(&key.client) else { return Known::New };
        match client.remembered.get(key.number) {
            Some(found) if found.fingerprint == fingerprint => Known::Again(found.reply.clone()),
            Some(_) => Known::Refused,
            None if client.forgotten_through.is_some_and(|through| key.number <= through) => Known::Refused,
            None => Known::New,
        }
    }

    /// The answer under that key.
    pub(super) fn reply(&self, key: &IdempotencyKey) -> Option<&Reply> {
        let client = self.clients.get(&key.client)?;
        client.remembered.get(key.number).map(|found| &found.reply)
    }

    /// Whether there is an answer under that key.
    pub(super) fn remembers(&self, key: &IdempotencyKey) -> bool {
        self.clients.get(&key.client).is_some_and(|client| client.remembered.contains(key.number))
    }

    /// Keeps the answer of a new key, and forgets what is over a bound.
    pub(super) fn remember(&mut self, key: IdempotencyKey, remembered: Remembered) {
        self.insert(key.clone(), remembered);
        let full = |client: &&Client| client.remembered.len() > REPLIES_PER_CLIENT_MAX as usize;
        let lowest = self.clients.get(&key.client).filter(full).and_then(|client| client.remembered.first());
        if let Some((number, index)) = lowest.map(|(number, found)| (number, found.index)) {
            self.forget(&IdempotencyKey { client: key.client, number }, index);
        }
        if self.by_age.len() > REPLIES_MAX
            && let Some((index, oldest)) = self.by_age.first().map(|(index, key)| (index, key.clone()))
        {
            self.forget(&oldest, index);
        }
        if self.idle.len() > IDLE_CLIENTS_MAX
            && let Some((since, client)) = self.idle.get_min().cloned()
        {
            self.idle.remove(&since);
            self.clients.remove(&client);
        }
    }

    /// Replaces a remembered answer: what it promised was settled since.
    pub(super) fn settle(&mut self, key: &IdempotencyKey, reply: Reply) {
        let client = self.clients.get_mut(&key.client);
        if let Some(found) = client.and_then(|client| client.remembered.get_mut(key.number)) {
            found.reply = reply;
        }
    }

    fn insert(&mut self, key: IdempotencyKey, remembered: Remembered) {
        let client = self.clients.entry(key.client.clone()).or_default();
        if let Some(since) = client.idle_since.take() {
            self.idle.remove(&since);
        }
        let index = remembered.index;
        client.remembered.insert(key.number, remembered);
        self.by_age.insert(index, key);
    }

    fn forget(&mut self, key: &IdempotencyKey, index: LogIndex) {
        self.by_age.remove(index);
        if let Some(client) = self.clients.get_mut(&key.client) {
            client.remembered.remove(key.number);
            client.forgotten_through = client.forgotten_through.max(Some(key.number));
            if client.remembered.is_empty() {
                client.idle_since = Some(index);
                self.idle.insert(index, key.client.clone());
            }
        }
    }

    /// Everything that has to be kept, in an order in which [`Replies::restore`] takes it.
    pub(super) fn records(&self) -> impl Iterator<Item = ReplyRecord> + '_ {
        let clients = self.clients.iter().filter_map(|(name, client)| {
            let forgotten_through = client.forgotten_through?;
            Some(ReplyRecord::Client {
                client: name.clone(),
                forgotten_through,
                idle_since: client.idle_since,
            })
        });
        let replies = self.clients.iter().flat_map(|(name, client)| {
            client.remembered.iter().map(|(number, remembered)| ReplyRecord::Reply {
                key: IdempotencyKey { client: name.clone(), number },
                remembered: remembered.clone(),
            })
        });
        clients.chain(replies)
    }

    /// Takes one record in. The error says what does not fit.
    pub(super) fn restore(&mut self, record: ReplyRecord) -> Result<(), &'static str> {
        match record {
            ReplyRecord::Client { client, forgotten_through, idle_since } => {
                if let Some(since) = idle_since {
                    self.idle.insert(since, client.clone());
                }
                let known =
                    Client { forgotten_through: Some(forgotten_through), idle_since, ..Client::default() };
                match self.clients.insert(client, known) {
                    None => Ok(()),
                    Some(_) => Err("a client is there twice"),
                }
            }
            ReplyRecord::Reply { key, remembered } => {
                if self.remembers(&key) || self.by_age.contains(remembered.index) {
                    return Err("a remembered answer is there twice");
                }
                self.insert(key, remembered);
                Ok(())
            }
        }
    }
}

/// Fingerprint of what a client asked for: FNV-1a over the encoded operation. How the serving node arranges an acquire's
/// waiting, and what it takes the time for, is left out, because another node may arrange the retry's.
pub(super) fn fingerprint(operation: &Operation) -> u64 {
    match operation {
        Operation::Lock(LockCommand::Acquire { resource, holder, mode, ttl_ms, wait: _ }) => {
            hash_of(&("acquire", resource, holder, mode, ttl_ms))
        }
        Operation::Queue(QueueCommand::Publish { topic, key, message, delay_ms, wall_ms: _ }) => {
            hash_of(&("publish", topic, key, message, delay_ms))
        }
        // A retry comes through another node or another home; what the client asked for is the same.
        Operation::Cache(CacheCommand::Write { address, value, if_version, .. }) => {
            hash_of(&("cache", address, value, if_version))
        }
        other => hash_of(other),
    }
}

fn hash_of(value: &impl Serialize) -> u64 {
    // The hasher takes every byte, and no value of ours fails to encode.
    postcard::serialize_with_flavor(value, super::fnv::Fnv::default()).unwrap_or_default()
}
