//! The newest shard map that anybody reports.

use std::sync::Arc;

use super::fact::ShardTable;
use super::fold::Effect;
use super::view::{RingView, View, ring_of};

/// Takes over a map, unless one at least as new is in the view.
pub(super) fn install(view: &mut View, table: &ShardTable, now_us: u64) -> Effect {
    if table.version <= view.ring.table.version {
        return Effect::Known;
    }
    let known = view.ring.table.version > 0;
    let before = known.then(|| Box::new(view.ring.base_of(table)));
    view.ring = Arc::new(RingView {
        table: table.clone(),
        ring: ring_of(table),
        since_us: if known { now_us } else { 0 },
        before,
    });
    Effect::New
}
