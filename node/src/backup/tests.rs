#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::sync::Arc;

use orrery_base::ids::{ClusterId, NodeId};
use orrery_engine::refound::{found_on_disk, state_on_disk};
use orrery_machine::{Command, ControlCommand, Member, Mutation, Placement, SKIPPED};

use super::*;
use crate::cli::{RecoverArgs, RestoreArgs};
use crate::storage::{NativeDisk, SnapshotEncoder};

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("orrery-backup-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn member(id: u64) -> Member {
    let (name, address) = (format!("node{id}").into(), format!("127.0.0.1:800{id}"));
    Member { id: NodeId(id), name, incarnation: 1, address }
}

fn control(machine: &mut Machine, index: u64, command: ControlCommand) {
    machine.apply(index, &Command { key: None, mutation: Mutation::Control(command) });
}

/// A cluster of two nodes with one shard.
fn groups() -> [Machine; 2] {
    let mut machine = Machine::of(GroupId::CONTROL);
    let members = vec![member(1), member(2)];
    let (cluster, shards, replicas) = (ClusterId(7), 1, 2);
    control(&mut machine, 1, ControlCommand::Form { cluster, shards, replicas, members });
    control(&mut machine, 2, ControlCommand::RaiseVersion { to: 2, members: vec![NodeId(1), NodeId(2)] });
    let placements = vec![Placement { shard: GroupId(1), replicas: vec![NodeId(2), NodeId(1)] }];
    control(&mut machine, 3, ControlCommand::PlaceShards { base: 0, placements });
    [machine, Machine::of(GroupId(1))]
}

fn backup_of(machines: &[Machine]) -> Vec<u8> {
    let mut bytes = file::MAGIC.to_vec();
    let mut sums = Vec::new();
    for machine in machines {
        let head = BackupHead {
            group: machine.group(),
            cluster: ClusterId(7),
            node: "node2".into(),
            term: 3,
            index: 40,
            taken_us: 1,
            members: vec![member(1), member(2)],
            shards: 1,
        };
        let (mut encoder, first) = SnapshotEncoder::begin();
        bytes.extend_from_slice(&first);
        for chunk in std::iter::once(head.encode().unwrap()).chain(machine.chunks()) {
            bytes.extend_from_slice(&encoder.chunk(&chunk).unwrap());
            bytes.extend_from_slice(&chunk);
        }
        bytes.extend_from_slice(&encoder.end());
        sums.push(u64::from_le_bytes(*bytes.last_chunk::<8>().unwrap()));
    }
    bytes.extend(file::end(&sums));
    bytes
}

#[test]
fn a_backup_that_was_cut_or_changed_is_refused() {
    let folder = Folder::new("damaged");
    let path = folder.0.join("backup");
    let bytes = backup_of(&groups());
    std::fs::write(&path, &bytes).unwrap();
    let read = read_all(&path).unwrap();
    assert_eq!(read.iter().map(|saved| saved.head.group.0).collect::<Vec<_>>(), [0, 1]);
    for cut in 0..bytes.len() {
        std::fs::write(&path, &bytes[..cut]).unwrap();
        assert!(read_all(&path).is_err(), "cut at {cut}");
    }
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        std::fs::write(&path, &changed).unwrap();
        assert!(read_all(&path).is_err(), "bit {} of byte {at}", at % 8);
    }
    // Whole groups that are missing, doubled or of another order.
    let [control, shard] = groups();
    let wrong = [
        vec![control.clone()],
        vec![shard.clone(), control.clone()],
        vec![control.clone(), shard.clone(), shard],
    ];
    for machines in wrong {
        std::fs::write(&path, backup_of(&machines)).unwrap();
        assert!(read_all(&path).is_err(), "{} groups", machines.len());
    }
}

fn open(path: &Path) -> NativeDisk {
    NativeDisk::open(path, Arc::new(|why| panic!("{why}"))).unwrap()
}

#[tokio::test]
async fn a_restored_folder_is_another_cluster_and_can_be_recovered_again() {
    let folder = Folder::new("restore");
    let (from, data) = (folder.0.join("backup"), folder.0.join("node2"));
    std::fs::write(&from, backup_of(&groups())).unwrap();
    let args = RestoreArgs { from, data: data.clone(), id: Some("node2".into()), advertise: None };
    restore(args.clone()).await.unwrap();
    let again = restore(args).await.unwrap_err().to_string();
    assert!(again.contains("not empty"), "{again}");

    let disk = open(&data);
    let found = found_on_disk(&disk).unwrap().unwrap();
    assert_eq!((found.name.as_str(), found.address.as_str()), ("node2", "127.0.0.1:8002"));
    assert_ne!(found.cluster, ClusterId(7));
    let control = state_on_disk(&disk, GroupId::CONTROL).await.unwrap().unwrap();
    assert_eq!((control.term, control.index), (3, 40 + SKIPPED));
    assert_eq!(control.machine.cluster().id(), Some(found.cluster));
    assert_eq!(control.machine.members().len(), 1);
    let shard = state_on_disk(&disk, GroupId(1)).await.unwrap().unwrap();
    assert_eq!(shard.machine.shard().unwrap().replicas, control.machine.members());
    drop(disk);

    let recovered = RecoverArgs { data: data.clone(), advertise: Some("host:1".into()) };
    recover(recovered.clone()).await.unwrap();
    let disk = open(&data);
    let found_again = found_on_disk(&disk).unwrap().unwrap();
    assert_ne!(found_again.cluster, found.cluster);
    assert_eq!(found_again.address, "host:1");
    let state = state_on_disk(&disk, GroupId::CONTROL).await.unwrap().unwrap();
    assert_eq!((state.index, state.machine.census().last_token), (40 + 2 * SKIPPED, 2 * SKIPPED));
    drop(disk);
    let kept = open(&folder.0.join("node2.before-recovery"));
    assert_eq!(found_on_disk(&kept).unwrap().unwrap().cluster, found.cluster, "the old folder is kept");
    let refused = recover(recovered).await.unwrap_err().to_string();
    assert!(refused.contains("move it away"), "{refused}");

    let empty = folder.0.join("empty");
    drop(open(&empty));
    let refused = recover(RecoverArgs { data: empty, advertise: None }).await.unwrap_err().to_string();
    assert!(refused.contains("never was part of a cluster"), "{refused}");
}
