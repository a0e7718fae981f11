//! The answering side of the links.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use orrery_base::ids::{GroupId, NodeId, NodeName};
use orrery_cache::Holder;
use orrery_cache::message::{Recalled, Told};

use crate::cluster::digest;
use crate::cluster::formation::Joiner;
use crate::cluster::identity::Identity;
use crate::cluster::reconfigure;
use crate::codec::{self, PEER_VERSION};
use crate::engine::Engine;
use crate::host::Host;
use crate::peer::message::{
    Asked, Beat, BeatAnswer, Envelope, PeerRequest, PeerResponse, Probed, ProposeOutcome, ReadOutcome,
};
use crate::peer::timing::Timing;
use crate::raft::group::Group;

/// Longest time that a peer may make this node wait for a proposal or a read.
const WITHIN_MAX: Duration = Duration::from_secs(60);

impl<H: Host> Engine<H> {
    /// Answers a peer's request. `from` is the name that the transport's handshake established.
    ///
    /// Boxed, because serving may call, and a transport in memory serves inside of a call.
    pub fn serve<'a>(
        &'a self,
        from: &'a NodeName,
        request: Bytes,
    ) -> Pin<Box<dyn Future<Output = Bytes> + Send + 'a>> {
        Box::pin(self.serve_now(from, request))
    }

    async fn serve_now(&self, from: &NodeName, request: Bytes) -> Bytes {
        let peers = &self.inner.peers;
        let (to_id, group, from, asked, response) =
            match codec::decode::<Envelope<PeerRequest<H::Runtime>>>(PEER_VERSION, &request) {
                Err(error) => {
                    let why = format!("the request cannot be read: {error}");
                    (
                        NodeId(0),
                        GroupId::CONTROL,
                        from.clone(),
                        Asked::default(),
                        PeerResponse::Refused { why },
                    )
                }
                Ok(envelope) => {
                    self.inner.host.witness(envelope.hlc);
                    let asked = Asked::of(&envelope.body);
                    let (to_id, group) = (envelope.from_id, envelope.group);
                    let refused = self.check(from, &envelope);
                    let response = match refused {
                        // Not a word of whom the request is for.
                        Some(PeerResponse::Refused { .. })
                            if matches!(envelope.body, PeerRequest::Pass { .. }) =>
                        {
                            PeerResponse::NotPassed
                        }
                        Some(refused) => refused,
                        None => self.answer(envelope).await,
                    };
                    (to_id, group, from.clone(), asked, response)
                }
            };
        let shown = if self.inner.host.records() { response.shown(&asked) } else { None };
        let envelope = peers.envelope(to_id, group, response);
        if let Some(body) = shown {
            peers.answered(&envelope, from, body);
        }
        // Everything that is answered can be encoded; were it not so, the asker hears nothing it can read.
        codec::encode(PEER_VERSION, &envelope).unwrap_or_default()
    }

    /// Whether the sender may speak to this node: data of one cluster never meets data of another.
    fn check(
        &self,
        from: &NodeName,
        envelope: &Envelope<PeerRequest<H::Runtime>>,
    ) -> Option<PeerResponse<H::Runtime>> {
        let refuse = |why: String| Some(PeerResponse::Refused { why });
        if *from != envelope.from {
            return refuse(format!("the link is from {from}, the message from {}", envelope.from));
        }
        let formed = self.inner.peers.formed()?;
        let other = envelope.cluster.filter(|cluster| *cluster != formed.cluster);
        if let Some(other) = other {
            return refuse(format!("{} is in cluster {}, {from} in {other}", formed.me.name, formed.cluster));
        }
        if envelope.to_id != NodeId(0) && envelope.to_id != formed.me.id {
            let me = &formed.me;
            return refuse(format!("{} has the identity {}, not {}", me.name, me.id, envelope.to_id));
        }
        let group = self.group(GroupId::CONTROL)?;
        let present = group.state.read(|machine| machine.cluster().member(from).map(|member| member.id));
        match present {
            // Identities are never reused and grow: a smaller one was given up.
            Some(present) if envelope.from_id != NodeId(0) && envelope.from_id < present => {
                Some(PeerResponse::Dismissed {
                    why: format!("{from} has the identity {present} now; {} was given up", envelope.from_id),
                })
            }
            // Its vote counts, and may be needed to let it go, until its removal is committed.
            None if group.state.has_member(envelope.from_id) => None,
            None if group.state.read(|machine| machine.cluster().gave(envelope.from_id)) => {
                Some(PeerResponse::Dismissed { why: format!("{from} is no member of the cluster any more") })
            }
            _ => None,
        }
    }

    /// A boot that was not met has no vote here, and nothing that it sends is acknowledged.
    fn is_stranger_now(&self, envelope: &Envelope<PeerRequest<H::Runtime>>) -> bool {
        let witness = &self.inner.peers.witness;
        let stranger = !self.proven() || !witness.has_met(envelope.from_id, envelope.life);
        if stranger {
            witness.forget(envelope.from_id, envelope.life);
        }
        stranger
    }

    async fn answer(&self, envelope: Envelope<PeerRequest<H::Runtime>>) -> PeerResponse<H::Runtime> {
        let peers = &self.inner.peers;
        if envelope.body.is_consensus() && self.is_stranger_now(&envelope) {
            let why = format!("{} and {} have not met yet", envelope.from, self.inner.local.name);
            return PeerResponse::Refused { why };
        }
        if envelope.body.is_heartbeat() {
            peers.heartbeat_received(&envelope.from);
        } else if self.inner.host.records()
            && let Some(body) = envelope.body.shown()
        {
            peers.received(&envelope, body);
        }
        let Envelope { from, from_id, boot, group, body, .. } = envelope;
        match body {
            PeerRequest::Probe => PeerResponse::Probe(match self.identity() {
                None => Probed::Empty {
                    vacancy: self.inner.vacancy,
                    names: self.static_members().into_iter().map(|member| member.name).collect(),
                    profile: self.config().profile.name().into(),
                },
                Some(Identity::Founding(foundation)) => Probed::Founding(foundation),
                // Only a log that was begun proves that every founder wrote the cluster down before: until then
                // an empty node is one that was not told yet, and not one that lost its disk.
                Some(Identity::Formed { foundation, .. }) if self.has_begun() => Probed::Formed(foundation),
                Some(Identity::Formed { foundation, .. }) => Probed::Founding(foundation),
            }),
            PeerRequest::Found { foundation, vacancy } => self.found(&from, foundation, vacancy).await,
            PeerRequest::Join { address, attempt, commands, profile, replace } => {
                self.admit(Joiner { name: from, address, attempt, commands, profile, replace }).await
            }
            PeerRequest::Vacant { name, attempt, replace } => {
                match self.is_vacant_here(&name, attempt, replace).await {
                    Ok(()) => PeerResponse::Vacant,
                    Err(why) => PeerResponse::Refused { why },
                }
            }
            PeerRequest::Pass { to, request, within_ms } => {
                let within = Duration::from_millis(within_ms).min(WITHIN_MAX);
                self.pass_on(group, to, &request, within).await
            }
            PeerRequest::Meet(meeting) => self.answer_meeting(&from, from_id, meeting).await,
            PeerRequest::Version => PeerResponse::Version { commands: self.config().command_version },
            PeerRequest::Heartbeats { beats, timing } => self.answer_heartbeats(&from, beats, timing).await,
            // Also a node without a replica of the shard has copies of its lines.
            PeerRequest::Recall { boot, .. } if boot != self.inner.local.boot => {
                PeerResponse::Recalled(Recalled::Rebooted)
            }
            PeerRequest::Recall { recall, .. } => {
                PeerResponse::Recalled(self.services.cache.recall(group, &recall))
            }
            body => match self.group(group) {
                None => {
                    let why = format!("{} has no part in group {group} yet", self.inner.local.name);
                    PeerResponse::Refused { why }
                }
                Some(group) => match body {
                    PeerRequest::Cache { asked, ask, within_ms } => {
                        let holder = Holder { name: from, id: from_id, boot };
                        let within = Duration::from_millis(within_ms).min(WITHIN_MAX);
                        // Where nothing is known in time, it may be done later.
                        let told = self.services.cache.answer_ask(&group, holder, asked, ask, within).await;
                        let told = told.unwrap_or(Told::Unknown);
                        let leader = if told == Told::NotHome { group.leader() } else { None };
                        PeerResponse::Cache { told, leader }
                    }
                    PeerRequest::Digest { at } => PeerResponse::Digest(digest::digest_at(&group, at).await),
                    PeerRequest::Verdict(verdict) => {
                        self.judged(&group, from_id, &verdict).await;
                        PeerResponse::Judged
                    }
                    PeerRequest::Directory { address } => {
                        PeerResponse::Directory(self.services.cache.home_line(&group, &address))
                    }
                    PeerRequest::Queue { ask, within_ms } => {
                        let within = Duration::from_millis(within_ms).min(WITHIN_MAX);
                        PeerResponse::Queue(self.services.queue.answer(&group, ask, within).await)
                    }
                    body => answer_in(&group, &from, body).await,
                },
            },
        }
    }

    /// Answers a frame of heartbeats. The groups answer side by side: none waits for another's disk.
    pub(crate) async fn answer_heartbeats(
        &self,
        from: &NodeName,
        beats: Vec<Beat<H::Runtime>>,
        timing: Timing,
    ) -> PeerResponse<H::Runtime> {
        self.inner.peers.timing.heard(from, timing);
        let answers = beats.into_iter().map(async |Beat { group, append, confirmed_us }| {
            let Some(here) = self.group(group) else {
                let why = format!("{} has no part in group {group} yet", self.inner.local.name);
                return BeatAnswer::Refused { why };
            };
            match here.append(append, confirmed_us).await {
                Ok(response) => BeatAnswer::Append(response),
                Err(why) => BeatAnswer::Refused { why },
            }
        });
        PeerResponse::Heartbeats(join_all(answers).await)
    }
}

pub(super) async fn answer_in<H: Host>(
    group: &Group<H>,
    from: &NodeName,
    body: PeerRequest<H::Runtime>,
) -> PeerResponse<H::Runtime> {
    let refused = |error: &dyn std::fmt::Display| PeerResponse::Refused { why: error.to_string() };
    if group.is_stopping() {
        return refused(&"this node is stopping");
    }
    if let PeerRequest::Vote(vote) | PeerRequest::PreVote(vote) = &body
        && let Some(refusal) = group.refusal(vote)
    {
        return PeerResponse::Vote(refusal);
    }
    match body {
        PeerRequest::Append(append) => match group.append(append, None).await {
            Ok(response) => PeerResponse::Append(response),
            Err(why) => PeerResponse::Refused { why },
        },
        PeerRequest::Vote(vote) => match group.raft.vote(vote).await {
            Ok(response) => PeerResponse::Vote(response),
            Err(error) => refused(&error),
        },
        PeerRequest::PreVote(vote) => match group.raft.pre_vote(vote).await {
            Ok(response) => PeerResponse::Vote(response),
            Err(error) => refused(&error),
        },
        PeerRequest::TransferLeader(transfer) => match group.raft.handle_transfer_leader(transfer).await {
            Ok(response) => PeerResponse::TransferLeader(response),
            Err(error) => refused(&error),
        },
        PeerRequest::Snapshot(part) => {
            group.heard(&part.vote);
            group.snapshot_part(from, part).await
        }
        PeerRequest::Propose { command, within_ms, tried } => {
            let within = Duration::from_millis(within_ms).min(WITHIN_MAX);
            PeerResponse::Propose(if group.leads() {
                group.propose_try(command, within, tried).await
            } else {
                ProposeOutcome::NotLeader { leader: group.leader() }
            })
        }
        PeerRequest::ReadIndex { within_ms } => {
            let within = Duration::from_millis(within_ms).min(WITHIN_MAX);
            PeerResponse::ReadIndex(if group.leads() {
                group.read_index(within).await
            } else {
                ReadOutcome::NotLeader { leader: group.leader() }
            })
        }
        PeerRequest::HandOver { to, within_ms } => {
            let within = Duration::from_millis(within_ms).min(WITHIN_MAX);
            match group.leads() {
                false => refused(&"this node does not lead any more"),
                true => match group.hand_over(to, within).await {
                    Ok(()) => PeerResponse::HandedOver,
                    Err(why) => refused(&why),
                },
            }
        }
        PeerRequest::Standing => match reconfigure::standing(group).await {
            Some(standing) => PeerResponse::Standing(standing),
            None => refused(&"no leader of that group is here, or nobody confirms it"),
        },
        PeerRequest::Probe
        | PeerRequest::Found { .. }
        | PeerRequest::Join { .. }
        | PeerRequest::Version
        | PeerRequest::Queue { .. }
        | PeerRequest::Cache { .. }
        | PeerRequest::Recall { .. }
        | PeerRequest::Directory { .. }
        | PeerRequest::Digest { .. }
        | PeerRequest::Verdict(_)
        | PeerRequest::Meet(_)
        | PeerRequest::Vacant { .. }
        | PeerRequest::Pass { .. }
        | PeerRequest::Heartbeats { .. } => refused(&"this is not a group's business"),
    }
}
