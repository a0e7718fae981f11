//! What nodes say to each other. Postcard with a version byte; golden bytes are in the tests.
//!
//! Every request and every answer is a message of its own, with its own number and stamp.

mod cache;
mod cluster;
mod queue;

use std::time::Duration;

use bytes::Bytes;
use openraft::AsyncRuntime;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use orrery_base::hlc::Hlc;
use orrery_base::ids::{BootEpoch, ClusterId, GroupId, LeaseMs, LogIndex, NodeId, NodeName};
use orrery_cache::Address;
use orrery_cache::message::{Ask, AskKind, Recall, RecallKind, Recalled, Told};
use orrery_event::fact::Message;
use orrery_machine::{Command, Member, Reply};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::codec::{self, PEER_VERSION};
use crate::peer::summary;
use crate::peer::timing::Timing;
use crate::peer::witness::Meeting;
use crate::types::{LogId, SnapshotMeta, Types, Vote};

pub use cache::HomeLine;
pub use cluster::{DigestAnswer, Foundation, Probed, Standing, Verdict};
pub use queue::{Found, Look, QueueAsk, QueueTold, Rate, TopicHere, Until};

#[derive(Serialize, Deserialize)]
pub struct Envelope<B> {
    /// The sender's cluster; none before it is part of one.
    pub cluster: Option<ClusterId>,
    pub from: NodeName,
    /// Its Raft identity; 0 before it has one.
    pub from_id: NodeId,
    /// For which identity it is; 0 when that does not matter.
    pub to_id: NodeId,
    pub boot: BootEpoch,
    /// Random id of that boot of its data folder: a copy of the folder boots under another one.
    pub life: u64,
    /// The message's number in that boot.
    pub number: u64,
    pub hlc: Hlc,
    /// The group that it is about.
    pub group: GroupId,
    pub body: B,
}

/// A request. The order of the variants is part of the format: add at the end.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub enum PeerRequest<R: AsyncRuntime> {
    /// AppendEntries; without entries a heartbeat.
    Append(AppendEntriesRequest<Types<R>>),
    Vote(VoteRequest<Types<R>>),
    /// The question before it.
    PreVote(VoteRequest<Types<R>>),
    /// Stand for election at once.
    TransferLeader(TransferLeaderRequest<Types<R>>),
    /// A part of a snapshot.
    Snapshot(SnapshotPart),
    /// Propose this command, if you lead.
    Propose {
        command: Command,
        /// How long the asker waits, milliseconds.
        within_ms: u64,
        /// An earlier try of it may still be on its way: only the log may say what becomes of it.
        tried: bool,
    },
    /// A read-index round, if you lead.
    ReadIndex {
        /// How long the asker waits, milliseconds.
        within_ms: u64,
    },
    /// Who are you, and what does your disk hold?
    Probe,
    /// This is the cluster that we found together: write it down.
    Found {
        foundation: Foundation,
        /// What the addressee said of itself (see [`Probed::Empty`]): what it forgot with its disk it is not told twice.
        vacancy: u64,
    },
    /// My disk is empty (or I am new): give me an identity.
    Join {
        address: String,
        /// The same in every try of one attempt.
        attempt: u64,
        /// Version of the commands that I know.
        commands: u16,
        profile: SmolStr,
        /// Somebody decided that I take the place of the member of my name, which is away.
        replace: bool,
    },
    /// Hand leadership over, if you lead.
    HandOver {
        to: NodeId,
        /// How long the asker waits, milliseconds.
        within_ms: u64,
    },
    /// Up to which version do you know the commands?
    Version,
    /// A question about a shard's queues, if you lead.
    Queue {
        ask: QueueAsk,
        /// How long the asker waits, milliseconds.
        within_ms: u64,
    },
    /// Where does the shard stand, if you lead it?
    Standing,
    /// The heartbeats of all groups that have one for the addressee now.
    Heartbeats {
        /// One of each group.
        beats: Vec<Beat<R>>,
        /// How the sender times them: all nodes of a cluster should do alike.
        timing: Timing,
    },
    /// About cache lines of a shard, if you are their home.
    Cache {
        /// Number of the question in the asker's boot.
        asked: u64,
        ask: Ask,
        /// How long the asker waits, milliseconds.
        within_ms: u64,
    },
    /// A home takes a copy away from you.
    Recall {
        /// If you are this boot.
        boot: BootEpoch,
        recall: Recall,
    },
    /// What do you know of a cache line, if you are its home?
    Directory {
        address: Address,
    },
    /// What is the hash of your state when you have applied just this entry?
    Digest {
        /// Its index.
        at: LogIndex,
    },
    /// These are the hashes of all replicas: judge yourself.
    Verdict(Verdict),
    /// This is who I am in this boot, and what I have seen of you.
    Meet(Meeting),
    /// May an empty node have that name, if you lead the control group?
    Vacant {
        name: NodeName,
        /// See `Join`.
        attempt: u64,
        /// See `Join`.
        replace: bool,
    },
    /// Ask that node this of me, which does not hear me.
    Pass {
        /// Identity of the node that is asked.
        to: NodeId,
        /// A request, encoded: so nothing is nested.
        request: Bytes,
        /// How long the asker waits, milliseconds.
        within_ms: u64,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Beat<R: AsyncRuntime> {
    pub group: GroupId,
    pub append: AppendEntriesRequest<Types<R>>,
    /// Microseconds since the sending of the last heartbeat that a majority acknowledged; none before the first.
    pub confirmed_us: Option<u64>,
}

/// The answer to one group's heartbeat. The order of the variants is part of the format: add at the end.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub enum BeatAnswer<R: AsyncRuntime> {
    Append(AppendEntriesResponse<Types<R>>),
    /// The group cannot answer.
    Refused {
        /// Why, as a sentence.
        why: String,
    },
}

/// One part of a snapshot transfer. Parts come in order, one at a time.
#[derive(Serialize, Deserialize)]
pub struct SnapshotPart {
    /// Number of the transfer at its sender.
    pub transfer: u64,
    pub vote: Vote,
    /// What the snapshot covers.
    pub meta: SnapshotMeta,
    /// Bytes of the whole snapshot.
    pub total: u64,
    /// Where this part begins.
    pub offset: u64,
    /// Its bytes.
    pub bytes: Bytes,
}

/// An answer. The order of the variants is part of the format: add at the end.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub enum PeerResponse<R: AsyncRuntime> {
    /// To `Append`.
    Append(AppendEntriesResponse<Types<R>>),
    /// To `Vote` and `PreVote`.
    Vote(VoteResponse<Types<R>>),
    /// To `TransferLeader`.
    TransferLeader(TransferLeaderResponse<Types<R>>),
    /// To `Snapshot`: this much has arrived.
    SnapshotPart {
        /// Bytes so far.
        received: u64,
    },
    /// To the last part of a snapshot, or to any part under an old vote.
    Snapshot(SnapshotResponse<Types<R>>),
    /// To `Propose`.
    Propose(ProposeOutcome),
    /// To `ReadIndex`.
    ReadIndex(ReadOutcome),
    /// To `Probe`.
    Probe(Probed),
    /// To `Found`: it is on the disk.
    Founded,
    /// To `Join`: your identity, and the cluster.
    Joined {
        me: Member,
        /// The cluster, as it was founded, with its present members.
        foundation: Foundation,
    },
    /// It cannot be done here and now; nothing was done.
    Refused {
        /// Why, as a sentence.
        why: String,
    },
    /// To `HandOver`.
    HandedOver,
    /// The asker's identity was given up: its data directory must not take part any more.
    Dismissed {
        /// Why, as a sentence.
        why: String,
    },
    /// To `Version`.
    Version {
        /// The newest version of the commands that it knows.
        commands: u16,
    },
    /// About a shard's queues.
    Queue(QueueTold),
    /// To `Standing`, by a leader that a majority just confirmed.
    Standing(Standing),
    /// To `Heartbeats`, in their order.
    Heartbeats(Vec<BeatAnswer<R>>),
    /// To `Cache`.
    Cache {
        told: Told,
        /// Who leads the shard, as far as it knows; said by who is no home.
        leader: Option<Member>,
    },
    /// To `Recall`.
    Recalled(Recalled),
    /// To `Directory`; none where it is no home.
    Directory(Option<HomeLine>),
    /// To `Digest`.
    Digest(DigestAnswer),
    /// To `Verdict`: it judged itself.
    Judged,
    /// To `Meet`: the same of the answering node.
    Met(Meeting),
    /// To `Vacant`: it may.
    Vacant,
    /// To `Pass`: it was sent, and nobody knows what became of it.
    Unanswered,
    /// To `Pass`: it was not sent. A refusal of whom it was for is that one's answer.
    NotPassed,
}

/// What became of a forwarded command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ProposeOutcome {
    Applied {
        /// At this index.
        index: LogIndex,
        reply: Reply,
    },
    /// It surely was not appended.
    NotLeader {
        /// Who leads, as far as this node knows.
        leader: Option<Member>,
    },
    Unknown {
        why: String,
    },
}

/// What became of a read-index round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ReadOutcome {
    Index {
        /// Apply up to here before you read.
        index: LogIndex,
        /// The leader's lease clock, which is ahead of the committed one.
        clock_ms: Option<LeaseMs>,
    },
    /// No leader here, or no majority.
    NotLeader {
        /// Who leads, as far as this node knows.
        leader: Option<Member>,
    },
}

impl<R: AsyncRuntime> PeerRequest<R> {
    /// Counted, not shown one by one.
    pub fn is_heartbeat(&self) -> bool {
        matches!(self, PeerRequest::Heartbeats { .. })
    }

    /// A part of the consensus: it counts only between nodes that have met.
    pub fn is_consensus(&self) -> bool {
        matches!(
            self,
            PeerRequest::Append(_)
                | PeerRequest::Vote(_)
                | PeerRequest::PreVote(_)
                | PeerRequest::TransferLeader(_)
                | PeerRequest::Snapshot(_)
                | PeerRequest::Heartbeats { .. }
        )
    }

    /// Another node may ask it in the asker's place: it says by itself whose it is.
    pub fn may_be_passed(&self) -> bool {
        matches!(
            self,
            PeerRequest::Propose { .. }
                | PeerRequest::ReadIndex { .. }
                | PeerRequest::Queue { .. }
                | PeerRequest::HandOver { .. }
        )
    }

    /// The same for people. None for heartbeats and for formation, which are not drawn.
    pub fn shown(&self) -> Option<Message> {
        match self {
            PeerRequest::Append(append) => Some(Message::Append {
                term: append.vote.leader_id.term,
                previous: index(&append.prev_log_id),
                entries: append.entries.len() as u32,
                commit: index(&append.leader_commit),
            }),
            PeerRequest::Vote(vote) | PeerRequest::PreVote(vote) => Some(Message::Vote {
                pre: matches!(self, PeerRequest::PreVote(_)),
                term: vote.vote.leader_id.term,
                last: index(&vote.last_log_id),
            }),
            PeerRequest::TransferLeader(transfer) => {
                Some(Message::TransferLeader { term: transfer.from_leader().leader_id.term })
            }
            // One arrow for the whole transfer.
            PeerRequest::Snapshot(part) => (part.offset == 0).then(|| Message::Snapshot {
                term: part.vote.leader_id.term,
                last: index(&part.meta.last_log_id),
                bytes: part.total,
            }),
            PeerRequest::Propose { command, .. } => {
                Some(Message::Forward { what: summary::command(command), client: summary::client(command) })
            }
            PeerRequest::ReadIndex { .. } => Some(Message::ReadIndex),
            PeerRequest::Cache { ask, .. } => {
                ask.kind().map(|(ask, address)| Message::CacheAsk { ask, address: address.clone() })
            }
            PeerRequest::Recall { recall, .. } => {
                Some(Message::CacheRecall { recall: recall.kind(), address: recall.address().clone() })
            }
            PeerRequest::Pass { request, .. } => {
                let request: PeerRequest<R> = codec::decode(PEER_VERSION, request).ok()?;
                if request.may_be_passed() { request.shown() } else { None }
            }
            // Asked again and again while somebody waits or looks on.
            PeerRequest::Queue { .. } => None,
            PeerRequest::Probe
            | PeerRequest::Found { .. }
            | PeerRequest::Join { .. }
            | PeerRequest::HandOver { .. }
            | PeerRequest::Version
            | PeerRequest::Standing
            | PeerRequest::Directory { .. }
            | PeerRequest::Digest { .. }
            | PeerRequest::Verdict(_)
            | PeerRequest::Meet(_)
            | PeerRequest::Vacant { .. }
            | PeerRequest::Heartbeats { .. } => None,
        }
    }
}

impl<R: AsyncRuntime> PeerResponse<R> {
    /// The answer for people. `to` tells what only the request knows.
    pub fn shown(&self, to: &Asked) -> Option<Message> {
        match self {
            PeerResponse::Append(append) => to.last.map(|matching| {
                let (term, success) = match append {
                    AppendEntriesResponse::HigherVote(vote) => (vote.leader_id.term, false),
                    AppendEntriesResponse::Conflict => (to.term, false),
                    AppendEntriesResponse::Success | AppendEntriesResponse::PartialSuccess(_) => {
                        (to.term, true)
                    }
                };
                let matching = match append {
                    AppendEntriesResponse::PartialSuccess(id) => index(id),
                    _ => matching.filter(|_| success),
                };
                Message::AppendReply { term, success, matching }
            }),
            PeerResponse::Vote(vote) => Some(Message::VoteReply {
                pre: to.pre,
                term: vote.vote.leader_id.term,
                granted: vote.vote_granted,
            }),
            PeerResponse::Snapshot(snapshot) => {
                Some(Message::SnapshotReply { term: snapshot.vote.leader_id.term })
            }
            PeerResponse::Propose(outcome) => Some(Message::ForwardReply {
                outcome: match outcome {
                    ProposeOutcome::Applied { reply, .. } => summary::reply(reply),
                    ProposeOutcome::NotLeader { .. } => "not leader".into(),
                    ProposeOutcome::Unknown { .. } => "unknown".into(),
                },
            }),
            PeerResponse::ReadIndex(outcome) => Some(Message::ReadIndexReply {
                index: match outcome {
                    ReadOutcome::Index { index, .. } => Some(*index),
                    ReadOutcome::NotLeader { .. } => None,
                },
            }),
            PeerResponse::Cache { told, .. } => to.cache.as_ref().map(|(ask, address)| {
                Message::CacheAnswer { ask: *ask, address: address.clone(), done: told.is_done() }
            }),
            PeerResponse::Recalled(recalled) => {
                to.recall.as_ref().map(|(recall, address)| Message::CacheRecalled {
                    recall: *recall,
                    address: address.clone(),
                    dirty: matches!(recalled, Recalled::Dirty { .. }),
                })
            }
            PeerResponse::TransferLeader(_)
            | PeerResponse::SnapshotPart { .. }
            | PeerResponse::Probe(_)
            | PeerResponse::Founded
            | PeerResponse::Joined { .. }
            | PeerResponse::HandedOver
            | PeerResponse::Refused { .. }
            | PeerResponse::Dismissed { .. }
            | PeerResponse::Version { .. }
            | PeerResponse::Queue(_)
            | PeerResponse::Standing(_)
            | PeerResponse::Directory(_)
            | PeerResponse::Digest(_)
            | PeerResponse::Judged
            | PeerResponse::Met(_)
            | PeerResponse::Vacant
            | PeerResponse::Unanswered
            | PeerResponse::NotPassed
            | PeerResponse::Heartbeats(_) => None,
        }
    }
}

/// What an answer's drawing takes from its request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Asked {
    pub term: orrery_base::ids::Term,
    /// It was the question before an election.
    pub pre: bool,
    /// With entries: the index of the last one.
    pub last: Option<Option<LogIndex>>,
    /// It was about a cache line.
    pub cache: Option<(AskKind, Address)>,
    /// It was a home's.
    pub recall: Option<(RecallKind, Address)>,
}

impl Asked {
    /// What is needed of a request.
    pub fn of<R: AsyncRuntime>(request: &PeerRequest<R>) -> Self {
        match request {
            PeerRequest::Append(append) => Asked {
                term: append.vote.leader_id.term,
                pre: false,
                last: append.entries.last().map(|entry| Some(entry.log_id.index)),
                ..Asked::default()
            },
            PeerRequest::Cache { ask, .. } => {
                Asked { cache: ask.kind().map(|(kind, address)| (kind, address.clone())), ..Asked::default() }
            }
            PeerRequest::Recall { recall, .. } => {
                Asked { recall: Some((recall.kind(), recall.address().clone())), ..Asked::default() }
            }
            PeerRequest::PreVote(_) => Asked { pre: true, ..Asked::default() },
            _ => Asked::default(),
        }
    }
}

/// A duration on the wire.
pub fn millis(within: Duration) -> u64 {
    within.as_millis() as u64
}

fn index(id: &Option<LogId>) -> Option<LogIndex> {
    id.as_ref().map(|id| id.index)
}
