//! How the engine's own values become bytes: a version byte, a checksum, then postcard. Golden bytes of each version are
//! in the tests.
//!
//! The checksum (the low half of XXH64, with the version as its seed) is verified whenever bytes become a value again: an
//! entry that a disk or a link changed is never applied. It guards against damage, not against an adversary.

use std::io;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use xxhash_rust::const_xxh64::xxh64;

/// Version of log entries, votes, log ids, snapshot metas and node values on the disk. Version 1 had no checksum; what was
/// written in it is still read.
pub const DISK_VERSION: u8 = 2;
/// Version of the frames between peers. Version 1 founded a cluster with messages that could be repeated; version 2 had no
/// checksum, its heartbeats did not say whether a majority confirmed their leader, its messages not of which boot of a data
/// folder they are, and its keys had no time.
pub const PEER_VERSION: u8 = 3;

/// The version of the disk without a checksum.
const DISK_PLAIN: u8 = 1;

/// What stands before a value: version and checksum.
pub const HEAD_BYTES: usize = 5;

/// Bytes that are not what they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// Written by a version that this one does not know.
    #[error("format version {found}, this version reads {known}")]
    Version { found: u8, known: u8 },
    /// Cut off or damaged.
    #[error("{0}")]
    Damaged(String),
}

impl From<FormatError> for io::Error {
    fn from(error: FormatError) -> Self {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }
}

/// The bytes of a value.
pub fn encode<T: Serialize>(version: u8, value: &T) -> Result<Bytes, FormatError> {
    let mut buffer = Vec::with_capacity(192);
    buffer.extend_from_slice(&[version, 0, 0, 0, 0]);
    let mut buffer =
        postcard::to_extend(value, buffer).map_err(|error| FormatError::Damaged(error.to_string()))?;
    let sum = checksum(version, &buffer[HEAD_BYTES..]);
    buffer[1..HEAD_BYTES].copy_from_slice(&sum);
    Ok(Bytes::from(buffer))
}

/// The value of bytes; all of them must belong to it.
pub fn decode<T: DeserializeOwned>(version: u8, bytes: &[u8]) -> Result<T, FormatError> {
    let damaged = |why: &str| FormatError::Damaged(why.into());
    let value = match bytes.split_first() {
        None => return Err(damaged("no bytes")),
        Some((&found, rest)) if found == version => {
            let (sum, value) = rest.split_first_chunk().ok_or_else(|| damaged("cut off"))?;
            if *sum != checksum(version, value) {
                return Err(damaged("the bytes do not have their checksum: they are not what was written"));
            }
            value
        }
        Some((&DISK_PLAIN, value)) if version == DISK_VERSION => value,
        Some((&found, _)) => return Err(FormatError::Version { found, known: version }),
    };
    match postcard::take_from_bytes(value) {
        Ok((value, [])) => Ok(value),
        Ok(_) => Err(damaged("more bytes than the value has")),
        Err(error) => Err(FormatError::Damaged(error.to_string())),
    }
}

fn checksum(version: u8, value: &[u8]) -> [u8; 4] {
    let [a, b, c, d, ..] = xxh64(value, version.into()).to_le_bytes();
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_versions_and_damaged_bytes_are_refused() {
        let bytes = encode(7, &("printer", 7u64)).expect("plain values encode");
        assert_eq!(decode::<(String, u64)>(7, &bytes), Ok(("printer".into(), 7)));
        assert_eq!(decode::<(String, u64)>(8, &bytes), Err(FormatError::Version { found: 7, known: 8 }));
        assert!(decode::<(String, u64)>(7, &bytes[..bytes.len() - 1]).is_err());
        assert!(decode::<String>(7, &bytes).is_err());
        assert!(decode::<String>(7, &[]).is_err());
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let bytes = encode(DISK_VERSION, &("printer", [7u64; 20])).expect("plain values encode");
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            // Three of these bits make the version another one, and none of them the version without a checksum.
            assert!(decode::<(String, [u64; 20])>(DISK_VERSION, &flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn what_the_disk_had_before_checksums_is_read() {
        let plain =
            [&[DISK_PLAIN][..], &postcard::to_stdvec(&("printer", 7u64)).expect("it encodes")].concat();
        assert_eq!(decode::<(String, u64)>(DISK_VERSION, &plain), Ok(("printer".into(), 7)));
        assert!(decode::<(String, u64)>(PEER_VERSION, &plain).is_err(), "a link had them always");
    }
}
