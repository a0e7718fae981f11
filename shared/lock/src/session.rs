//! Sessions: one lease for all locks and waits of a client.

use smol_str::SmolStr;

use super::fact::{LockFact, ReleaseCause};
use super::limits::{SESSIONS_MAX, SESSIONS_PER_CLIENT_MAX};
use super::table::{Due, Session, Step, Table};
use super::{Holder, SessionCommand, SessionId, SessionReply};

impl Table {
    /// Does what a session command says.
    pub fn apply_session(&mut self, command: &SessionCommand, step: &mut Step) -> SessionReply {
        match command {
            SessionCommand::Open { client, ttl_ms } => self.open_session(client, *ttl_ms, step),
            SessionCommand::Renew { session } => self.renew_session(*session, step),
            SessionCommand::Close { session } => self.close_session(*session, step),
        }
    }

    fn open_session(&mut self, client: &SmolStr, ttl_ms: u64, step: &mut Step) -> SessionReply {
        if self.sessions.len() >= SESSIONS_MAX {
            return SessionReply::LimitReached {
                what: format!("{SESSIONS_MAX} sessions are open, which is the bound"),
            };
        }
        if self.session_counts.get(client).is_some_and(|open| *open >= SESSIONS_PER_CLIENT_MAX) {
            return SessionReply::LimitReached {
                what: format!(
                    "{client} has {SESSIONS_PER_CLIENT_MAX} open sessions, which is the bound of one client"
                ),
            };
        }
        let session = SessionId(step.index);
        let expires_at_ms = self.after(ttl_ms);
        self.insert_session(session, Session { client: client.clone(), ttl_ms, expires_at_ms });
        step.facts.push(LockFact::SessionOpened { session, client: client.clone(), expires_at_ms });
        SessionReply::Opened { session, expires_in_ms: ttl_ms }
    }

    fn renew_session(&mut self, id: SessionId, step: &mut Step) -> SessionReply {
        let now = self.clock_ms;
        let Some(session) = self.sessions.get_mut(&id) else { return SessionReply::Expired };
        let expires_at_ms = now.saturating_add(session.ttl_ms);
        let before = std::mem::replace(&mut session.expires_at_ms, expires_at_ms);
        let expires_in_ms = session.ttl_ms;
        self.deadlines.remove(&(before, Due::Session(id)));
        self.deadlines.insert((expires_at_ms, Due::Session(id)));
        step.facts.push(LockFact::SessionRenewed { session: id, expires_at_ms });
        SessionReply::Renewed { expires_in_ms }
    }

    fn close_session(&mut self, id: SessionId, step: &mut Step) -> SessionReply {
        match self.end_session(id, ReleaseCause::SessionClosed, step) {
            None => SessionReply::Expired,
            Some((released, cancelled)) => {
                self.hand_over(step);
                SessionReply::Closed { released, cancelled }
            }
        }
    }

    /// Ends a session and everything under it, in order of the resources' names. Returns how many locks and waits.
    pub(super) fn end_session(
        &mut self,
        id: SessionId,
        cause: ReleaseCause,
        step: &mut Step,
    ) -> Option<(u32, u32)> {
        let session = self.remove_session(id)?;
        let holder = Holder { client: session.client.clone(), session: Some(id) };
        step.facts.push(LockFact::SessionEnded { session: id, client: session.client, cause });
        let first = (holder.clone(), SmolStr::default());
        let claims: Vec<_> = self
            .claims
            .range(first..)
            .take_while(|((of, _), _)| *of == holder)
            .map(|(_, claim)| *claim)
            .collect();
        let (mut released, mut cancelled) = (0, 0);
        for claim in claims {
            if let Some(token) = claim.hold {
                cancelled += self.take_back(token, cause, step);
                released += 1;
            }
            if let Some(wait) = claim.wait {
                cancelled += self.end_wait(wait, cause, step);
            }
            if let Some(refused) = claim.outcome {
                self.remove_outcome(refused);
            }
        }
        Some((released, cancelled))
    }
}
