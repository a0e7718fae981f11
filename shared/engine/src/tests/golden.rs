//! Golden bytes of what is written to disks (format version 2; those of version 1 are still read) and to peers (format
//! version 3).
//!
//! A difference here means that an older data directory or an older peer is no longer understood: raise the version
//! instead. `UPDATE=1 cargo test -p orrery-engine golden` writes the file anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use bytes::Bytes;
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, VoteRequest, VoteResponse};
use openraft::{EntryPayload, Membership};
use openraft_rt_tokio::TokioRuntime;
use orrery_base::hlc::Hlc;
use orrery_base::ids::{ClusterId, GroupId, NodeId};
use orrery_base::key::IdempotencyKey;
use orrery_cache::message::{Ask, Grant, Recall, Recalled, Source, Told};
use orrery_cache::{Stamp, State};
use orrery_lock::{Holder, LockCommand, LockReply, Mode, Wait};
use orrery_machine::{Command, Member, Mutation, Reply};
use serde::Serialize;

use crate::cluster::identity::Identity;
use crate::codec;
use crate::codec::{DISK_VERSION, PEER_VERSION};
use crate::peer::message::{
    Beat, BeatAnswer, Envelope, PeerRequest, PeerResponse, Probed, ProposeOutcome, ReadOutcome, SnapshotPart,
    Standing,
};
use crate::peer::message::{Foundation, Look, QueueAsk, QueueTold};
use crate::peer::timing::Timing;
use crate::peer::witness::{Boot, Boots, Meeting, Promise, Testimony};
use crate::types::{CommittedLeader, Entry, LogId, SnapshotMeta, StoredMembership, Vote};

type Request = PeerRequest<TokioRuntime>;
type Response = PeerResponse<TokioRuntime>;
type WitnessRow = (Option<ClusterId>, Vec<(NodeId, Testimony)>);

const GOLDEN: &str = include_str!("golden.txt");

/// What the disk's version 1 wrote.
const DISK_1: &str = include_str!("golden_disk_1.txt");

fn log_id(term: u64, index: u64) -> LogId {
    LogId { leader_id: CommittedLeader::new(term), index }
}

fn member(id: u64) -> Member {
    Member {
        id: NodeId(id),
        name: format!("node{id}").into(),
        incarnation: 1,
        address: format!("127.0.0.1:800{id}"),
    }
}

fn command() -> Command {
    Command {
        key: Some(IdempotencyKey { client: "Ayu".into(), number: 7 }.into()),
        mutation: Mutation::Lock(LockCommand::Acquire {
            resource: "printer".into(),
            holder: Holder { client: "Ayu".into(), session: None },
            mode: Mode::Exclusive,
            ttl_ms: 30_000,
            wait: Wait::LongPoll { deadline_ms: 25_000 },
        }),
    }
}

fn membership() -> Membership<NodeId, Member> {
    let voters = BTreeSet::from([NodeId(1), NodeId(2)]);
    let nodes: BTreeMap<_, _> = (1..=3).map(|id| (NodeId(id), member(id))).collect();
    Membership::new(vec![voters], nodes).expect("every voter is a node")
}

fn foundation() -> Foundation {
    Foundation { cluster: ClusterId(0xc1), shards: 8, replicas: 3, members: vec![member(1), member(2)] }
}

fn meta() -> SnapshotMeta {
    SnapshotMeta {
        last_log_id: Some(log_id(3, 300)),
        last_membership: StoredMembership::new(Some(log_id(1, 0)), membership()),
    }
}

fn entries() -> Vec<Entry> {
    vec![
        Entry { log_id: log_id(1, 0), payload: EntryPayload::Membership(membership()) },
        Entry { log_id: log_id(1, 1), payload: EntryPayload::Blank },
        Entry { log_id: log_id(2, 2), payload: EntryPayload::Normal(command()) },
    ]
}

fn requests() -> Vec<(&'static str, Request)> {
    let vote = Vote::new(4, NodeId(2));
    let part = SnapshotPart {
        transfer: 1,
        vote: Vote::new_committed(4, NodeId(2)),
        meta: meta(),
        total: 6,
        offset: 3,
        bytes: Bytes::from_static(b"abc"),
    };
    let append = AppendEntriesRequest {
        vote: Vote::new_committed(4, NodeId(2)),
        prev_log_id: Some(log_id(1, 1)),
        entries: entries().split_off(2),
        leader_commit: Some(log_id(1, 1)),
    };
    let beat = AppendEntriesRequest {
        vote: Vote::new_committed(4, NodeId(2)),
        prev_log_id: Some(log_id(1, 1)),
        entries: Vec::new(),
        leader_commit: Some(log_id(1, 1)),
    };
    vec![
        ("append", PeerRequest::Append(append)),
        ("vote", PeerRequest::Vote(VoteRequest::new(vote, Some(log_id(2, 2))))),
        ("pre-vote", PeerRequest::PreVote(VoteRequest::new(vote, None))),
        ("snapshot", PeerRequest::Snapshot(part)),
        ("propose", PeerRequest::Propose { command: command(), within_ms: 5_000, tried: true }),
        ("read-index", PeerRequest::ReadIndex { within_ms: 5_000 }),
        ("probe", PeerRequest::Probe),
        ("found", PeerRequest::Found { foundation: foundation(), vacancy: 11 }),
        ("join", join()),
        ("hand-over", PeerRequest::HandOver { to: NodeId(3), within_ms: 5_000 }),
        ("version", PeerRequest::Version),
        ("queue-ready", PeerRequest::Queue { ask: ask(), within_ms: 5_000 }),
        ("queue-stats", PeerRequest::Queue { ask: QueueAsk::Stats { topic: None }, within_ms: 5_000 }),
        ("standing", PeerRequest::Standing),
        (
            "cache-read",
            PeerRequest::Cache { asked: 7, ask: Ask::GetS { address: "user:7".into() }, within_ms: 400 },
        ),
        ("cache-write", PeerRequest::Cache { asked: 8, ask: write(), within_ms: 400 }),
        ("cache-recall", PeerRequest::Recall { boot: 3, recall: recall() }),
        ("cache-directory", PeerRequest::Directory { address: "user:7".into() }),
        (
            "heartbeats",
            PeerRequest::Heartbeats {
                beats: vec![Beat { group: GroupId(3), append: beat, confirmed_us: Some(40_000) }],
                timing: Timing { heartbeat_ms: 44, election_ms_min: 132, election_ms_max: 220 },
            },
        ),
        ("meet", PeerRequest::Meet(meeting())),
        ("vacant", PeerRequest::Vacant { name: "node3".into(), attempt: 9, replace: true }),
    ]
}

fn join() -> Request {
    PeerRequest::Join {
        address: "127.0.0.1:8003".into(),
        attempt: 9,
        commands: 1,
        profile: "realistic".into(),
        replace: false,
    }
}

fn empty() -> Probed {
    Probed::Empty { vacancy: 11, names: vec!["node1".into(), "node2".into()], profile: "realistic".into() }
}

fn testimony() -> Testimony {
    let promise = Promise {
        group: GroupId(3),
        term: 4,
        last: Some(log_id(4, 20)),
        committed: Some(log_id(3, 19)),
        digest: Some(7),
    };
    Testimony { boot: Boot { number: 6, id: 0x11fe }, promises: vec![promise] }
}

fn meeting() -> Meeting {
    Meeting {
        boot: Boot { number: 2, id: 0xb007 },
        promises: testimony().promises,
        seen: Some(testimony()),
        halted: false,
        contradicts: false,
        address: "127.0.0.1:8002".into(),
        profile: "realistic".into(),
    }
}

fn witness_row() -> WitnessRow {
    (Some(ClusterId(0xc1)), vec![(NodeId(2), testimony())])
}

fn write() -> Ask {
    let value = Some(Bytes::from_static(b"7"));
    let key = IdempotencyKey { client: "Ayu".into(), number: 9 }.into();
    Ask::Write { address: "user:7".into(), value, if_version: Some(5), key }
}

fn recall() -> Recall {
    Recall::Fetch { address: "user:7".into(), stamp: Stamp { term: 4, n: 9 }, invalidate: true }
}

fn filled() -> Told {
    let grant = Grant { stamp: Stamp { term: 4, n: 10 }, state: State::E, version: 5 };
    let value = Some((5, Bytes::from_static(b"7")));
    Told::Filled { term: 4, value, grant: Some(grant), source: Source::Owner("node3".into()) }
}

fn ask() -> QueueAsk {
    QueueAsk::Ready {
        topic: "orders".into(),
        group: "billing".into(),
        key: command().key.map(|key| key.shown()),
    }
}

fn responses() -> Vec<(&'static str, Response)> {
    let reply =
        LockReply::Acquired { fencing_token: 5, expires_in_ms: 30_000, mode: Mode::Shared, reentrant: false };
    vec![
        ("append", PeerResponse::Append(AppendEntriesResponse::Success)),
        ("conflict", PeerResponse::Append(AppendEntriesResponse::Conflict)),
        ("vote", PeerResponse::Vote(VoteResponse::new(Vote::new(4, NodeId(2)), Some(log_id(2, 2)), true))),
        ("part", PeerResponse::SnapshotPart { received: 6 }),
        ("applied", PeerResponse::Propose(ProposeOutcome::Applied { index: 2, reply: Reply::Lock(reply) })),
        ("not-leader", PeerResponse::Propose(ProposeOutcome::NotLeader { leader: Some(member(1)) })),
        ("read-index", PeerResponse::ReadIndex(ReadOutcome::Index { index: 2, clock_ms: Some(7_000) })),
        ("empty", PeerResponse::Probe(empty())),
        ("formed", PeerResponse::Probe(Probed::Formed(foundation()))),
        ("founded", PeerResponse::Founded),
        ("joined", PeerResponse::Joined { me: member(3), foundation: foundation() }),
        ("refused", PeerResponse::Refused { why: "no".into() }),
        ("handed-over", PeerResponse::HandedOver),
        ("dismissed", PeerResponse::Dismissed { why: "no".into() }),
        ("version", PeerResponse::Version { commands: 1 }),
        ("queue-ready", PeerResponse::Queue(QueueTold::Ready { look: Look::Ready(7), known: false })),
        ("queue-not-leader", PeerResponse::Queue(QueueTold::NotLeader { leader: Some(member(1)) })),
        (
            "standing",
            PeerResponse::Standing(Standing { version: 7, members: vec![NodeId(1)], settled: true }),
        ),
        ("cache-filled", PeerResponse::Cache { told: filled(), leader: None }),
        ("cache-not-home", PeerResponse::Cache { told: Told::NotHome, leader: Some(member(1)) }),
        ("cache-recalled", PeerResponse::Recalled(Recalled::Acknowledged)),
        ("cache-directory", PeerResponse::Directory(None)),
        (
            "heartbeats",
            PeerResponse::Heartbeats(vec![
                BeatAnswer::Append(AppendEntriesResponse::Success),
                BeatAnswer::Refused { why: "no".into() },
            ]),
        ),
        ("met", PeerResponse::Met(meeting())),
        ("vacant", PeerResponse::Vacant),
    ]
}

fn envelope<B>(body: B) -> Envelope<B> {
    Envelope {
        cluster: Some(ClusterId(0xc1)),
        from: "node2".into(),
        from_id: NodeId(2),
        to_id: NodeId(1),
        boot: 3,
        life: 0x11fe,
        number: 77,
        hlc: Hlc::new(1_700_000_000_000_000, 1),
        group: GroupId::CONTROL,
        body,
    }
}

fn line<T: Serialize>(lines: &mut String, name: &str, version: u8, value: &T) {
    let bytes = codec::encode(version, value).expect("it encodes");
    write!(lines, "{name} ").expect("a string grows");
    for byte in bytes {
        write!(lines, "{byte:02x}").expect("a string grows");
    }
    lines.push('\n');
}

#[test]
fn golden_bytes_of_the_present_versions() {
    let mut lines = String::new();
    for (number, entry) in entries().iter().enumerate() {
        line(&mut lines, &format!("disk entry-{number}"), DISK_VERSION, entry);
    }
    line(&mut lines, "disk vote", DISK_VERSION, &Vote::new_committed(4, NodeId(2)));
    line(&mut lines, "disk log-id", DISK_VERSION, &log_id(3, 300));
    line(&mut lines, "disk snapshot-meta", DISK_VERSION, &meta());
    line(&mut lines, "disk founding", DISK_VERSION, &Identity::Founding(foundation()));
    let formed = Identity::Formed { foundation: foundation(), me: member(1), founder: true };
    line(&mut lines, "disk formed", DISK_VERSION, &formed);
    line(&mut lines, "disk boots", DISK_VERSION, &Boots::of(6, [0xb007, 0x11fe]));
    line(&mut lines, "disk witness", DISK_VERSION, &witness_row());
    for (name, request) in requests() {
        line(&mut lines, &format!("request {name}"), PEER_VERSION, &envelope(request));
    }
    for (name, response) in responses() {
        line(&mut lines, &format!("response {name}"), PEER_VERSION, &envelope(response));
    }
    if std::env::var_os("UPDATE").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/tests/golden.txt");
        std::fs::write(path, &lines).expect("the file can be written");
        return;
    }
    assert_eq!(lines, GOLDEN);
}

/// The name and the bytes of a line.
fn parse(golden: &str) -> (&str, Vec<u8>) {
    let (name, hex) = golden.rsplit_once(' ').expect("a name and bytes");
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal");
    (name, (0..hex.len()).step_by(2).map(byte).collect())
}

#[test]
fn golden_bytes_of_the_disk_before_mean_the_same() {
    let now: BTreeMap<&str, Vec<u8>> = GOLDEN.lines().map(parse).collect();
    let mut count = 0;
    for (name, before) in DISK_1.lines().map(parse) {
        assert_eq!(before[1..], now[name][5..], "{name}: only version and checksum are others");
        if let Some(number) = name.strip_prefix("disk entry-") {
            let entry: Entry = codec::decode(DISK_VERSION, &before).expect(name);
            assert_eq!(entry, entries()[number.parse::<usize>().expect("a number")]);
        }
        count += 1;
    }
    assert_eq!(count, 8);
}

#[test]
fn golden_bytes_are_still_understood() {
    for (name, bytes) in GOLDEN.lines().map(parse) {
        let again = match name.split_once(' ').expect("two words") {
            ("request", _) => {
                let envelope: Envelope<Request> = codec::decode(PEER_VERSION, &bytes).expect(name);
                codec::encode(PEER_VERSION, &envelope)
            }
            ("response", _) => {
                let envelope: Envelope<Response> = codec::decode(PEER_VERSION, &bytes).expect(name);
                codec::encode(PEER_VERSION, &envelope)
            }
            (_, "vote") => {
                codec::encode(DISK_VERSION, &codec::decode::<Vote>(DISK_VERSION, &bytes).expect(name))
            }
            (_, "log-id") => {
                codec::encode(DISK_VERSION, &codec::decode::<LogId>(DISK_VERSION, &bytes).expect(name))
            }
            (_, "snapshot-meta") => {
                codec::encode(DISK_VERSION, &codec::decode::<SnapshotMeta>(DISK_VERSION, &bytes).expect(name))
            }
            (_, "founding" | "formed") => {
                codec::encode(DISK_VERSION, &codec::decode::<Identity>(DISK_VERSION, &bytes).expect(name))
            }
            (_, "boots") => {
                codec::encode(DISK_VERSION, &codec::decode::<Boots>(DISK_VERSION, &bytes).expect(name))
            }
            (_, "witness") => {
                codec::encode(DISK_VERSION, &codec::decode::<WitnessRow>(DISK_VERSION, &bytes).expect(name))
            }
            _ => codec::encode(DISK_VERSION, &codec::decode::<Entry>(DISK_VERSION, &bytes).expect(name)),
        };
        assert_eq!(again.expect("it encodes"), bytes, "{name}");
    }
}
