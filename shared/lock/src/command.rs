//! What changes the lock table and the sessions, what it is answered, what each is called, and which file does it: everything
//! that others need to know of an operation.

use orrery_base::key::IdempotencyKey;
use serde::{Deserialize, Serialize};
use smol_str::{SmolStr, format_smolstr};

use super::acquire::Ask;
use super::table::{Step, Table};
use super::{FencingToken, Holder, Mode, SessionId, Wait, WaitEdge, WaitId};

/// A lease that a command begins or lengthens: what has to be known of it to commit the lease clock often enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lease {
    /// One of so many milliseconds begins, after so many at the latest.
    Begins { ttl_ms: u64, after_ms: u64 },
    /// One that runs, runs for its whole length again.
    Again,
}

/// What changes the lock table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LockCommand {
    /// Take a lock, wait for it, poll a wait, upgrade.
    Acquire {
        resource: SmolStr,
        holder: Holder,
        mode: Mode,
        /// Length of the lease from its grant; with a session the session's lease counts instead.
        ttl_ms: u64,
        /// What to do when it is not free.
        wait: Wait,
    },
    /// Give a lock back.
    Release {
        resource: SmolStr,
        holder: Holder,
        /// When given, it must be the holder's present token.
        fencing_token: Option<FencingToken>,
    },
    /// Lengthen the lease of a held lock.
    Renew {
        resource: SmolStr,
        holder: Holder,
        /// When given, it must be the holder's present token.
        fencing_token: Option<FencingToken>,
        /// Length of the lease from now, even where that is earlier than before. When absent: the length asked for last,
        /// and never an earlier end than before.
        ttl_ms: Option<u64>,
    },
    /// End a wait. Answered with what became of it, which may be "acquired".
    Cancel {
        resource: SmolStr,
        holder: Holder,
        /// Only this wait; any wait of the holder when absent.
        wait: Option<WaitId>,
    },
    /// One request does not wait any more (its time is over, or its caller is gone). Ends the wait where no newer ask
    /// waits for it too; answered with what became of the request. Since version 4.
    Withdraw {
        resource: SmolStr,
        holder: Holder,
        /// For which wait it asked.
        wait: WaitId,
        key: IdempotencyKey,
    },
    /// Hand a lock to somebody else, ahead of the queue. Since version 5.
    Transfer {
        resource: SmolStr,
        holder: Holder,
        /// The holder's present token.
        fencing_token: FencingToken,
        to: Holder,
    },
}

/// What changes the sessions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SessionCommand {
    Open {
        client: SmolStr,
        /// Length of its lease.
        ttl_ms: u64,
    },
    /// Lengthen its lease: covers all its locks and waits.
    Renew { session: SessionId },
    /// Close it: frees all its locks and ends all its waits.
    Close { session: SessionId },
}

/// The answer to a [`LockCommand`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LockReply {
    /// The holder has the lock.
    Acquired {
        fencing_token: FencingToken,
        /// What is left of the lease.
        expires_in_ms: u64,
        /// How it holds it now.
        mode: Mode,
        /// The holder had been told that it has it when the request was applied.
        reentrant: bool,
    },
    Waiting {
        wait: WaitId,
        /// 1 is next.
        position: u32,
    },
    /// `Wait::No` and not free.
    Busy { holders: Vec<Holder> },
    /// The wait would close (or closed) a cycle, and this one was its youngest waiter.
    Deadlock {
        /// The edges of the cycle, in order.
        cycle: Vec<WaitEdge>,
        victim: Holder,
    },
    /// The lock was given back.
    Released {
        /// The token that it had.
        fencing_token: FencingToken,
    },
    /// The lease was lengthened.
    Renewed {
        /// What is left of it.
        expires_in_ms: u64,
        fencing_token: FencingToken,
    },
    /// The wait was ended before it was granted.
    Cancelled,
    /// There was no such wait.
    NotWaiting,
    /// The caller does not hold that lock, or not under that token.
    NotHolder { holders: Vec<Holder> },
    /// A bound of the table is reached; nothing changed.
    LimitReached {
        /// Which, as a sentence.
        what: String,
    },
    /// The session is unknown, closed or expired; nothing changed.
    SessionExpired,
    /// The lock was handed over.
    Transferred {
        /// The new one.
        fencing_token: FencingToken,
        /// What is left of the new holder's lease.
        expires_in_ms: u64,
    },
    /// The one who should have the lock cannot have it; nothing changed.
    NotTransferable {
        /// Why, as a part of a sentence.
        why: String,
    },
}

/// The answer to a [`SessionCommand`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SessionReply {
    /// The session is open.
    Opened {
        session: SessionId,
        /// What is left of its lease.
        expires_in_ms: u64,
    },
    /// Its lease was lengthened.
    Renewed {
        /// What is left of its lease.
        expires_in_ms: u64,
    },
    Closed {
        /// Locks that it freed.
        released: u32,
        /// Waits that it ended.
        cancelled: u32,
    },
    /// The session is unknown, closed or expired; nothing changed.
    Expired,
    /// A bound of the table is reached; nothing changed.
    LimitReached {
        /// Which, as a sentence.
        what: String,
    },
}

impl LockCommand {
    /// The resource, and for whom the command is.
    pub fn about(&self) -> (&SmolStr, &Holder) {
        match self {
            LockCommand::Acquire { resource, holder, .. }
            | LockCommand::Release { resource, holder, .. }
            | LockCommand::Renew { resource, holder, .. }
            | LockCommand::Cancel { resource, holder, .. }
            | LockCommand::Withdraw { resource, holder, .. }
            | LockCommand::Transfer { resource, holder, .. } => (resource, holder),
        }
    }

    /// What it asks, short: `acquire printer Ayu`.
    pub fn summary(&self) -> SmolStr {
        let word = match self {
            LockCommand::Acquire { .. } => "acquire",
            LockCommand::Release { .. } => "release",
            LockCommand::Renew { .. } => "renew",
            LockCommand::Cancel { .. } | LockCommand::Withdraw { .. } => "cancel",
            LockCommand::Transfer { .. } => "transfer",
        };
        let (resource, holder) = self.about();
        format_smolstr!("{word} {resource} {}", holder.client)
    }

    /// The leases that it begins or lengthens.
    pub fn leases(&self) -> [Option<Lease>; 2] {
        let begins = |ttl_ms, after_ms| Some(Lease::Begins { ttl_ms, after_ms });
        match self {
            LockCommand::Acquire { ttl_ms, wait, .. } => match *wait {
                Wait::No => [begins(*ttl_ms, 0), None],
                // The lock's lease begins when the wait ends.
                Wait::LongPoll { deadline_ms } | Wait::Queue { deadline_ms } => {
                    [begins(deadline_ms, 0), begins(*ttl_ms, deadline_ms)]
                }
            },
            LockCommand::Renew { ttl_ms: Some(ttl_ms), .. } => [begins(*ttl_ms, 0), None],
            LockCommand::Renew { ttl_ms: None, .. } | LockCommand::Transfer { .. } => {
                [Some(Lease::Again), None]
            }
            LockCommand::Release { .. } | LockCommand::Cancel { .. } | LockCommand::Withdraw { .. } => {
                [None; 2]
            }
        }
    }
}

impl LockReply {
    /// The lease that it tells of, by its token: what is left of it is counted anew when the reply is told again.
    pub(super) fn lease_mut(&mut self) -> Option<(FencingToken, &mut u64)> {
        match self {
            LockReply::Renewed { fencing_token, expires_in_ms }
            | LockReply::Transferred { fencing_token, expires_in_ms } => {
                Some((*fencing_token, expires_in_ms))
            }
            _ => None,
        }
    }

    /// How the command ended, short.
    pub fn word(&self) -> &'static str {
        match self {
            LockReply::Acquired { .. } => "acquired",
            LockReply::Waiting { .. } => "waiting",
            LockReply::Busy { .. } => "busy",
            LockReply::Deadlock { .. } => "deadlock",
            LockReply::Released { .. } => "released",
            LockReply::Renewed { .. } => "renewed",
            LockReply::Cancelled => "cancelled",
            LockReply::NotWaiting => "not waiting",
            LockReply::NotHolder { .. } => "not holder",
            LockReply::LimitReached { .. } => "limit reached",
            LockReply::SessionExpired => "session expired",
            LockReply::Transferred { .. } => "transferred",
            LockReply::NotTransferable { .. } => "not transferable",
        }
    }
}

impl SessionCommand {
    /// What it asks, short: `open session Ayu`.
    pub fn summary(&self) -> SmolStr {
        match self {
            SessionCommand::Open { client, .. } => format_smolstr!("open session {client}"),
            SessionCommand::Renew { session } => format_smolstr!("renew session {}", session.0),
            SessionCommand::Close { session } => format_smolstr!("close session {}", session.0),
        }
    }

    /// The lease that it begins or lengthens.
    pub fn lease(&self) -> Option<Lease> {
        match self {
            SessionCommand::Open { ttl_ms, .. } => Some(Lease::Begins { ttl_ms: *ttl_ms, after_ms: 0 }),
            SessionCommand::Renew { .. } => Some(Lease::Again),
            SessionCommand::Close { .. } => None,
        }
    }
}

impl SessionReply {
    /// How the command ended, short.
    pub fn word(&self) -> &'static str {
        match self {
            SessionReply::Opened { .. } => "opened",
            SessionReply::Renewed { .. } => "renewed",
            SessionReply::Closed { .. } => "closed",
            SessionReply::Expired => "expired",
            SessionReply::LimitReached { .. } => "limit reached",
        }
    }
}

impl Table {
    /// Does what a lock command says.
    pub fn apply_lock(&mut self, command: &LockCommand, step: &mut Step) -> LockReply {
        match command {
            LockCommand::Acquire { resource, holder, mode, ttl_ms, wait } => {
                let ask = Ask { resource, holder, mode: *mode, ttl_ms: *ttl_ms, wait: *wait };
                self.acquire(&ask, step)
            }
            LockCommand::Release { resource, holder, fencing_token } => {
                self.release(resource, holder, *fencing_token, step)
            }
            LockCommand::Renew { resource, holder, fencing_token, ttl_ms } => {
                self.renew(resource, holder, *fencing_token, *ttl_ms, step)
            }
            LockCommand::Transfer { resource, holder, fencing_token, to } => {
                self.transfer(resource, holder, *fencing_token, to, step)
            }
            LockCommand::Cancel { resource, holder, wait } => self.cancel(resource, holder, *wait, step),
            LockCommand::Withdraw { resource, holder, wait, key } => {
                self.withdraw(resource, holder, *wait, key, step)
            }
        }
    }

    /// The answer to a command that finds nothing to do, as things stand.
    pub fn lock_refusal(&self, command: &LockCommand) -> Option<LockReply> {
        match command {
            LockCommand::Release { resource, holder, fencing_token }
            | LockCommand::Renew { resource, holder, fencing_token, .. } => {
                self.own_lock(resource, holder, *fencing_token).err()
            }
            LockCommand::Acquire { holder, .. } => {
                (!self.session_is_open(holder)).then_some(LockReply::SessionExpired)
            }
            LockCommand::Transfer { resource, holder, fencing_token, .. } => {
                self.own_lock(resource, holder, Some(*fencing_token)).err()
            }
            // They say what became of a wait.
            LockCommand::Cancel { .. } | LockCommand::Withdraw { .. } => None,
        }
    }

    /// The same of sessions.
    pub fn session_refusal(&self, command: &SessionCommand) -> Option<SessionReply> {
        match command {
            SessionCommand::Renew { session } | SessionCommand::Close { session } => {
                (!self.sessions.contains_key(session)).then_some(SessionReply::Expired)
            }
            SessionCommand::Open { .. } => None,
        }
    }
}
