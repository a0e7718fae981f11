//! Release: give a lock back.

use smol_str::SmolStr;

use super::fact::ReleaseCause;
use super::table::{Step, Table};
use super::{FencingToken, Holder, LockReply};

impl Table {
    pub(super) fn release(
        &mut self,
        resource: &SmolStr,
        holder: &Holder,
        fencing_token: Option<FencingToken>,
        step: &mut Step,
    ) -> LockReply {
        match self.own_lock(resource, holder, fencing_token) {
            Err(reply) => reply,
            Ok(token) => {
                self.take_back(token, ReleaseCause::Client, step);
                self.hand_over(step);
                LockReply::Released { fencing_token: token }
            }
        }
    }

    /// The token under which `holder` has the lock; the refusal where it has not, or not under `expected`.
    pub(super) fn own_lock(
        &self,
        resource: &SmolStr,
        holder: &Holder,
        expected: Option<FencingToken>,
    ) -> Result<FencingToken, LockReply> {
        if !self.session_is_open(holder) {
            return Err(LockReply::SessionExpired);
        }
        match self.claim(holder, resource).hold {
            Some(token) if expected.is_none_or(|expected| expected == token) => Ok(token),
            _ => Err(LockReply::NotHolder { holders: self.holders_shown(resource) }),
        }
    }
}
