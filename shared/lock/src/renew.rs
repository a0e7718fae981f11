//! Renew: lengthen the lease of a held lock.

use smol_str::SmolStr;

use super::fact::LockFact;
use super::table::{Step, Table};
use super::{FencingToken, Holder, LockReply};

impl Table {
    /// With a length the lease ends then, which may be earlier than before: that is the client's own decision, and it
    /// stops counting on the old end when it sends it. Without one the length asked for last is used again, and the
    /// lease never gets shorter: the answer may get lost, and the client still counts on what it was promised before.
    /// Under a session there is nothing to set: the answer says what is left of the session.
    pub(super) fn renew(
        &mut self,
        resource: &SmolStr,
        holder: &Holder,
        fencing_token: Option<FencingToken>,
        ttl_ms: Option<u64>,
        step: &mut Step,
    ) -> LockReply {
        let token = match self.own_lock(resource, holder, fencing_token) {
            Err(reply) => return reply,
            Ok(token) => token,
        };
        let now = self.clock_ms;
        if holder.session.is_none()
            && let Some(hold) = self.holds.get_mut(&token)
        {
            let promised_ms = if ttl_ms.is_some() { None } else { hold.expires_at_ms };
            hold.ttl_ms = ttl_ms.unwrap_or(hold.ttl_ms);
            let expires_at_ms = now.saturating_add(hold.ttl_ms).max(promised_ms.unwrap_or(0));
            self.set_hold_lease(token, expires_at_ms);
            step.facts.push(LockFact::Renewed {
                resource: resource.clone(),
                holder: holder.clone(),
                expires_at_ms,
            });
        }
        let expires_in_ms = self.holds.get(&token).map_or(0, |hold| self.hold_left(hold));
        LockReply::Renewed { expires_in_ms, fencing_token: token }
    }
}
