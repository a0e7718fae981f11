//! Answers under keys that nodes minted, for the retries of the nodes themselves and of clients that were told such a key.
//!
//! Every command of an origin says up to which of its numbers nobody asks any more: those answers go at once, and a late copy
//! of such a command is refused. An origin in which some answer was not known is left alone by its node: what is open there
//! stays until the origin had no command for as long as the last one asked.

use imbl::{OrdMap, OrdSet};
use orrery_base::ids::LeaseMs;
use orrery_base::pages::Pages;
use serde::{Deserialize, Serialize};

use super::Reply;
use super::packed::{Known, Packed};

/// Most bytes of the answers under minted keys in one group. Only what is under way or ended unknown is kept, so this is
/// reached only when so much ends unknown within a key's time.
pub const MINTED_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// What one answer takes beside its own bytes, and what one origin takes: measured, rounded up.
const ANSWER_BYTES: u64 = 96;
const ORIGIN_BYTES: u64 = 256;

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Minted {
    origins: OrdMap<u64, Origin>,
    /// When to look whether an origin is over. Its own moment may have moved since.
    due: OrdSet<(LeaseMs, u64)>,
    bytes: u64,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Origin {
    settled: u64,
    /// The end of its last answer.
    expires_ms: LeaseMs,
    /// The moment under which it is in `due`.
    looked_at_ms: LeaseMs,
    kept: Pages<Packed>,
}

/// One piece in a snapshot. The order of the variants is part of the snapshot format: add at the end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum MintedRecord {
    Origin { origin: u64, settled: u64, expires_ms: LeaseMs, looked_at_ms: LeaseMs },
    Answer { origin: u64, number: u64, packed: Packed },
}

impl Minted {
    /// A command of the origin says that nobody asks for those numbers any more.
    pub(super) fn settled(&mut self, origin: u64, through: u64) {
        let Some(found) = self.origins.get_mut(&origin).filter(|found| found.settled < through) else {
            return;
        };
        found.settled = through;
        // Each answer goes once.
        while let Some(number) =
            found.kept.first().map(|(number, _)| number).filter(|first| *first <= through)
        {
            let gone = found.kept.remove(number);
            self.bytes -= gone.map_or(0, |packed| ANSWER_BYTES + packed.bytes());
        }
    }

    /// What is known of a number that comes with an operation of this fingerprint.
    pub(super) fn look_up(&self, origin: u64, number: u64, fingerprint: u64, now: LeaseMs) -> Known {
        let found = self.origins.get(&origin);
        match found.and_then(|found| found.kept.get(number)) {
            Some(packed) if packed.expires_ms <= now => Known::TooOld,
            Some(packed) => packed.known(fingerprint),
            None if found.is_some_and(|found| number <= found.settled) => Known::TooOld,
            None if self.bytes >= MINTED_BYTES_MAX => Known::Full(format!(
                "the answers to requests whose outcome is not known take {MINTED_BYTES_MAX} bytes in this group, which is \
                 the bound"
            )),
            None => Known::New,
        }
    }

    /// The answer under that number.
    pub(super) fn get(&self, origin: u64, number: u64) -> Option<&Packed> {
        self.origins.get(&origin)?.kept.get(number)
    }

    pub(super) fn remember(&mut self, (origin, number, settled): (u64, u64, u64), packed: Packed) {
        let expires_ms = packed.expires_ms;
        self.bytes += ANSWER_BYTES + packed.bytes();
        if let Some(found) = self.origins.get_mut(&origin) {
            found.expires_ms = found.expires_ms.max(expires_ms);
            found.kept.insert(number, packed);
            return;
        }
        let mut kept = Pages::default();
        kept.insert(number, packed);
        self.open(origin, Origin { settled, expires_ms, looked_at_ms: expires_ms, kept });
    }

    /// Replaces an answer: what it promised was settled since.
    pub(super) fn settle(&mut self, origin: u64, number: u64, reply: &Reply) {
        let found = self.origins.get_mut(&origin).and_then(|found| found.kept.get_mut(number));
        if let Some(packed) = found {
            let before = packed.bytes();
            packed.replace(reply);
            self.bytes = self.bytes - before + packed.bytes();
        }
    }

    /// Drops up to so many origins whose time is over.
    pub(super) fn sweep(&mut self, now: LeaseMs, most: usize) {
        for _ in 0..most {
            let Some((at, origin)) = self.due.get_min().copied().filter(|(at, _)| *at <= now) else { return };
            self.due.remove(&(at, origin));
            let Some(found) = self.origins.get_mut(&origin) else { continue };
            if found.expires_ms > now {
                found.looked_at_ms = found.expires_ms;
                self.due.insert((found.expires_ms, origin));
                continue;
            }
            let answers: u64 = found.kept.iter().map(|(_, packed)| ANSWER_BYTES + packed.bytes()).sum();
            self.bytes -= ORIGIN_BYTES + answers;
            self.origins.remove(&origin);
        }
    }

    /// Bytes of all of them.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many answers there are.
    pub(super) fn len(&self) -> usize {
        self.origins.values().map(|origin| origin.kept.len()).sum()
    }

    fn open(&mut self, origin: u64, opened: Origin) {
        self.bytes += ORIGIN_BYTES;
        self.due.insert((opened.looked_at_ms, origin));
        self.origins.insert(origin, opened);
    }

    /// Everything that has to be kept, in an order in which [`Minted::restore`] takes it.
    pub(super) fn records(&self) -> impl Iterator<Item = MintedRecord> + '_ {
        self.origins.iter().flat_map(|(origin, found)| {
            let (origin, settled) = (*origin, found.settled);
            let (expires_ms, looked_at_ms) = (found.expires_ms, found.looked_at_ms);
            let answer = move |(number, packed): (u64, &Packed)| MintedRecord::Answer {
                origin,
                number,
                packed: packed.clone(),
            };
            std::iter::once(MintedRecord::Origin { origin, settled, expires_ms, looked_at_ms })
                .chain(found.kept.iter().map(answer))
        })
    }

    /// Takes one record in. The error says what does not fit.
    pub(super) fn restore(&mut self, record: MintedRecord) -> Result<(), &'static str> {
        match record {
            MintedRecord::Origin { origin, .. } if self.origins.contains_key(&origin) => {
                Err("an origin of keys is there twice")
            }
            MintedRecord::Origin { origin, settled, expires_ms, looked_at_ms } => {
                self.open(origin, Origin { settled, expires_ms, looked_at_ms, kept: Pages::default() });
                Ok(())
            }
            MintedRecord::Answer { origin, number, packed } => {
                let found = self.origins.get_mut(&origin).ok_or("an answer is of no origin")?;
                self.bytes += ANSWER_BYTES + packed.bytes();
                match found.kept.insert(number, packed) {
                    None => Ok(()),
                    Some(_) => Err("a remembered answer is there twice"),
                }
            }
        }
    }
}
