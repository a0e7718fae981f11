//! What the last change of the shard map moved. The record has only the present map; the one before is remembered by
//! each node since it started, and by those that saw no change nothing is said of one.

use orrery_placement::RingView;

use super::{Inner, StateMachine};
use crate::host::Host;

/// Follows the map of the record.
pub(super) fn follow<H: Host>(inner: &mut Inner<H>, now_us: u64) {
    let record = inner.machine.cluster();
    if record.map().version > inner.ring.table.version
        && let Some(ring) = inner.ring.followed_by(&record.shard_table(), now_us)
    {
        inner.ring = ring;
    }
}

impl<H: Host> StateMachine<H> {
    /// The ring as this node saw it change since it started. Which shards are on their way is not in it.
    pub fn ring(&self) -> RingView {
        self.inner().ring.clone()
    }
}
