//! The bounds of the lock table. A command that would pass one is answered with `LimitReached` and changes
//! nothing, so that no client can fill every node's memory.

/// Most locks and waits together, in the whole table.
pub const CLAIMS_MAX: usize = 100_000;

/// Most locks and waits together of one client, by its name and in all of its sessions: a tenth of the table, so that
/// one client's loop leaves room for the others.
pub const CLAIMS_PER_CLIENT_MAX: usize = CLAIMS_MAX / 10;

/// Most waits of one holder at once.
pub const WAITS_PER_HOLDER_MAX: usize = 256;

/// Most holders and waiters together of one resource.
pub const CLAIMS_PER_RESOURCE_MAX: usize = 1_024;

/// Most open sessions.
pub const SESSIONS_MAX: usize = 8_192;

/// Most open sessions of one client.
pub const SESSIONS_PER_CLIENT_MAX: u32 = 256;

/// Most refused waits whose answer nobody has read yet; the oldest is dropped beyond it.
pub const OUTCOMES_MAX: usize = 1_024;

/// Most holders that an answer (`Busy`, `NotHolder`) names: the first ones in order of their grants.
pub const HOLDERS_SHOWN_MAX: usize = 16;
