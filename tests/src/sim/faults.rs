//! Everything that a seed chooses, as one struct of options.

use std::ops::Range;

use orrery_sim::faults::{DiskFaults, LinkFaults};
use orrery_sim::runtime::SplitMix;

/// What happens to a cluster in one run.
#[derive(Clone, Debug)]
pub struct Faults {
    /// The nodes run with the timers of `wan`, and without it with those of `realistic`.
    pub wan: bool,
    /// How many nodes found the cluster.
    pub nodes: u32,
    /// How many more there are, which may join it.
    pub spares: u32,
    /// How many faults are injected, one after the other.
    pub rounds: u32,
    /// Virtual time between two faults, microseconds.
    pub pause_between_us: Range<u64>,
    pub links: LinkFaults,
    pub disk: DiskFaults,
    /// How often each kind of fault is drawn, relative to the others.
    pub weights: Weights,
    /// How long a paused node stands still, microseconds.
    pub node_pause_us: Range<u64>,
    /// How far a node's wall clock may be off, in either direction, microseconds.
    pub clock_offset_us_max: u64,
    /// Shards, beside the control group.
    pub shards: u16,
    /// Clients of the shards.
    pub shard_clients: u32,
    /// Clients of the queue service.
    pub queue_clients: u32,
    /// Clients of the cache.
    pub cache_clients: u32,
    /// Whoever is away for so many seconds is replaced in its shards; 0: nobody is.
    pub down_after_s: u64,
    /// Clients of the lock service.
    pub clients: u32,
    /// Resources that they fight for.
    pub resources: u32,
    /// Entries after which a snapshot is due.
    pub snapshot_entries: u64,
    /// Entries that stay behind a snapshot.
    pub keep_entries: u64,
    /// How often, in the middle of it all, an earlier copy of a node's folder is put in the place of its folder.
    pub set_backs: u32,
    /// More nodes than a minority may be down or cut off at the same time: nothing can go on then, and
    /// nothing may go wrong either.
    pub beyond_minority: bool,
}

/// How often each kind of fault is drawn.
#[derive(Clone, Debug)]
pub struct Weights {
    /// A machine stops and loses what was not synced.
    pub crash: u64,
    /// All machines stop at once.
    pub crash_all: u64,
    /// A node's tasks stand still for a while.
    pub pause: u64,
    /// One direction of one link is cut.
    pub cut_one_way: u64,
    /// The nodes fall into two parts, in both directions or in one.
    pub partition: u64,
    /// All links work again.
    pub heal: u64,
    /// The leader hands over.
    pub transfer: u64,
    /// A wall clock jumps.
    pub clock_jump: u64,
    /// A spare node joins.
    pub join: u64,
    /// A member is asked to leave.
    pub leave: u64,
    /// One direction of one link is slow, loses messages, …: any fault that a link can have.
    pub impair: u64,
}

impl Faults {
    /// What a seed means.
    pub fn of_seed(seed: u64) -> Faults {
        let mut rng = SplitMix::new(seed, 0xfa_0175);
        let rng = &mut rng;
        let calm = rng.chance(150);
        let rare = |rng: &mut SplitMix, most: u64| if rng.chance(500) { 0 } else { rng.range(0..most) };
        let weight = |rng: &mut SplitMix| if rng.chance(250) { 0 } else { rng.range(1..10) };
        let faults = Faults {
            wan: false,
            nodes: *rng.pick(&[3, 3, 3, 5, 5, 1, 2, 4]).unwrap_or(&3),
            spares: 0,
            rounds: 10 + rng.range(0..15) as u32,
            pause_between_us: 20_000..rng.range(200_000..1_500_000),
            links: LinkFaults {
                delay_us: 100..rng.range(300..8_000),
                slow_per_mille: rare(rng, 50),
                slow_us: 10_000..rng.range(20_000..400_000),
                loss_per_mille: if calm { 0 } else { rare(rng, 60) },
                duplicate_per_mille: if calm { 0 } else { rare(rng, 60) },
            },
            disk: DiskFaults {
                sync_us: 200..rng.range(400..8_000),
                hang_per_mille: rare(rng, 20),
                hang_us: 20_000..rng.range(50_000..500_000),
            },
            weights: Weights {
                crash: weight(rng).max(1),
                crash_all: if rng.chance(300) { 2 } else { 0 },
                pause: weight(rng),
                cut_one_way: weight(rng),
                partition: weight(rng),
                heal: 3,
                transfer: weight(rng),
                clock_jump: weight(rng) / 3,
                join: 0,
                leave: 0,
                impair: 0,
            },
            node_pause_us: 50_000..rng.range(100_000..3_000_000),
            clock_offset_us_max: 3_600_000_000,
            clients: 2 + rng.range(0..5) as u32,
            resources: 1 + rng.range(0..4) as u32,
            snapshot_entries: *rng.pick(&[20, 60, 200, 100_000]).unwrap_or(&60),
            keep_entries: rng.range(0..30),
            set_backs: 0,
            beyond_minority: rng.chance(400),
            shards: 1 + rng.range(0..2) as u16,
            shard_clients: 1 + rng.range(0..3) as u32,
            queue_clients: 0,
            cache_clients: 0,
            down_after_s: if rng.chance(500) { 0 } else { rng.range(1..3) },
        };
        // A shard's clock is the register that its clients write, and moves by itself where queues are used.
        let faults = if rng.chance(600) {
            Faults { shard_clients: 0, queue_clients: 1 + rng.range(0..3) as u32, ..faults }
        } else {
            faults
        };
        if rng.chance(500) {
            let weights = Weights { join: rng.range(1..6), leave: rng.range(1..6), ..faults.weights };
            Faults { spares: 1 + rng.range(0..3) as u32, weights, ..faults }
        } else {
            faults
        }
    }

    /// The same seed with links that suffer from everything that a link can suffer from.
    pub fn of_impaired_seed(seed: u64) -> Faults {
        let faults = Faults::of_seed(seed);
        Faults { weights: Weights { impair: 10, ..faults.weights }, ..faults }
    }

    /// The same seed with folders that are set back, and as many nodes as it takes to go on without one.
    pub fn of_set_back_seed(seed: u64) -> Faults {
        let faults = Faults::of_seed(seed);
        let weights = Weights { join: 0, leave: 0, ..faults.weights };
        Faults { nodes: faults.nodes.max(3), spares: 0, set_backs: 1, weights, ..faults }
    }

    /// What the same seed means for the cache: others who ask, the same faults, and links that are cut for longer than a lease
    /// more often: what was written behind them and not brought home is lost, and its node is told.
    pub fn of_cache_seed(seed: u64) -> Faults {
        let mut rng = SplitMix::new(seed, 0xcac4e);
        let faults = Faults::of_seed(seed);
        let mut weights = faults.weights.clone();
        weights.cut_one_way = weights.cut_one_way.max(10);
        weights.partition = weights.partition.max(10);
        Faults {
            clients: 1,
            shard_clients: 0,
            queue_clients: 0,
            cache_clients: 4 + rng.range(0..4) as u32,
            rounds: faults.rounds * 3,
            pause_between_us: 20_000..faults.pause_between_us.end.max(800_000),
            weights,
            ..faults
        }
    }
}
