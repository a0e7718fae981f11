//! When the log has grown so much that a snapshot is due.

use orrery_base::ids::{GroupId, NodeId};

use crate::config::EngineConfig;

/// A snapshot of at most so many bytes costs so little that the number of entries alone says when it is due.
const SMALL_SNAPSHOT_BYTES: u64 = 1 << 20;

/// When a snapshot is due, which a node's groups and a group's nodes reach at different times.
pub struct Due {
    bytes: u64,
    entries: u64,
}

impl Due {
    /// For one group on one node.
    pub fn of(group: GroupId, me: NodeId, config: &EngineConfig) -> Due {
        // Multiples of the golden ratio: the fractions of numbers that follow each other lie far apart.
        let number = u64::from(group.0).wrapping_add(me.0.wrapping_mul(5));
        let fraction = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let spread = |due: u64| due.saturating_add((due >> 1).saturating_mul(fraction) >> 32);
        Due { bytes: spread(config.snapshot_log_bytes), entries: spread(config.snapshot_log_entries) }
    }

    /// After so many bytes and entries since the last snapshot, which had `last` bytes. What snapshots write stays in
    /// proportion to what the log writes, however large the state is.
    pub fn reached(&self, bytes: u64, entries: u64, last: u64) -> bool {
        let worth = bytes > last || last <= SMALL_SNAPSHOT_BYTES;
        worth && (bytes > self.bytes || entries >= self.entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Profile;

    #[test]
    fn snapshots_are_due_in_proportion_to_the_state_and_not_all_at_once() {
        let config = EngineConfig::new(Profile::Realistic);
        let (bytes, entries) = (config.snapshot_log_bytes, config.snapshot_log_entries);
        let due = |group, me| Due::of(GroupId(group), NodeId(me), &config);
        let mut all: Vec<u64> =
            (1..=3).flat_map(|me| (0..=8).map(move |group| due(group, me).entries)).collect();
        assert!(all.iter().all(|due| (entries..=entries * 3 / 2).contains(due)), "{all:?}");
        all.sort_unstable();
        all.dedup();
        assert!(all.len() >= 18, "three nodes and nine groups: {all:?}");
        let due = due(1, 1);
        let table = [
            // By entries alone while the last one was small,
            (0, due.entries, SMALL_SNAPSHOT_BYTES, true),
            (0, due.entries - 1, 0, false),
            // by bytes,
            (due.bytes + 1, 0, 0, true),
            (due.bytes, 0, 0, false),
            // and by neither before the log has grown by as much as the last one has.
            (bytes, entries * 2, bytes * 2, false),
            (bytes * 2 + 1, entries * 2, bytes * 2, true),
        ];
        for (bytes, entries, last, expected) in table {
            assert_eq!(due.reached(bytes, entries, last), expected, "{bytes} {entries} {last}");
        }
    }
}
