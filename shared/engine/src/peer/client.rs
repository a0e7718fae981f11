//! The calling side of the links: every message with its number, its stamp and its facts.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use orrery_base::ids::{GroupId, NodeId, NodeName};
use orrery_event::Fact;
use orrery_event::fact::{LostWhy, Message, MessageId};
use orrery_event::stream::HeartbeatLeg;
use orrery_machine::Member;

use crate::codec::{self, PEER_VERSION};
use crate::config::EngineConfig;
use crate::host::{CallError, Host, Transport, Urgency};
use crate::local::{Formed, Local};
use crate::peer::heartbeats::Heartbeats;
use crate::peer::message::{Asked, Envelope, PeerRequest, PeerResponse};
use crate::peer::round_trip::RoundTrips;
use crate::peer::timing::Timings;
use crate::peer::witness::Witness;
use crate::sync::lock;

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
    pub(crate) heartbeats: Heartbeats<H>,
    /// How long the links take.
    pub(crate) round_trips: RoundTrips,
    /// Of this node, and of those peers that have another one.
    pub(crate) timing: Timings,
    /// What was seen of the others.
    pub(crate) witness: Witness<H>,
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

    pub fn host(&self) -> &H {
        &self.host
    }

    /// A number for one transfer of a snapshot.
    pub fn next_transfer(&self) -> u64 {
        self.next_transfer.fetch_add(1, Ordering::Relaxed)
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
