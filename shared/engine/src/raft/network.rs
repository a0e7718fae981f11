//! The calling side of the links: openraft's network over the host's transport, and every message as a fact.

use std::future::Future;
use std::io;
use std::sync::Arc;
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
use orrery_base::ids::{GroupId, LogIndex, NodeId};
use orrery_machine::Member;

use crate::config::EngineConfig;
use crate::host::{CallError, Host, Urgency};
use crate::peer::client::Peers;
use crate::peer::message::{Beat, BeatAnswer, PeerRequest, PeerResponse, SnapshotPart};
use crate::raft::confirm::Confirmed;
use crate::types::{Image, Snapshot, Types, Vote};

/// A part of a snapshot is tried this often before the transfer is given up.
const PART_TRIES_MAX: u32 = 8;

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
pub(crate) struct News(Option<LogIndex>);

impl News {
    /// Whether the peer was not sent that commit index yet.
    pub(crate) fn is_news(&mut self, commit: Option<LogIndex>) -> bool {
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
        let transfer = self.peers.next_transfer();
        let Snapshot { meta, snapshot: image } = snapshot;
        // A newer one may have replaced it: openraft asks for the current one and begins again.
        let chunks = image.read().await.map_err(|error| {
            if error.kind() == io::ErrorKind::InvalidData {
                self.peers.host().fail_stop(&format!("a snapshot is damaged: {error}"));
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
