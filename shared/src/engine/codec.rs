//! How the engine's own values become bytes: a version byte, then postcard. Golden bytes of each version are in
//! the tests.

use std::io;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Version of log entries, votes, log ids, snapshot metas and node values on the disk.
pub const DISK_VERSION: u8 = 1;
/// Version of the frames between peers. Version 1 founded a cluster with messages that could be repeated; the heartbeats of
/// version 2 did not say whether a majority confirmed their leader.
pub const PEER_VERSION: u8 = 3;

/// Bytes that are not what they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// Written by a version that this one does not know.
    #[error("format version {found}, this version reads {known}")]
    Version {
        /// The version found.
        found: u8,
        /// The version known.
        known: u8,
    },
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
    buffer.push(version);
    postcard::to_extend(value, buffer)
        .map(Bytes::from)
        .map_err(|error| FormatError::Damaged(error.to_string()))
}

/// The value of bytes; all of them must belong to it.
pub fn decode<T: DeserializeOwned>(version: u8, bytes: &[u8]) -> Result<T, FormatError> {
    match bytes.split_first() {
        None => Err(FormatError::Damaged("no bytes".into())),
        Some((&found, _)) if found != version => Err(FormatError::Version { found, known: version }),
        Some((_, rest)) => match postcard::take_from_bytes(rest) {
            Ok((value, [])) => Ok(value),
            Ok(_) => Err(FormatError::Damaged("more bytes than the value has".into())),
            Err(error) => Err(FormatError::Damaged(error.to_string())),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_versions_and_damaged_bytes_are_refused() {
        let bytes = encode(1, &("printer", 7u64)).expect("plain values encode");
        assert_eq!(decode::<(String, u64)>(1, &bytes), Ok(("printer".into(), 7)));
        assert_eq!(decode::<(String, u64)>(2, &bytes), Err(FormatError::Version { found: 1, known: 2 }));
        assert!(decode::<(String, u64)>(1, &bytes[..bytes.len() - 1]).is_err());
        assert!(decode::<String>(1, &bytes).is_err());
        assert!(decode::<String>(1, &[]).is_err());
    }
}
