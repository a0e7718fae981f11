//! Idempotency: the answers that a retry under the same key gets again.
//!
//! An answer is kept for the time that its command says, on the group's lease clock. It goes lazily: with later commands, a
//! few at a time. So an idle group writes nothing for it, and no answer goes early. What is over its time counts as gone
//! whether it was taken out or not. At a bound new keys are refused; nothing is forgotten to make room for them.
//!
//! - A client's numbers: the highest forgotten one is its floor. A number at or below it that is not remembered is refused,
//!   never applied again. A client without remembered numbers keeps its floor while it is among the last
//!   [`IDLE_CLIENTS_MAX`] of them.
//! - Any other text may be used again once its time is over.
//! - Keys that nodes minted: see [`super::minted`].

use imbl::OrdMap;
use orrery_base::ids::{LeaseMs, LogIndex};
use orrery_base::key::{HOLD_MS_DEFAULT, IdempotencyKey, KeyName, RequestKey};
use orrery_base::pages::Pages;
use orrery_cache::CacheCommand;
use orrery_lock::LockCommand;
use orrery_queue::QueueCommand;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::minted::{Minted, MintedRecord};
use super::packed::{Known, Packed};
use super::{Mutation, Reply};

pub use super::minted::MINTED_BYTES_MAX;

/// Most bytes of the answers under clients' keys in one group: some 230,000 answers of 10 bytes under numbers.
pub const KEYS_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// Most of them under the numbers of one client.
pub const KEYS_PER_CLIENT_BYTES_MAX: u64 = KEYS_BYTES_MAX / 10;

/// Most of them under keys that are any text: nobody knows whose they are.
pub const TEXT_KEYS_BYTES_MAX: u64 = KEYS_BYTES_MAX / 2;

/// Most clients whose numbers are all forgotten and still refused.
pub const IDLE_CLIENTS_MAX: usize = 16_384;

/// What one answer takes beside its own bytes and those of a long key, how much more it takes under a text, and what a client
/// takes: measured (`tests/keys_memory.rs`), rounded up.
const ANSWER_BYTES: u64 = 136;
const TEXT_BYTES: u64 = 64;
const CLIENT_BYTES: u64 = 256;

/// Texts of at most so many bytes need no memory of their own; others take so much beside their bytes.
const INLINE_BYTES: usize = 23;
const ALLOCATED_BYTES: u64 = 32;

/// Most answers that go with a command, and with a move of the clock.
const SWEEP_MAX: usize = 16;
const SWEEP_CLOCK_MAX: usize = 1_024;

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Replies {
    /// Of clients' keys, by the log index of their commands.
    kept: Pages<Kept>,
    clients: OrdMap<SmolStr, Client>,
    texts: OrdMap<SmolStr, LogIndex>,
    /// Clients without a remembered number, by the log index of the last one that they had.
    idle: OrdMap<LogIndex, SmolStr>,
    bytes: u64,
    text_bytes: u64,
    minted: Minted,
}

/// One answer under a client's key.
#[derive(Clone, Debug, PartialEq)]
struct Kept {
    key: IdempotencyKey,
    packed: Packed,
}

impl Kept {
    fn bytes(&self) -> u64 {
        let name = self.key.client.len();
        let name = if name > INLINE_BYTES { ALLOCATED_BYTES + name as u64 } else { 0 };
        let text = if self.key.is_text() { TEXT_BYTES } else { 0 };
        ANSWER_BYTES + text + name + self.packed.bytes()
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Client {
    /// The log indexes of its commands, by its numbers.
    numbers: Pages<LogIndex>,
    forgotten_through: Option<u64>,
    /// Its key in `idle`, while it is there.
    idle_since: Option<LogIndex>,
    bytes: u64,
}

/// One answer as versions 1 to 3 of the snapshot had it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Remembered {
    pub index: LogIndex,
    pub fingerprint: u64,
    pub reply: Reply,
}

/// One piece in a snapshot. The order of the variants is part of the snapshot format: add at the end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum ReplyRecord {
    Client {
        client: SmolStr,
        forgotten_through: u64,
        idle_since: Option<LogIndex>,
    },
    /// Read, not written any more.
    Reply {
        key: IdempotencyKey,
        remembered: Remembered,
    },
    /// Since version 4.
    Kept {
        index: LogIndex,
        key: IdempotencyKey,
        packed: Packed,
    },
    /// Since version 4.
    Minted(MintedRecord),
}

impl Replies {
    /// What is known of a key that comes with an operation of this fingerprint.
    pub(super) fn peek(&self, key: &RequestKey, fingerprint: u64, now: LeaseMs) -> Known {
        match &key.name {
            KeyName::Minted { origin, number, .. } => self.minted.look_up(*origin, *number, fingerprint, now),
            KeyName::Client(key) => match self.of_client(key, fingerprint, now) {
                Known::New => self.full(key).map_or(Known::New, Known::Full),
                known => known,
            },
        }
    }

    /// The same for a command that is applied. Takes note of what a minted key says of those before it, and takes out a
    /// little of what is over.
    pub(super) fn look_up(&mut self, key: &RequestKey, fingerprint: u64, now: LeaseMs) -> Known {
        self.sweep(now, SWEEP_MAX);
        match &key.name {
            KeyName::Minted { origin, settled, .. } => self.minted.settled(*origin, *settled),
            KeyName::Client(client) if self.full(client).is_some() => self.sweep(now, SWEEP_CLOCK_MAX),
            KeyName::Client(_) => {}
        }
        self.peek(key, fingerprint, now)
    }

    fn of_client(&self, key: &IdempotencyKey, fingerprint: u64, now: LeaseMs) -> Known {
        let found = self.index_of(key).and_then(|index| self.kept.get(index)).map(|kept| &kept.packed);
        let forgotten = || {
            let through = self.clients.get(&key.client).and_then(|client| client.forgotten_through);
            !key.is_text() && through.is_some_and(|through| key.number <= through)
        };
        match found {
            Some(packed) if packed.expires_ms > now => packed.known(fingerprint),
            Some(_) if !key.is_text() => Known::TooOld,
            None if forgotten() => Known::TooOld,
            Some(_) | None => Known::New,
        }
    }

    /// Which bound one more key would pass, as a sentence.
    fn full(&self, key: &IdempotencyKey) -> Option<String> {
        let of_client = || self.clients.get(&key.client).map_or(0, |client| client.bytes);
        if self.bytes >= KEYS_BYTES_MAX {
            Some(format!(
                "the answers remembered under keys take {KEYS_BYTES_MAX} bytes in this group, which is the bound"
            ))
        } else if key.is_text() && self.text_bytes >= TEXT_KEYS_BYTES_MAX {
            Some(format!(
                "the answers remembered under keys without a client's number take {TEXT_KEYS_BYTES_MAX} bytes in this group, \
                 which is their bound"
            ))
        } else if !key.is_text() && of_client() >= KEYS_PER_CLIENT_BYTES_MAX {
            Some(format!(
                "the answers remembered for {} take {KEYS_PER_CLIENT_BYTES_MAX} bytes in this group, which is the bound of \
                 one client",
                key.client
            ))
        } else {
            None
        }
    }

    fn index_of(&self, key: &IdempotencyKey) -> Option<LogIndex> {
        match key.is_text() {
            true => self.texts.get(&key.client).copied(),
            false => self.clients.get(&key.client)?.numbers.get(key.number).copied(),
        }
    }

    /// Whether anything is known of a client's key: an answer, or that its number is too old. Or an answer under a minted one.
    pub(super) fn knows(&self, key: &RequestKey, now: LeaseMs) -> bool {
        match &key.name {
            KeyName::Minted { .. } => self.remembers(&key.shown(), now),
            KeyName::Client(key) => !matches!(self.of_client(key, 0, now), Known::New),
        }
    }

    /// Which bound one more key of a client would pass also after everything that is over by then was taken out.
    pub(super) fn stays_full(&self, key: &RequestKey, now: LeaseMs) -> Option<String> {
        let KeyName::Client(key) = &key.name else { return None };
        let what = self.full(key)?;
        let over = self.kept.first().is_some_and(|(_, kept)| kept.packed.expires_ms <= now);
        (!over).then_some(what)
    }

    /// The answer under that key.
    pub(super) fn reply(&self, key: &IdempotencyKey, now: LeaseMs) -> Option<Reply> {
        let packed = match key.minted() {
            Some((origin, number)) => self.minted.get(origin, number),
            None => self.kept.get(self.index_of(key)?).map(|kept| &kept.packed),
        };
        packed.filter(|packed| packed.expires_ms > now)?.reply()
    }

    /// Whether there is an answer under that key.
    pub(super) fn remembers(&self, key: &IdempotencyKey, now: LeaseMs) -> bool {
        self.reply(key, now).is_some()
    }

    /// Keeps the answer of a new key, applied at `now`.
    pub(super) fn remember(
        &mut self,
        index: LogIndex,
        key: &RequestKey,
        fingerprint: u64,
        reply: &Reply,
        now: LeaseMs,
    ) {
        let packed = Packed::new(reply, fingerprint, now.saturating_add(key.hold_ms));
        match &key.name {
            KeyName::Minted { origin, number, settled } => {
                self.minted.remember((*origin, *number, *settled), packed);
            }
            KeyName::Client(key) => self.insert(index, Kept { key: key.clone(), packed }),
        }
    }

    /// Replaces a remembered answer: what it promised was settled since.
    pub(super) fn settle(&mut self, key: &IdempotencyKey, reply: &Reply) {
        if let Some((origin, number)) = key.minted() {
            return self.minted.settle(origin, number, reply);
        }
        let Some(index) = self.index_of(key) else { return };
        let Some(kept) = self.kept.get_mut(index) else { return };
        let before = kept.bytes();
        kept.packed.replace(reply);
        let after = kept.bytes();
        self.count(key, before, after);
    }

    /// Takes out up to so much of what is over.
    fn sweep(&mut self, now: LeaseMs, most: usize) {
        for _ in 0..most {
            let first = self.kept.first().filter(|(_, kept)| kept.packed.expires_ms <= now);
            let Some(index) = first.map(|(index, _)| index) else { break };
            self.forget(index);
        }
        self.minted.sweep(now, most);
    }

    /// The clock moved.
    pub(super) fn clock_moved(&mut self, now: LeaseMs) {
        self.sweep(now, SWEEP_CLOCK_MAX);
    }

    /// Answers that are kept, and the bytes that they count for.
    pub(super) fn size(&self) -> (usize, u64) {
        (self.kept.len() + self.minted.len(), self.bytes + self.minted.bytes())
    }

    fn insert(&mut self, index: LogIndex, kept: Kept) {
        let key = kept.key.clone();
        if let Some(over) = self.index_of(&key) {
            // A text that is used again; nothing else comes here twice.
            self.forget(over);
        }
        let bytes = kept.bytes();
        if key.is_text() {
            self.texts.insert(key.client.clone(), index);
        } else {
            let client = self.clients.entry(key.client.clone()).or_default();
            if let Some(since) = client.idle_since.take() {
                self.idle.remove(&since);
            }
            if client.numbers.is_empty() {
                self.bytes += CLIENT_BYTES;
            }
            client.numbers.insert(key.number, index);
        }
        self.kept.insert(index, kept);
        self.count(&key, 0, bytes);
    }

    /// Takes an answer's new bytes in place of its old ones.
    fn count(&mut self, key: &IdempotencyKey, before: u64, after: u64) {
        let of_client = self.clients.get_mut(&key.client).filter(|_| !key.is_text());
        let part = match of_client {
            Some(client) => &mut client.bytes,
            None => &mut self.text_bytes,
        };
        *part = *part - before + after;
        self.bytes = self.bytes - before + after;
    }

    fn forget(&mut self, index: LogIndex) {
        let Some(kept) = self.kept.remove(index) else { return };
        let Kept { key, .. } = &kept;
        self.count(key, kept.bytes(), 0);
        if key.is_text() {
            self.texts.remove(&key.client);
        } else if let Some(client) = self.clients.get_mut(&key.client) {
            client.numbers.remove(key.number);
            client.forgotten_through = client.forgotten_through.max(Some(key.number));
            if client.numbers.is_empty() {
                client.idle_since = Some(index);
                self.bytes -= CLIENT_BYTES;
                self.idle.insert(index, key.client.clone());
            }
        }
        if self.idle.len() > IDLE_CLIENTS_MAX
            && let Some((since, client)) = self.idle.get_min().cloned()
        {
            self.idle.remove(&since);
            self.clients.remove(&client);
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
        let kept = self.kept.iter().map(|(index, kept)| {
            let Kept { key, packed } = kept.clone();
            ReplyRecord::Kept { index, key, packed }
        });
        clients.chain(kept).chain(self.minted.records().map(ReplyRecord::Minted))
    }

    /// Takes one record in. The error says what does not fit. What an older version kept has its time from `now`, the
    /// snapshot's lease clock.
    pub(super) fn restore(&mut self, record: ReplyRecord, now: LeaseMs) -> Result<(), &'static str> {
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
                let Remembered { index, fingerprint, reply } = remembered;
                let packed = Packed::new(&reply, fingerprint, now.saturating_add(HOLD_MS_DEFAULT));
                self.restore_kept(index, Kept { key, packed })
            }
            ReplyRecord::Kept { index, key, packed } => self.restore_kept(index, Kept { key, packed }),
            ReplyRecord::Minted(record) => self.minted.restore(record),
        }
    }

    fn restore_kept(&mut self, index: LogIndex, kept: Kept) -> Result<(), &'static str> {
        if self.index_of(&kept.key).is_some() || self.kept.contains(index) {
            return Err("a remembered answer is there twice");
        }
        self.insert(index, kept);
        Ok(())
    }
}

/// Fingerprint of what a client asked for: FNV-1a over the encoded operation. How the serving node arranges an acquire's
/// waiting, and what it takes the time for, is left out, because another node may arrange the retry's.
pub(super) fn fingerprint(mutation: &Mutation) -> u64 {
    match mutation {
        Mutation::Lock(LockCommand::Acquire { resource, holder, mode, ttl_ms, wait: _ }) => {
            hash_of(&("acquire", resource, holder, mode, ttl_ms))
        }
        Mutation::Queue(QueueCommand::Publish { topic, key, message, delay_ms, wall_ms: _ }) => {
            hash_of(&("publish", topic, key, message, delay_ms))
        }
        // A retry comes through another node or another home; what the client asked for is the same.
        Mutation::Cache(CacheCommand::Write { address, value, if_version, .. }) => {
            hash_of(&("cache", address, value, if_version))
        }
        other => hash_of(other),
    }
}

fn hash_of(value: &impl Serialize) -> u64 {
    // The hasher takes every byte, and no value of ours fails to encode.
    postcard::serialize_with_flavor(value, orrery_base::fnv::Fnv::default()).unwrap_or_default()
}
