//! Links between nodes: one WebSocket per ordered pair, multiplexed by request id.
//!
//! The node that asks is the one that dials; answers come back on the same connection. Three queues per direction
//! keep elections ahead of entries and entries ahead of snapshot chunks. Every queue is bounded, and a full one says
//! so at once: the caller learns `NotSent`, never waits for room.
//!
//! Invariant: this module moves bytes. It knows no Raft, no service and no fault.

mod accept;
pub mod certificates;
mod dial;
mod frame;
mod handshake;
mod outbox;
mod refusals;
pub mod same_user;
mod text;
mod trust;
mod wire;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use orrery_base::ids::NodeName;
use orrery_engine::host::{CallError, Transport, Urgency};
use orrery_machine::Member;
use parking_lot::{Mutex, RwLock};

pub use accept::{Admission, Incoming, accept_peer};
pub use handshake::PeerIdentity;
pub use trust::Trust;
pub(crate) use trust::{PROTOCOL, explain};
pub use wire::{Listener, listen};

use dial::Link;
use refusals::Refusals;

/// Where peers come in: their requests wait for no client's, and count as none.
pub const PEER_PATH: &str = "/peer";

/// Largest message of a peer.
pub const PEER_BYTES_MAX: usize = frame::FRAME_BYTES_MAX;

/// What a peer's link reads at once. tungstenite fills that much with zeros before each read, and does with 128 KiB
/// where nobody says otherwise: that was the largest single piece of a busy node's time outside of the kernel.
pub const PEER_READ_BYTES: usize = 16 * 1024;

/// The future of one answer. None: there will be no answer (the asker sees a time-out).
pub type Answer = Pin<Box<dyn Future<Output = Option<Bytes>> + Send>>;

/// Answers requests of peers: who asks, and what.
pub type Serve = Arc<dyn Fn(NodeName, Bytes) -> Answer + Send + Sync>;

/// Told when a link to a peer opened (`true`) or broke.
pub type OnLink = Arc<dyn Fn(&NodeName, bool) + Send + Sync>;

/// Told why this node's identity was given up, by a peer that proved who it is.
pub type OnDismissed = Arc<dyn Fn(&str) + Send + Sync>;

/// All links of one node. Cheap to clone.
#[derive(Clone)]
pub struct Links {
    shared: Arc<Shared>,
}

/// What links and accepted connections have in common.
pub(crate) struct Shared {
    trust: Trust,
    identity: RwLock<PeerIdentity>,
    serve: OnceLock<Serve>,
    on_link: OnLink,
    on_dismissed: OnDismissed,
    /// The committed incarnation of each member's name, as far as this node knows.
    incarnations: RwLock<BTreeMap<NodeName, u32>>,
    links: Mutex<BTreeMap<NodeName, Arc<Link>>>,
    refusals: Refusals,
}

impl Links {
    /// No links yet: [`Transport::members`] opens them.
    pub fn new(identity: PeerIdentity, trust: Trust, on_link: OnLink, on_dismissed: OnDismissed) -> Links {
        Links {
            shared: Arc::new(Shared {
                trust,
                identity: RwLock::new(identity),
                serve: OnceLock::new(),
                on_link,
                on_dismissed,
                incarnations: RwLock::default(),
                links: Mutex::default(),
                refusals: Refusals::default(),
            }),
        }
    }

    /// How its links are protected.
    pub fn trust(&self) -> &Trust {
        &self.shared.trust
    }

    /// From now on, requests of peers are answered. Before, askers learn that this node is starting.
    pub fn attach(&self, serve: Serve) {
        // A second call would be a bug in the start-up; the first one stays.
        let first = self.shared.serve.set(serve).is_ok();
        debug_assert!(first, "attached twice");
    }

    /// What this node says of itself in handshakes from now on.
    pub fn identify(&self, change: impl FnOnce(&mut PeerIdentity)) {
        change(&mut self.shared.identity.write());
    }

    /// The members of the committed record are these now: a peer that comes with an earlier incarnation of its name is
    /// turned away.
    pub fn committed(&self, members: &[Member]) {
        let known = members.iter().map(|member| (member.name.clone(), member.incarnation));
        *self.shared.incarnations.write() = known.collect();
    }

    pub fn close(&self) {
        for link in std::mem::take(&mut *self.shared.links.lock()).into_values() {
            link.close();
        }
    }

    /// Whether the link to the peer of this name is open.
    pub fn connected_to(&self, name: &NodeName) -> bool {
        self.shared.links.lock().get(name).is_some_and(|link| link.is_open())
    }
}

impl Shared {
    fn incarnation_of(&self, peer: &NodeName) -> Option<u32> {
        self.incarnations.read().get(peer).copied()
    }

    /// A peer dialled us, so it is there: do not wait for the backoff to dial it.
    fn nudge(&self, peer: &NodeName) {
        if let Some(link) = self.links.lock().get(peer) {
            link.nudge();
        }
    }
}

impl Transport for Links {
    async fn call(
        &self,
        to: &Member,
        urgency: Urgency,
        request: Bytes,
        within: Duration,
    ) -> Result<Bytes, CallError> {
        let link = self.shared.links.lock().get(&to.name).cloned();
        match link {
            Some(link) => link.call(urgency, request, within).await,
            None => Err(CallError::NotSent(format!("{} is not a member", to.name))),
        }
    }

    fn connected(&self, to: &Member) -> bool {
        self.connected_to(&to.name)
    }

    fn members(&self, members: &[Member]) {
        let own = self.shared.identity.read().node.clone();
        let wanted: BTreeMap<&NodeName, &Member> =
            members.iter().filter(|member| member.name != own).map(|member| (&member.name, member)).collect();
        let mut links = self.shared.links.lock();
        links.retain(|name, link| {
            let stays = wanted.get(name).is_some_and(|member| member.address == link.address());
            if !stays {
                link.close();
            }
            stays
        });
        for (name, member) in wanted {
            links
                .entry(name.clone())
                .or_insert_with(|| Link::open(self.shared.clone(), name.clone(), member.address.clone()));
        }
    }
}
