//! How services follow a group: by what it applies and when it leads, without the group knowing them.

use std::sync::Arc;

use orrery_base::ids::{GroupId, LeaseMs};
use orrery_machine::Applied;

/// What a group tells. Every method is quick and calls nothing of the group: all but [`Watcher::moved`] run under its state's
/// lock, so that what a watcher keeps and the state that a reader sees under that lock agree.
pub trait Watcher: Send + Sync {
    /// A command was applied.
    fn applied(&self, _news: &News<'_>) {}

    /// A snapshot took the place of the state.
    fn replaced(&self) {}

    /// This node begins to lead, at that monotonic microsecond.
    fn leads(&self, _now_us: u64) {}

    /// Something changed of who leads: the role, the first applied entry of a term, or the group ended here.
    fn moved(&self) {}
}

/// A command that was applied.
pub struct News<'a> {
    pub applied: &'a Applied,
    /// The lease clock after it.
    pub clock_ms: LeaseMs,
    /// Monotonic microsecond of now.
    pub now_us: u64,
    /// Whether this node leads.
    pub leads: bool,
}

/// Those who follow one group.
pub type Watchers = Vec<Arc<dyn Watcher>>;

/// Makes those who follow a group that starts.
pub type Watch = Arc<dyn Fn(GroupId) -> Watchers + Send + Sync>;
