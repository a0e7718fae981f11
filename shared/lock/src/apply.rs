//! Which file does which lock command.

use super::acquire::Ask;
use super::table::{Step, Table};
use super::{LockCommand, LockReply, SessionCommand, SessionReply};

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
