//! The lock table in a snapshot: one record per lock, wait, unread refusal and session. The indexes are rebuilt.

use orrery_base::ids::LeaseMs;
use serde::{Deserialize, Serialize};

use super::table::{Hold, RefusedWait, Session, Table, Waiter};
use super::{FencingToken, SessionId, WaitId};

/// One piece of the lock table. The order of the variants is part of the snapshot format: add at the end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum TableRecord {
    Counters { clock_ms: LeaseMs, last_token: FencingToken },
    Session(SessionId, Session),
    Hold(FencingToken, Hold),
    Wait(WaitId, Waiter),
    RefusedWait(WaitId, RefusedWait),
}

impl Table {
    /// Everything that has to be kept, in an order in which [`Table::restore`] takes it.
    pub fn records(&self) -> impl Iterator<Item = TableRecord> + '_ {
        let counters = TableRecord::Counters { clock_ms: self.clock_ms, last_token: self.last_token };
        std::iter::once(counters)
            .chain(self.sessions.iter().map(|(id, session)| TableRecord::Session(*id, session.clone())))
            .chain(self.holds.iter().map(|(token, hold)| TableRecord::Hold(*token, hold.clone())))
            .chain(self.waits.iter().map(|(id, waiter)| TableRecord::Wait(*id, waiter.clone())))
            .chain(self.outcomes.iter().map(|(id, outcome)| TableRecord::RefusedWait(*id, outcome.clone())))
    }

    /// Takes one record in. The error says what does not fit.
    pub fn restore(&mut self, record: TableRecord) -> Result<(), &'static str> {
        match record {
            TableRecord::Counters { clock_ms, last_token } => {
                self.clock_ms = clock_ms;
                self.last_token = last_token;
            }
            TableRecord::Session(id, session) => {
                if self.sessions.contains_key(&id) {
                    return Err("a session is there twice");
                }
                self.insert_session(id, session);
            }
            TableRecord::Hold(token, hold) => {
                if token > self.last_token || self.holds.contains_key(&token) {
                    return Err("a fencing token is there twice or was never given");
                }
                if !self.session_is_open(&hold.holder) {
                    return Err("a lock's session is missing");
                }
                self.insert_hold(token, hold);
            }
            TableRecord::Wait(id, waiter) => {
                if self.waits.contains_key(&id) {
                    return Err("a wait is there twice");
                }
                self.insert_wait(id, waiter);
            }
            TableRecord::RefusedWait(id, outcome) => {
                if self.outcomes.contains_key(&id) {
                    return Err("an outcome is there twice");
                }
                self.insert_outcome(id, outcome);
            }
        }
        Ok(())
    }
}
