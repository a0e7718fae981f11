//! Why a node does not start, and why a command or a read has no answer.

use crate::host::WAY_BACK;

/// Why an engine does not start. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory belongs to another node or cluster.
    #[error("{0}")]
    Identity(String),
    /// The disk cannot be read.
    #[error("the data directory cannot be read: {0}{advice}", advice = way_back(.0))]
    Disk(#[from] std::io::Error),
    /// What is on the disk is not what this version writes.
    #[error("the data directory cannot be understood: {0}. {WAY_BACK}")]
    Format(String),
    /// This node found earlier that its state is not what the others have.
    #[error("{0}")]
    Diverged(String),
    /// The configuration contradicts itself.
    #[error("the configuration is not valid: {0}")]
    Config(String),
}

/// The advice, where the disk works and has something else than what was written; storage that finds it says it already.
fn way_back(error: &std::io::Error) -> String {
    use std::io::ErrorKind::{InvalidData, NotFound};
    let said = error.to_string().contains(WAY_BACK);
    if matches!(error.kind(), InvalidData | NotFound) && !said {
        format!(". {WAY_BACK}")
    } else {
        String::new()
    }
}

/// What became of a proposal that has no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// It surely was not and will not be applied: asking again is safe.
    #[error("not applied: {0}")]
    NotApplied(String),
    /// It may or may not have been applied, or may be applied later: ask again only under the same key.
    #[error("outcome unknown: {0}")]
    Unknown(String),
}

/// Why a linearizable read has no answer. Reads change nothing: asking again is always safe.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no linearizable read: {0}")]
pub struct ReadError(pub String);
