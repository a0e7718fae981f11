//! What can go wrong with a node's disk.

use std::io;
use std::path::PathBuf;

use orrery_base::ids::{GroupId, LogIndex};
use orrery_engine::host::WAY_BACK;
use thiserror::Error;

/// Why the storage cannot be opened, read or written.
#[derive(Debug, Error)]
pub enum StorageError {
    /// Another process uses the data directory.
    #[error("the data directory {} is in use by another process{}", path.display(), by.as_deref().map(|pid| format!(" (process id {pid})")).unwrap_or_default())]
    InUse {
        path: PathBuf,
        /// The process id that its lock file names.
        by: Option<String>,
    },
    /// The rows were written by a version that this one does not read.
    #[error("the storage has format version {found}, this program reads version {supported}")]
    Format {
        /// What the file says.
        found: u32,
        /// What this program writes and reads.
        supported: u32,
    },
    /// A row or a snapshot file is not what was written.
    #[error("the storage is damaged: {0}. {WAY_BACK}")]
    Damaged(String),
    /// The database has gone back behind what was acknowledged.
    #[error(
        "the database ends with transaction {found}, and this node acknowledged transaction {acknowledged}: the file \
         was damaged or replaced by an older copy. {WAY_BACK}"
    )]
    Lost {
        /// The last transaction in the file.
        found: u64,
        /// The last one that was acknowledged.
        acknowledged: u64,
    },
    /// There is no database, and the folder was in use.
    #[error("{} is missing or empty, but there is {beside}: the folder was a node's. {WAY_BACK}", path.display())]
    Missing {
        path: PathBuf,
        /// What shows that there was one.
        beside: String,
    },
    /// Entries that do not continue the log: a bug on our side, refused before it does harm.
    #[error("entries of group {group} begin at {first}, the log ends before {expected}")]
    Gap {
        group: GroupId,
        /// The first index that was handed in.
        first: LogIndex,
        /// The index that would continue the log.
        expected: LogIndex,
    },
    #[error("database: {0}")]
    Database(#[from] redb::Error),
    /// The operating system refused.
    #[error("{what}: {source}")]
    Io { what: String, source: io::Error },
}

impl StorageError {
    /// An operating system error with what was tried.
    pub fn io(what: impl Into<String>, source: io::Error) -> Self {
        StorageError::Io { what: what.into(), source }
    }
}

impl From<StorageError> for io::Error {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Io { ref source, .. } => io::Error::new(source.kind(), error),
            StorageError::Damaged(_)
            | StorageError::Lost { .. }
            | StorageError::Missing { .. }
            | StorageError::Format { .. } => io::Error::new(io::ErrorKind::InvalidData, error),
            other => io::Error::other(other),
        }
    }
}
