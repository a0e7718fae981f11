//! The calling side of the links: openraft's network over the host's transport, and every message as a fact.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use openraft::async_runtime::{Instant, Select2};
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable};
use openraft::network::RPCOption;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::{AsyncRuntime, OptionalSend, RPCTypes, RaftNetworkFactory, RaftNetworkV2};
use orrery_base::ids::{GroupId, LogIndex, NodeId, NodeName};
use orrery_event::Fact;
use orrery_event::fact::{LostWhy, Message, MessageId};
use orrery_event::stream::HeartbeatLeg;
use orrery_machine::Member;

use super::codec::{self, PEER_VERSION};
use super::config::EngineConfig;
use super::confirm::Confirmed;
use super::heartbeats::Heartbeats;
use super::host::{CallError, Host, Transport, Urgency};
use super::node::{Formed, Local};
use super::peer::{Asked, Beat, BeatAnswer, Envelope, PeerRequest, PeerResponse, SnapshotPart};
use super::publish::lock;
use super::round_trip::RoundTrips;
use super::timing::Timings;
use super::types::{Image, Snapshot, Types, Vote};
use super::witness::Witness;

/// A part of a snapshot is tried this often before the transfer is given up.
const PART_TRIES_MAX: u32 = 8;

/// A transport that dropped a message because a fault was injected says so with this reason in
/// [`CallError::NotSent`], one whose queue was full with [`NOT_SENT_OVERFLOW`].
pub const NOT_SENT_CUT: &str = "cut";
/// See [`NOT_SENT_CUT`].
pub const NOT_SENT_OVERFLOW: &str = "overflow";

/// This node's side of all links.
pub struct Peers<H: Host> {
    host: H,
    local: Local,
    formed: Mutex<Option<Arc<Formed>>>,
    next_message: AtomicU64,
    next_transfer: AtomicU64,
    beats: Mutex<BTreeMap<NodeName, Beats>>,
    /// Of all groups, on their way into one frame.
    pub(super) heartbeats: Heartbeats<H>,
    /// How long the links take.
    pub(super) round_trips: RoundTrips,
    /// Of this node, and of those peers that have another one.
    pub(super) timing: Timings,
    /// What was seen of the others.
    pub(super) witness: Witness<H>,
}

/// Heartbeats on one link since they were last reported.
#[derive(Clone, Copy, Debug, Default)]
struct Beats {
    sent: u32,
    answered: u32,
    received: u32,
    round_trips_us: u64,
}

impl<H: Host> Peers<H> {
    pub fn new(host: H, local: Local, config: &EngineConfig, witness: Witness<H>) -> Self {
        Peers {
            host,
            local,
            formed: Mutex::default(),
            next_message: AtomicU64::new(1),
            next_transfer: AtomicU64::new(1),
            beats: Mutex::default(),
            heartbeats: Heartbeats::default(),
            round_trips: RoundTrips::new(config),
            timing: Timings::new(config),
            witness,
        }
    }

    /// From now on messages carry this identity.
    pub fn identify(&self, formed: Formed) {
        self.witness.join(formed.cluster);
        *lock(&self.formed) = Some(Arc::new(formed));
    }

    pub fn local_name(&self) -> &NodeName {
        &self.local.name
    }

    /// What this node is part of.
    pub fn formed(&self) -> Option<Arc<Formed>> {
        lock(&self.formed).clone()
    }

    /// A message of this node, ready to go.
    pub fn envelope<B>(&self, to_id: NodeId, group: GroupId, body: B) -> Envelope<B> {
        let (cluster, from_id) = match &*lock(&self.formed) {
            Some(formed) => (Some(formed.cluster), formed.me.id),
            None => (None, NodeId(0)),
        };
        Envelope {
            cluster,
            from: self.local.name.clone(),
            from_id,
            to_id,
            boot: self.local.boot,
            life: self.witness.boot().id,
            number: self.next_message.fetch_add(1, Ordering::Relaxed),
            hlc: self.host.stamp(),
            group,
            body,
        }
    }

    /// One request and its answer. Both legs become facts; heartbeats are counted.
    pub async fn call(
        &self,
        group: GroupId,
        to: &Member,
        urgency: Urgency,
        request: PeerRequest<H::Runtime>,
        within: Duration,
    ) -> Result<PeerResponse<H::Runtime>, CallError> {
        let heartbeat = request.is_heartbeat();
        let consensus = request.is_consensus();
        let shown = if self.host.records() { request.shown() } else { None };
        let asked = Asked::of(&request);
        let envelope = self.envelope(to.id, group, request);
        let message = MessageId { from: envelope.from.clone(), boot: envelope.boot, number: envelope.number };
        let bytes =
            codec::encode(PEER_VERSION, &envelope).map_err(|error| CallError::NotSent(error.to_string()))?;
        let drawn = shown.is_some();
        if let Some(body) = shown {
            self.host.emit(Fact::Sent { message: message.clone(), group, to: to.name.clone(), body });
        }
        let sent_us = self.host.monotonic_us();
        if heartbeat {
            self.host.heartbeat(&to.name, HeartbeatLeg::Sent);
            self.count(&to.name, |beats| beats.sent += 1);
        }
        let answer = self.host.transport().call(to, urgency, bytes, within).await.and_then(|bytes| {
            // An answer that cannot be read says nothing about what was done.
            codec::decode::<Envelope<PeerResponse<H::Runtime>>>(PEER_VERSION, &bytes)
                .map_err(|_| CallError::NoAnswer)
        });
        match answer {
            Ok(answer) => {
                self.host.witness(answer.hlc);
                if heartbeat {
                    let took_us = self.host.monotonic_us().saturating_sub(sent_us);
                    self.round_trips.measured(&to.name, took_us);
                    self.host.heartbeat(&to.name, HeartbeatLeg::Answered { round_trip_us: took_us });
                    self.count(&to.name, |beats| {
                        beats.answered += 1;
                        beats.round_trips_us += took_us;
                    });
                } else if self.host.records() {
                    self.arrived(&answer, &asked);
                }
                if let PeerResponse::Dismissed { why } = &answer.body {
                    self.host.dismissed(why);
                }
                // A promise of a boot that nobody wrote down could be forgotten without a trace.
                if consensus && !self.witness.has_met(answer.from_id, answer.life) {
                    self.witness.forget(answer.from_id, answer.life);
                    let why = format!("{} and {} have not met yet", self.local.name, to.name);
                    return Ok(PeerResponse::Refused { why });
                }
                Ok(answer.body)
            }
            Err(error) => {
                if drawn {
                    let why = lost_why(&error);
                    self.host.emit(Fact::Lost { message, group, to: to.name.clone(), why });
                }
                Err(error)
            }
        }
    }

    fn arrived(&self, answer: &Envelope<PeerResponse<H::Runtime>>, asked: &Asked) {
        if let Some(body) = answer.body.shown(asked) {
            self.received(answer, body);
        }
    }

    /// A message arrived here.
    pub fn received<B>(&self, envelope: &Envelope<B>, body: Message) {
        let message = MessageId { from: envelope.from.clone(), boot: envelope.boot, number: envelope.number };
        self.host.emit(Fact::Received { message, group: envelope.group, body });
    }

    pub fn answered<B>(&self, envelope: &Envelope<B>, to: NodeName, body: Message) {
        let message = MessageId { from: envelope.from.clone(), boot: envelope.boot, number: envelope.number };
        self.host.emit(Fact::Sent { message, group: envelope.group, to, body });
    }

    pub fn heartbeat_received(&self, from: &NodeName) {
        self.host.heartbeat(from, HeartbeatLeg::Received);
        self.count(from, |beats| beats.received += 1);
    }

    fn count(&self, peer: &NodeName, change: impl FnOnce(&mut Beats)) {
        let mut beats = lock(&self.beats);
        match beats.get_mut(peer) {
            Some(beats) => change(beats),
            None => change(beats.entry(peer.clone()).or_default()),
        }
    }

    /// Reports the heartbeats since the last call.
    pub fn report_heartbeats(&self) {
        for (peer, beats) in std::mem::take(&mut *lock(&self.beats)) {
            if self.host.records() {
                self.host.emit(Fact::Heartbeats {
                    peer,
                    sent: beats.sent,
                    answered: beats.answered,
                    received: beats.received,
                    round_trip_us: beats.round_trips_us / u64::from(beats.answered.max(1)),
                });
            }
        }
    }
}

fn lost_why(error: &CallError) -> LostWhy {
    match error {
        CallError::NotSent(why) if why == NOT_SENT_CUT => LostWhy::Cut,
        CallError::NotSent(why) if why == NOT_SENT_OVERFLOW => LostWhy::Overflow,
        CallError::NotSent(_) => LostWhy::Unreachable,
        CallError::NoAnswer => LostWhy::TimedOut,
    }
}

/// Makes one group's links.
pub struct Factory<H: Host> {
    /// This node's side of all links.
    pub peers: Arc<Peers<H>>,
    pub config: Arc<EngineConfig>,
    pub group: GroupId,
    pub me: NodeId,
    /// What a heartbeat says of the leader.
    pub confirmed: Arc<Confirmed<H>>,
}

impl<H: Host> RaftNetworkFactory<Types<H::Runtime>> for Factory<H> {
    type Network = Link<H>;

    async fn new_client(&mut self, target: NodeId, node: &Member) -> Link<H> {
        Link {
            peers: self.peers.clone(),
            config: self.config.clone(),
            group: self.group,
            me: self.me,
            to: Member { id: target, ..node.clone() },
            news: News::default(),
            confirmed: self.confirmed.clone(),
            made: <H::Runtime as AsyncRuntime>::Instant::now(),
        }
    }
}

/// One group's link to one peer.
pub struct Link<H: Host> {
    peers: Arc<Peers<H>>,
    config: Arc<EngineConfig>,
    group: GroupId,
    me: NodeId,
    to: Member,
    news: News,
    confirmed: Arc<Confirmed<H>>,
    /// openraft makes a leader's links when it begins to lead.
    made: <H::Runtime as AsyncRuntime>::Instant,
}

/// The furthest commit index that went out on a link.
#[derive(Debug, Default)]
pub(super) struct News(Option<LogIndex>);

impl News {
    /// Whether the peer was not sent that commit index yet.
    pub(super) fn is_news(&mut self, commit: Option<LogIndex>) -> bool {
        let news = commit > self.0;
        self.0 = self.0.max(commit);
        news
    }
}

impl<H: Host> Link<H> {
    async fn call(
        &self,
        action: RPCTypes,
        urgency: Urgency,
        request: PeerRequest<H::Runtime>,
        within: Duration,
    ) -> Result<PeerResponse<H::Runtime>, RPCError<Types<H::Runtime>>> {
        match self.peers.call(self.group, &self.to, urgency, request, within).await {
            Ok(PeerResponse::Refused { why } | PeerResponse::Dismissed { why }) => {
                Err(RPCError::Unreachable(Unreachable::from_string(why)))
            }
            Ok(response) => Ok(response),
            Err(error) => Err(self.failed(action, within, error)),
        }
    }

    /// Whether a leader may speak now.
    fn may_speak(&self) -> Result<(), Unreachable<Types<H::Runtime>>> {
        if self.confirmed.keeps_still(&self.config, self.made.elapsed()) {
            return Err(Unreachable::from_string("no majority acknowledges this leader, which keeps still"));
        }
        Ok(())
    }

    fn failed(&self, action: RPCTypes, within: Duration, error: CallError) -> RPCError<Types<H::Runtime>> {
        match error {
            CallError::NotSent(why) => RPCError::Unreachable(Unreachable::from_string(why)),
            CallError::NoAnswer => {
                RPCError::Timeout(Timeout { action, id: self.me, target: self.to.id, timeout: within })
            }
        }
    }

    fn mismatch<T>(&self) -> Result<T, RPCError<Types<H::Runtime>>> {
        let why = format!("{} answered something else than it was asked", self.to.name);
        Err(RPCError::Network(NetworkError::from_string(why)))
    }

    /// Sends a snapshot part by part. The receiver says how far it is, so that a repeated part does no harm.
    async fn transfer(
        &self,
        vote: Vote,
        snapshot: Snapshot,
    ) -> Result<SnapshotResponse<Types<H::Runtime>>, StreamingError<Types<H::Runtime>>> {
        let transfer = self.peers.next_transfer.fetch_add(1, Ordering::Relaxed);
        let Snapshot { meta, snapshot: image } = snapshot;
        // A newer one may have replaced it: openraft asks for the current one and begins again.
        let chunks = image.read().await.map_err(|error| {
            if error.kind() == io::ErrorKind::InvalidData {
                self.peers.host.fail_stop(&format!("a snapshot is damaged: {error}"));
            }
            StreamingError::Network(NetworkError::new(&error))
        })?;
        let total: u64 = chunks.iter().map(|chunk| chunk.len() as u64).sum();
        let mut offset = 0;
        let mut tries = 0;
        while tries < PART_TRIES_MAX {
            self.may_speak().map_err(StreamingError::Unreachable)?;
            let bytes = part(&chunks, offset, self.config.snapshot_frame_bytes);
            // The answer to the last part comes after the installation.
            let last = offset + bytes.len() as u64 == total;
            let within = if last { self.config.snapshot_timeout } else { self.config.append_timeout * 4 };
            let part = SnapshotPart { transfer, vote, meta: meta.clone(), total, offset, bytes };
            let request = PeerRequest::Snapshot(part);
            match self.call(RPCTypes::InstallSnapshot, Urgency::Bulk, request, within).await {
                Ok(PeerResponse::Snapshot(response)) => return Ok(response),
                Ok(PeerResponse::SnapshotPart { received }) => {
                    tries = if received > offset { 0 } else { tries + 1 };
                    offset = received.min(total);
                }
                Ok(_) => tries += 1,
                Err(RPCError::Unreachable(error)) => return Err(StreamingError::Unreachable(error)),
                Err(_) => tries += 1,
            }
        }
        let why = format!("{} does not take the snapshot", self.to.name);
        Err(StreamingError::Network(NetworkError::from_string(why)))
    }
}

/// At most `max` bytes of the chunks, from `offset` on, without copying; empty at the end.
fn part(chunks: &[Bytes], offset: u64, max: usize) -> Bytes {
    let mut begin = 0;
    for chunk in chunks {
        let end = begin + chunk.len() as u64;
        if offset < end {
            let from = (offset - begin) as usize;
            return chunk.slice(from..chunk.len().min(from + max));
        }
        begin = end;
    }
    Bytes::new()
}

impl<H: Host> RaftNetworkV2<Types<H::Runtime>> for Link<H> {
    type SnapshotData = Image;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<Types<H::Runtime>>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types<H::Runtime>>, RPCError<Types<H::Runtime>>> {
        self.may_speak().map_err(RPCError::Unreachable)?;
        let news = self.news.is_news(rpc.leader_commit.map(|id| id.index));
        // openraft's limit is its tick's; a heartbeat waits for what its link takes, entries wait for the follower's sync, too.
        if rpc.entries.is_empty() {
            let within = self.peers.round_trips.timeout(&self.to.name);
            let beat = Beat { group: self.group, append: rpc, confirmed_us: self.confirmed.age_us() };
            return match self.peers.heartbeat(&self.to, beat, news).await {
                Ok(BeatAnswer::Append(response)) => Ok(response),
                Ok(BeatAnswer::Refused { why }) => Err(RPCError::Unreachable(Unreachable::from_string(why))),
                Err(error) => Err(self.failed(RPCTypes::AppendEntries, within, error)),
            };
        }
        let (request, within) = (PeerRequest::Append(rpc), self.config.append_timeout);
        match self.call(RPCTypes::AppendEntries, Urgency::Normal, request, within).await? {
            PeerResponse::Append(response) => Ok(response),
            _ => self.mismatch(),
        }
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<Types<H::Runtime>>,
        _option: RPCOption,
    ) -> Result<VoteResponse<Types<H::Runtime>>, RPCError<Types<H::Runtime>>> {
        let request = PeerRequest::Vote(rpc);
        match self.call(RPCTypes::Vote, Urgency::Election, request, self.config.election_max).await? {
            PeerResponse::Vote(response) => Ok(response),
            _ => self.mismatch(),
        }
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<Types<H::Runtime>>,
        _option: RPCOption,
    ) -> Result<VoteResponse<Types<H::Runtime>>, RPCError<Types<H::Runtime>>> {
        let request = PeerRequest::PreVote(rpc);
        match self.call(RPCTypes::Vote, Urgency::Election, request, self.config.election_max).await? {
            PeerResponse::Vote(response) => Ok(response),
            _ => self.mismatch(),
        }
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<Types<H::Runtime>>, StreamingError<Types<H::Runtime>>> {
        // Cancelling must be honoured: a deposed leader would go on sending a newer snapshot under its old vote,
        // and the receiver would rightly refuse to live with that.
        let transfer = H::Runtime::timeout(self.config.snapshot_timeout, self.transfer(vote, snapshot));
        match H::Runtime::select2(cancel, transfer).await {
            Select2::First(closed) => Err(StreamingError::Closed(closed)),
            Select2::Second(Ok(result)) => result,
            Select2::Second(Err(_)) => Err(StreamingError::Timeout(Timeout {
                action: RPCTypes::InstallSnapshot,
                id: self.me,
                target: self.to.id,
                timeout: self.config.snapshot_timeout,
            })),
        }
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<Types<H::Runtime>>,
        _option: RPCOption,
    ) -> Result<TransferLeaderResponse<Types<H::Runtime>>, RPCError<Types<H::Runtime>>> {
        let request = PeerRequest::TransferLeader(request);
        match self
            .call(RPCTypes::TransferLeader, Urgency::Election, request, self.config.election_max)
            .await?
        {
            PeerResponse::TransferLeader(response) => Ok(response),
            _ => self.mismatch(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_bounded_and_complete() {
        let chunks = [Bytes::from_static(b"abcdefg"), Bytes::new(), Bytes::from_static(b"hi")];
        let mut offset = 0;
        let mut parts = Vec::new();
        loop {
            let bytes = part(&chunks, offset, 3);
            if bytes.is_empty() {
                break;
            }
            assert!(bytes.len() <= 3);
            offset += bytes.len() as u64;
            parts.push(bytes);
        }
        assert_eq!(parts.concat(), b"abcdefghi");
    }
}
