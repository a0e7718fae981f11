//! The newest shard map that anybody reports, and which shards are where it says.

use std::sync::Arc;

use orrery_base::ids::GroupId;
use orrery_placement::{PastRing, ShardTable};

use super::effect::Effect;
use super::view::View;

/// Takes over a map, unless one at least as new is in the view.
pub(super) fn install(view: &mut View, table: &ShardTable, now_us: u64) -> Effect {
    let Some(ring) = view.ring.followed_by(table, now_us) else { return Effect::Known };
    view.ring = Arc::new(ring);
    for placed in &table.shards {
        look(view, placed.shard, now_us);
    }
    Effect::New
}

/// Somebody who was there says with which map the change to the present one began: a reader that came later takes it over.
pub(super) fn recall(view: &mut View, before: &ShardTable, present: &ShardTable) {
    let ring = &view.ring;
    let is_present = ring.before.is_none() && ring.table.version == present.version;
    if is_present && before.version < present.version {
        Arc::make_mut(&mut view.ring).before = Some(Box::new(PastRing::of(before.clone())));
    }
}

/// Something of that group changed: its leader may say by now that it is where the map says.
pub(super) fn look(view: &mut View, shard: GroupId, now_us: u64) {
    let leader = view.leadership_of(shard).leader;
    let part = leader.and_then(|name| view.node(&name)?.groups.get(&shard));
    let arrives = part.is_some_and(|part| view.ring.arrives(shard, &part.voters, &part.learners));
    if arrives {
        let ring = Arc::make_mut(&mut view.ring);
        ring.ways[usize::from(shard.0) - 1].arrived_us = Some(now_us);
    }
}
