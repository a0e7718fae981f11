//! The store against a model, with crashes at every moment: a batch is there as a whole or not at all, and
//! surely there once its sync completed.

use std::collections::BTreeMap;

use bytes::Bytes;
use orrery::storage::Store;
use orrery_base::ids::GroupId;
use orrery_engine::host::Write;

use orrery_sim::runtime::SplitMix;
use orrery_tests::sim::disk::CrashFile;

const GROUPS: u16 = 3;

#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    logs: BTreeMap<GroupId, BTreeMap<u64, Bytes>>,
    next: BTreeMap<GroupId, u64>,
    votes: BTreeMap<GroupId, Bytes>,
    given_up: BTreeMap<GroupId, Bytes>,
    committed: BTreeMap<GroupId, Bytes>,
    purged: BTreeMap<GroupId, (u64, Bytes)>,
    snapshots: BTreeMap<GroupId, (String, Bytes)>,
    node: Option<Bytes>,
}

impl Model {
    fn apply(&mut self, write: &Write) {
        match write {
            Write::Entries { group, entries } => {
                self.logs.entry(*group).or_default().extend(entries.iter().cloned());
                self.next.insert(*group, entries.last().unwrap().0 + 1);
            }
            Write::TruncateAfter { group, after } => {
                let purged = self.purged.get(group).map_or(0, |(through, _)| through + 1);
                let from = after.map_or(0, |after| after + 1).max(purged);
                self.logs.entry(*group).or_default().retain(|index, _| *index < from);
                let next = self.next.entry(*group).or_default();
                *next = (*next).min(from);
            }
            Write::Purge { group, through, log_id } => {
                self.logs.entry(*group).or_default().retain(|index, _| index > through);
                self.purged.insert(*group, (*through, log_id.clone()));
                let next = self.next.entry(*group).or_default();
                *next = (*next).max(through + 1);
            }
            Write::Vote { group, vote } => {
                self.votes.insert(*group, vote.clone());
            }
            Write::Committed { group, log_id: Some(log_id) } => {
                self.committed.insert(*group, log_id.clone());
            }
            Write::Committed { group, log_id: None } => {
                self.committed.remove(group);
            }
            Write::SnapshotPointer { group, name, meta } => {
                self.snapshots.insert(*group, (name.clone(), meta.clone()));
            }
            Write::Forget { group, given_up } => {
                self.given_up.extend(given_up.clone().map(|id| (*group, id)));
                self.logs.remove(group);
                self.next.remove(group);
                self.committed.remove(group);
                self.purged.remove(group);
                self.snapshots.remove(group);
            }
            Write::Node { value, .. } => self.node = Some(value.clone()),
        }
    }

    /// What a store holds, as a model.
    fn read(store: &Store) -> Model {
        let mut model = Model { node: store.node_value("node").unwrap(), ..Model::default() };
        for group in (0..GROUPS).map(GroupId) {
            let found = store.recover(group).unwrap();
            let log: BTreeMap<_, _> = store.entries(group, 0..u64::MAX).unwrap().into_iter().collect();
            let bounds = log.keys().next().copied().zip(log.keys().last().copied());
            assert_eq!(bounds, found.entries);
            if !log.is_empty() {
                model.logs.insert(group, log);
            }
            model.given_up.extend(found.given_up.map(|id| (group, id)));
            model.votes.extend(found.vote.map(|vote| (group, vote)));
            model.committed.extend(found.committed.map(|committed| (group, committed)));
            model.snapshots.extend(found.snapshot.map(|snapshot| (group, snapshot)));
            model.purged.extend(found.purged.map(|log_id| (group, (0, log_id))));
        }
        model
    }

    /// The same without what a store does not tell.
    fn visible(&self) -> Model {
        let mut model = self.clone();
        model.next.clear();
        model.logs.retain(|_, log| !log.is_empty());
        model.purged.values_mut().for_each(|purged| purged.0 = 0);
        model
    }

    fn random_write(&self, rng: &mut SplitMix) -> Write {
        let group = GroupId(rng.range(0..u64::from(GROUPS)) as u16);
        let next = self.next.get(&group).copied().unwrap_or(0);
        let purged = self.purged.get(&group).map_or(0, |(through, _)| through + 1);
        let bytes = |rng: &mut SplitMix| Bytes::from(rng.bits().to_le_bytes().to_vec());
        match rng.range(0..13) {
            0 => Write::Vote { group, vote: bytes(rng) },
            1 => Write::Committed { group, log_id: Some(bytes(rng)) },
            2 => Write::Node { key: "node", value: bytes(rng) },
            3 => Write::SnapshotPointer { group, name: format!("s{}", rng.bits()), meta: bytes(rng) },
            4 => Write::TruncateAfter { group, after: rng.range(purged..next + 1).checked_sub(1) },
            5 => {
                let through = rng.range(purged..next + 3);
                Write::Purge { group, through, log_id: bytes(rng) }
            }
            6 => Write::Forget { group, given_up: rng.chance(500).then(|| bytes(rng)) },
            _ => {
                let count = 1 + rng.range(0..40);
                let longest = if rng.chance(100) { 9_000 } else { 200 };
                let entry =
                    |rng: &mut SplitMix| Bytes::from(vec![rng.bits() as u8; rng.range(0..longest) as usize]);
                let entries = (next..next + count).map(|index| (index, entry(rng))).collect();
                Write::Entries { group, entries }
            }
        }
    }
}

fn run(seed: u64) -> (u32, u32) {
    let mut rng = SplitMix::new(seed, 1);
    let (file, mark) = (CrashFile::new(), CrashFile::new());
    let mut store = Store::open(file.open(), mark.open()).unwrap();
    file.complete_syncs();
    mark.complete_syncs();
    let mut model = Model::default();
    let (mut kept, mut lost) = (0, 0);
    for _ in 0..60 {
        let mut after = model.clone();
        let batch: Vec<Write> = (0..1 + rng.range(0..4))
            .map(|_| {
                let write = after.random_write(&mut rng);
                after.apply(&write);
                write
            })
            .collect();
        store.commit(&batch).unwrap();
        if !rng.chance(200) {
            file.complete_syncs();
            store.acknowledge().unwrap();
            model = after;
            continue;
        }
        file.crash(&mut rng);
        mark.crash(&mut rng);
        // A recovery that is interrupted as well must not make it worse.
        for _ in 0..rng.range(0..3) {
            drop(Store::open(file.open(), mark.open()).unwrap());
            file.crash(&mut rng);
            mark.crash(&mut rng);
        }
        store = Store::open(file.open(), mark.open()).unwrap();
        file.complete_syncs();
        mark.complete_syncs();
        let found = Model::read(&store);
        if found == after.visible() {
            kept += 1;
            model = after;
        } else {
            assert_eq!(found, model.visible(), "seed {seed}: neither before nor after the batch");
            lost += 1;
        }
    }
    assert_eq!(Model::read(&store), model.visible(), "seed {seed}");
    (kept, lost)
}

#[test]
fn a_crash_leaves_whole_batches() {
    let (mut kept, mut lost) = (0, 0);
    for seed in 0..150 {
        let outcome = run(seed);
        kept += outcome.0;
        lost += outcome.1;
    }
    assert!(kept > 50 && lost > 50, "kept {kept}, lost {lost}: the crashes do not reach both");
}
