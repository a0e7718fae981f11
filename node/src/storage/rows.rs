//! The bytes of a row.
//!
//! Key (11 bytes): group, big-endian u16 | kind, u8 | index, big-endian u64 (0 for what has none).
//! Rows of one group lie together, entries in the order of their indices.
//!
//! An entries row holds a run of consecutive entries under the index of its first one:
//! per entry its length (little-endian u32) and its bytes.
//!
//! The golden bytes in the tests are format version 1; version 2 adds the numbers of transactions.

use bytes::Bytes;
use orrery_base::ids::{GroupId, LogIndex};

use super::StorageError;

/// Length of a row's key.
pub const KEY_BYTES: usize = 11;
/// An entries row is closed when it would grow beyond this: it fits a page with its key.
pub const RUN_BYTES_MAX: usize = 3 * 1024;

/// What a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A run of entries.
    Entries = 1,
    /// The committed log id.
    Committed = 2,
    Vote = 3,
    /// The last purged index (little-endian u64) and its encoded log id.
    Purged = 4,
    /// The current snapshot: length of the file's name (little-endian u16), name, encoded meta.
    Snapshot = 5,
    /// The last log id that was there when the group was forgotten.
    GivenUp = 6,
    /// Number of the last transaction that wrote first of all for this group (little-endian u64). The largest of all
    /// groups, and of the node's own row, is the last transaction's.
    Transaction = 7,
}

/// The key of a row.
pub fn key(group: GroupId, kind: Kind, index: LogIndex) -> [u8; KEY_BYTES] {
    let mut key = [0; KEY_BYTES];
    key[..2].copy_from_slice(&group.0.to_be_bytes());
    key[2] = kind as u8;
    key[3..].copy_from_slice(&index.to_be_bytes());
    key
}

/// Group, kind byte and index of a key.
pub fn parse_key(key: &[u8; KEY_BYTES]) -> (GroupId, u8, LogIndex) {
    let group = u16::from_be_bytes([key[0], key[1]]);
    let mut index = [0; 8];
    index.copy_from_slice(&key[3..]);
    (GroupId(group), key[2], u64::from_be_bytes(index))
}

/// Appends one entry to a run.
pub fn push_entry(run: &mut Vec<u8>, entry: &[u8]) -> Result<(), StorageError> {
    let length = u32::try_from(entry.len())
        .map_err(|_| StorageError::Damaged(format!("an entry of {} bytes is too long", entry.len())))?;
    run.extend_from_slice(&length.to_le_bytes());
    run.extend_from_slice(entry);
    Ok(())
}

/// The entries of a run, first one first, as slices of it.
pub fn run_entries(run: &[u8]) -> impl Iterator<Item = Result<&[u8], StorageError>> {
    let mut rest = run;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let damaged = || StorageError::Damaged("a run of entries ends within an entry".into());
        let Some((length, after)) = rest.split_first_chunk::<4>() else {
            rest = &[];
            return Some(Err(damaged()));
        };
        let length = u32::from_le_bytes(*length) as usize;
        if after.len() < length {
            rest = &[];
            return Some(Err(damaged()));
        }
        let (entry, after) = after.split_at(length);
        rest = after;
        Some(Ok(entry))
    })
}

/// How many entries a run holds.
pub fn run_length(run: &[u8]) -> Result<u64, StorageError> {
    run_entries(run).try_fold(0, |count, entry| entry.map(|_| count + 1))
}

/// The value of a [`Kind::Purged`] row.
pub fn encode_purged(through: LogIndex, log_id: &[u8]) -> Vec<u8> {
    [&through.to_le_bytes()[..], log_id].concat()
}

/// The parts of a [`Kind::Purged`] row.
pub fn decode_purged(value: &[u8]) -> Result<(LogIndex, Bytes), StorageError> {
    let (through, log_id) = value
        .split_first_chunk::<8>()
        .ok_or_else(|| StorageError::Damaged("the row of the purged index is too short".into()))?;
    Ok((u64::from_le_bytes(*through), Bytes::copy_from_slice(log_id)))
}

/// The value of a [`Kind::Snapshot`] row.
pub fn encode_snapshot_pointer(name: &str, meta: &[u8]) -> Result<Vec<u8>, StorageError> {
    let length = u16::try_from(name.len())
        .map_err(|_| StorageError::Damaged("the name of a snapshot file is too long".into()))?;
    Ok([&length.to_le_bytes()[..], name.as_bytes(), meta].concat())
}

/// The parts of a [`Kind::Snapshot`] row.
pub fn decode_snapshot_pointer(value: &[u8]) -> Result<(String, Bytes), StorageError> {
    let damaged = || StorageError::Damaged("the row of the current snapshot is not readable".into());
    let (length, rest) = value.split_first_chunk::<2>().ok_or_else(damaged)?;
    let (name, meta) = rest.split_at_checked(u16::from_le_bytes(*length) as usize).ok_or_else(damaged)?;
    let name = std::str::from_utf8(name).map_err(|_| damaged())?;
    Ok((name.to_owned(), Bytes::copy_from_slice(meta)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn golden_keys_of_version_1() {
        assert_eq!(
            key(GroupId(0x0102), Kind::Entries, 0x0304_0506_0708_090a),
            [1, 2, 1, 3, 4, 5, 6, 7, 8, 9, 10]
        );
        let kinds = [Kind::Entries, Kind::Committed, Kind::Vote, Kind::Purged, Kind::Snapshot];
        assert_eq!(kinds.map(|kind| key(GroupId(0), kind, 0)[2]), [1, 2, 3, 4, 5]);
        assert_eq!([Kind::GivenUp, Kind::Transaction].map(|kind| kind as u8), [6, 7]);
        assert_eq!(parse_key(&key(GroupId(9), Kind::Vote, 77)), (GroupId(9), 3, 77));
    }

    #[test]
    fn golden_values_of_version_1() {
        let mut run = Vec::new();
        push_entry(&mut run, b"ab").unwrap();
        push_entry(&mut run, b"").unwrap();
        push_entry(&mut run, b"c").unwrap();
        assert_eq!(run, [2, 0, 0, 0, b'a', b'b', 0, 0, 0, 0, 1, 0, 0, 0, b'c']);
        let entries: Vec<&[u8]> = run_entries(&run).map(Result::unwrap).collect();
        assert_eq!(entries, [&b"ab"[..], b"", b"c"]);
        assert_eq!(run_length(&run).unwrap(), 3);

        let purged = encode_purged(0x0102, &[7, 8]);
        assert_eq!(purged, [2, 1, 0, 0, 0, 0, 0, 0, 7, 8]);
        assert_eq!(decode_purged(&purged).unwrap(), (0x0102, Bytes::from_static(&[7, 8])));

        let pointer = encode_snapshot_pointer("s-1", &[9]).unwrap();
        assert_eq!(pointer, [3, 0, b's', b'-', b'1', 9]);
        assert_eq!(decode_snapshot_pointer(&pointer).unwrap(), ("s-1".into(), Bytes::from_static(&[9])));
    }

    #[test]
    fn a_cut_row_is_an_error_and_not_a_shorter_log() {
        let mut run = Vec::new();
        push_entry(&mut run, b"abc").unwrap();
        for end in 1..run.len() {
            assert!(run_length(&run[..end]).is_err(), "cut at {end}");
        }
        assert!(decode_purged(&[1, 2]).is_err());
        assert!(decode_snapshot_pointer(&[9, 0, b'x']).is_err());
    }
}
