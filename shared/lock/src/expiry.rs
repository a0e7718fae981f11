//! The lease clock: the only way in which time enters the lock table.

use orrery_base::ids::LeaseMs;

use super::fact::ReleaseCause;
use super::table::{Due, Step, Table};

impl Table {
    /// Moves the clock forward (never back) and ends what is due by then: first everything that is due, in order of
    /// its moments, then the locks go to who still waits. So nothing is handed to a wait that is over.
    pub fn advance_clock(&mut self, to_ms: LeaseMs, step: &mut Step) {
        self.clock_ms = self.clock_ms.max(to_ms);
        while let Some((at, due)) = self.deadlines.get_min().copied() {
            if at > self.clock_ms {
                break;
            }
            match due {
                Due::Wait(wait) => {
                    self.end_wait(wait, ReleaseCause::Expired, step);
                }
                Due::RefusedWait(wait) => {
                    self.remove_outcome(wait);
                }
                Due::Session(session) => {
                    self.end_session(session, ReleaseCause::SessionExpired, step);
                }
                Due::Lock(token) => {
                    self.take_back(token, ReleaseCause::Expired, step);
                }
            }
            // Each of these removes its own deadline; this keeps the loop finite even if one did not.
            self.deadlines.remove(&(at, due));
        }
        self.hand_over(step);
    }
}
