//! Planted bugs: each is a rule of the protocol that is broken on purpose, to prove that the checks bite.
//! They live in the simulator's disk and clients; the product has no switch for them, but for those of the cache, which its
//! own tests break too.

use bytes::Bytes;
use orrery_base::ids::GroupId;
use orrery_cache::Broken;
use orrery_engine::host::Write;
use orrery_lock::{Holder, LockCommand, Mode, Wait};
use orrery_machine::{Command, Machine, Mutation};

use orrery_sim::runtime::TaskGroup;

/// The node whose snapshots are wrong.
const SPOILED: TaskGroup = 2;

/// Which rules are broken. All are kept by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bugs {
    /// Entries are acknowledged before they are synced.
    pub ack_before_sync: bool,
    /// A vote is answered and never reaches the disk.
    pub vote_not_synced: bool,
    /// Reads are answered from what the node applied, without a read index.
    pub no_read_index: bool,
    /// Retries carry no idempotency key.
    pub no_dedupe: bool,
    /// Retries of queue requests carry no idempotency key.
    pub no_queue_dedupe: bool,
    /// Consumers count a delivery's visibility from the moment at which they received it.
    pub visibility_from_receipt: bool,
    /// Clients count a lease from the moment at which they received it.
    pub lease_from_receipt: bool,
    /// A node's snapshot has a state to which its log does not lead.
    pub state_differs: bool,
    /// Rules of the cache.
    pub cache: Broken,
}

impl Bugs {
    /// Whether the disk answers this submission before it is written.
    pub fn acknowledges_early(self, writes: &[Write]) -> bool {
        self.ack_before_sync && writes.iter().any(|write| matches!(write, Write::Entries { .. }))
    }

    /// What that node reads as the snapshot of a group: with all its checksums, and a lock that nobody asked for.
    pub fn read_snapshot(self, node: TaskGroup, group: GroupId, chunks: Vec<Bytes>) -> Vec<Bytes> {
        if !self.state_differs || node != SPOILED || group != GroupId::CONTROL {
            return chunks;
        }
        let mut machine = Machine::decode(&chunks).expect("it was written by a node");
        let mutation = Mutation::Lock(LockCommand::Acquire {
            resource: "spoiled".into(),
            holder: Holder { client: "nobody".into(), session: None },
            mode: Mode::Exclusive,
            ttl_ms: 3_600_000,
            wait: Wait::No,
        });
        machine.apply(1, &Command { key: None, mutation });
        machine.encode()
    }
}
