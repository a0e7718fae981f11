//! What an event takes in memory, near enough for a bound.

use orrery_event::{Event, Fact};
use serde::Serialize;

/// Names and lists of a fact that has nothing large.
const SMALL: usize = 128;

/// Memory of a value beside its encoded bytes: pointers, lengths, capacities.
const IN_MEMORY: usize = 3;

/// Bytes of one event.
pub(super) fn of(event: &Event) -> usize {
    size_of::<Event>() + heap(&event.fact)
}

fn heap(fact: &Fact) -> usize {
    match fact {
        Fact::Appended { entries, .. } => {
            entries.iter().map(|entry| size_of_val(entry) + entry.what.len()).sum()
        }
        Fact::ServiceResumed { locks, .. } => encoded(locks),
        Fact::LocksResumed { locks, .. } => encoded(locks),
        Fact::QueuesResumed { queues, .. } => encoded(queues),
        Fact::CachesResumed { values, .. } => encoded(values),
        Fact::ShardsPlaced { shards, .. } => encoded(shards),
        Fact::CacheUse { stats } => encoded(stats),
        Fact::MembershipChanged { voters, learners, .. } => SMALL * (1 + voters.len() + learners.len()),
        _ => SMALL,
    }
}

fn encoded(value: &impl Serialize) -> usize {
    let size = postcard::serialize_with_flavor(value, postcard::ser_flavors::Size::default());
    size.unwrap_or_default() * IN_MEMORY
}
