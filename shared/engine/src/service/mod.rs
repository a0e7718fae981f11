//! What clients ask for: locks, queues, cache lines, the status. Each request finds its group here, is proposed or read, and
//! gets its answer.

pub mod cache;
pub mod leave;
pub mod lock;
pub(crate) mod pipeline;
pub mod queue;
pub mod quotas;
pub mod requests;
pub mod status;
pub mod verdict;
