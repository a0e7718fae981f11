//! Which transaction was acknowledged last, kept in a small file of its own beside the database.
//!
//! redb goes back to the commit before where the last one does not verify, and says nothing. Every transaction of ours
//! has a number, kept in its rows. The mark keeps the number of the last one that was acknowledged: a database that ends
//! before it has lost something that this node promised.
//!
//! **The guarantee and its limit.** The mark is written after the sync of its transaction and before anybody is
//! answered, without a sync of its own (that would double the time of a write). So after a process that ended in any way
//! on a machine that went on running, every acknowledged transaction that is missing is noticed. After a power cut or a
//! crash of the system the mark may be older by what the system had not written back yet: a database that lost
//! acknowledged transactions *and* met a power cut within that time can pass here. Whatever a row's own page shows is
//! noticed in every case ([`super::Store::open`] verifies all of them).
//!
//! Two slots, written in turns, each in a page of its own: a torn write leaves the other one.
//!
//! ```text
//! "ORRMARK1" | number u64 | XXH64 of the 16 bytes before, u64     (at 0 and at 4096, little-endian)
//! ```

use std::io;

use redb::StorageBackend;
use xxhash_rust::const_xxh64::xxh64;

const MAGIC: &[u8; 8] = b"ORRMARK1";
const SLOT_BYTES: usize = 24;
const SLOT_DISTANCE: u64 = 4096;
const FILE_BYTES: u64 = 2 * SLOT_DISTANCE;

/// The file of the mark.
#[derive(Debug)]
pub(super) struct Mark {
    file: Box<dyn StorageBackend>,
}

/// What the file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// There is none.
    Missing,
    /// This transaction was acknowledged, and perhaps later ones.
    Number(u64),
    /// No slot is readable.
    Damaged,
}

impl Mark {
    pub(super) fn new(file: impl StorageBackend) -> Self {
        Mark { file: Box::new(file) }
    }

    pub(super) fn read(&self) -> io::Result<Found> {
        let length = self.file.len()?;
        if length == 0 {
            return Ok(Found::Missing);
        }
        let mut newest = None;
        for slot in 0..2 {
            let mut bytes = [0; SLOT_BYTES];
            if slot * SLOT_DISTANCE + SLOT_BYTES as u64 <= length {
                self.file.read(slot * SLOT_DISTANCE, &mut bytes)?;
                newest = newest.max(decode(&bytes));
            }
        }
        Ok(newest.map_or(Found::Damaged, Found::Number))
    }

    /// Makes the file, durably, before the first transaction that has a number.
    pub(super) fn create(&self) -> io::Result<()> {
        self.file.set_len(FILE_BYTES)?;
        for slot in 0..2 {
            self.file.write(slot * SLOT_DISTANCE, &encode(0))?;
        }
        self.file.sync_data()
    }

    /// That transaction is acknowledged from here on. Reaches the system, not yet the disk.
    pub(super) fn write(&self, number: u64) -> io::Result<()> {
        self.file.write(number % 2 * SLOT_DISTANCE, &encode(number))
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

fn encode(number: u64) -> [u8; SLOT_BYTES] {
    let mut slot = [0; SLOT_BYTES];
    slot[..8].copy_from_slice(MAGIC);
    slot[8..16].copy_from_slice(&number.to_le_bytes());
    let sum = xxh64(&slot[..16], 0);
    slot[16..].copy_from_slice(&sum.to_le_bytes());
    slot
}

fn decode(slot: &[u8; SLOT_BYTES]) -> Option<u64> {
    let number = u64::from_le_bytes(*slot[8..].first_chunk()?);
    (*slot == encode(number)).then_some(number)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use redb::backends::InMemoryBackend;

    use super::*;

    #[test]
    fn the_newest_readable_slot_counts() {
        let mark = Mark::new(InMemoryBackend::new());
        assert_eq!(mark.read().unwrap(), Found::Missing);
        mark.create().unwrap();
        assert_eq!(mark.read().unwrap(), Found::Number(0));
        for number in 1..5 {
            mark.write(number).unwrap();
            assert_eq!(mark.read().unwrap(), Found::Number(number));
        }
        mark.file.write(9, &[0xff]).unwrap();
        assert_eq!(mark.read().unwrap(), Found::Number(3), "a damaged slot leaves the other one");
        mark.file.write(SLOT_DISTANCE + 9, &[0xff]).unwrap();
        assert_eq!(mark.read().unwrap(), Found::Damaged);
    }

    #[test]
    fn every_flipped_bit_of_a_slot_is_noticed() {
        let slot = encode(0x0102_0304);
        for bit in 0..SLOT_BYTES * 8 {
            let mut flipped = slot;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&flipped), None, "bit {bit}");
        }
        assert_eq!(decode(&slot), Some(0x0102_0304));
    }
}
