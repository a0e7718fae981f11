//! The accepting end of a link: checks who dials, answers its requests.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::ws::{Message, WebSocket};
use futures_util::{SinkExt as _, StreamExt as _};
use orrery_base::ids::NodeName;
use orrery_engine::host::Urgency;
use rustls::pki_types::CertificateDer;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::frame::{Frame, Kind};
use super::handshake::{self, Greeting, HANDSHAKE_MAX, Hello, Mismatch, Verdict};
use super::outbox::Outbox;
use super::text::printable;
use super::trust::Proof;
use super::{Links, Shared};

/// Most requests of one peer that are worked on at once; then reading waits. Elections do not count: their number is
/// bounded at the sender.
const SERVING_MAX: usize = 4_096;

/// A connection on which somebody dialled this node, as whoever serves connections knows it.
pub trait Incoming: Send + Sync + 'static {
    fn own_end(&self) -> SocketAddr;
    fn other_end(&self) -> SocketAddr;
    /// What the other end proved to be, where the connection is encrypted.
    fn certificate(&self) -> Option<CertificateDer<'static>>;
    /// Resolves when this connection has to make room for another one. A proven peer's never has to.
    fn evicted(&self) -> impl Future<Output = ()> + Send;
    /// It is a peer's: it takes no client's place from now on, and stays for as long as the peer does.
    fn is_peers(&self);
}

/// What a connection proved before it said a word; or why it cannot be a peer's.
#[derive(Clone, Debug)]
pub struct Admission(Result<Proof, String>);

impl Admission {
    /// Most bytes of a message: few while the other end has not proved who it is.
    pub fn message_bytes_max(&self) -> usize {
        match self.0 {
            Ok(_) => super::PEER_BYTES_MAX,
            Err(_) => handshake::MESSAGE_BYTES_MAX,
        }
    }
}

impl Links {
    /// Finds out who is at the other end, from its certificate or from the system.
    pub async fn admit(&self, caller: Option<&impl Incoming>) -> Admission {
        Admission(match caller {
            Some(caller) => {
                self.shared.trust.admit(caller.certificate(), caller.own_end(), caller.other_end()).await
            }
            None => Err("nobody knows where it comes from".to_owned()),
        })
    }
}

/// Serves one connection of a peer until it breaks.
pub async fn accept_peer(
    links: Links,
    mut socket: WebSocket,
    admission: Admission,
    caller: Option<impl Incoming>,
) {
    let shared = links.shared;
    let room_is_wanted = async {
        match &caller {
            Some(caller) => caller.evicted().await,
            None => std::future::pending().await,
        }
    };
    let welcomed = tokio::select! {
        welcomed = timeout(HANDSHAKE_MAX, welcome(&shared, &mut socket, admission)) => welcomed,
        () = room_is_wanted => return,
    };
    match welcomed {
        Ok(Ok(peer)) => {
            if let Some(caller) = &caller {
                caller.is_peers();
            }
            shared.nudge(&peer);
            talk(&shared, peer, socket).await;
        }
        Ok(Err(Refused { by_name, why })) => {
            let from = caller.map(|caller| caller.other_end().to_string()).unwrap_or_default();
            if shared.refusals.is_news(&by_name, &why) {
                tracing::warn!(%from, "{by_name} was refused as a peer: {why}");
            }
        }
        Err(_) => tracing::debug!("a peer did not end its handshake in time"),
    }
}

/// Whom this node did not take for a peer.
struct Refused {
    /// Its name, as far as it said one.
    by_name: String,
    why: String,
}

async fn welcome(shared: &Shared, socket: &mut WebSocket, admission: Admission) -> Result<NodeName, Refused> {
    let nameless = |why: String| Refused { by_name: "somebody".to_owned(), why: printable(&why) };
    send(socket, &Greeting::new()).await.map_err(nameless)?;
    let said = match socket.recv().await {
        Some(Ok(Message::Binary(bytes))) => bytes,
        _ => return Err(nameless("it went away".to_owned())),
    };
    let proof = match (handshake::check_version(&said), admission.0) {
        (Ok(()), Ok(proof)) => proof,
        (Err(why), _) | (Ok(()), Err(why)) => {
            send(socket, &Verdict::Refused(why.clone())).await.map_err(nameless)?;
            return Err(nameless(why));
        }
    };
    let Hello { identity: theirs, to, .. } = handshake::decode(&said).map_err(nameless)?;
    let own = shared.identity.read().clone();
    let named = |why: String| Refused { by_name: printable(&theirs.node), why };
    let checked = if to == own.node {
        theirs.check(&proof, &own, shared.incarnation_of(&theirs.node))
    } else {
        Err(format!("{} was looked for, but {} is here", printable(&to), own.node).into())
    };
    let (verdict, outcome) = match checked {
        Ok(()) => (Verdict::Welcome(own), Ok(theirs.node.clone())),
        Err(Mismatch::Refused(why)) => (Verdict::Refused(why.clone()), Err(named(why))),
        Err(Mismatch::Dismissed { incarnation }) => {
            let why = given_up(&theirs.node, theirs.incarnation, incarnation);
            (Verdict::Dismissed { incarnation }, Err(named(why)))
        }
    };
    send(socket, &verdict).await.map_err(nameless)?;
    outcome
}

/// That a name has a later incarnation.
pub(super) fn given_up(node: &NodeName, incarnation: u32, later: u32) -> String {
    format!("{} is in incarnation {later} by now: {incarnation} was given up", printable(node))
}

async fn send<T: serde::Serialize>(socket: &mut WebSocket, value: &T) -> Result<(), String> {
    socket.send(Message::Binary(handshake::encode(value).into())).await.map_err(|error| error.to_string())
}

async fn talk(shared: &Arc<Shared>, peer: NodeName, socket: WebSocket) {
    let (mut sink, mut stream) = socket.split();
    let outbox = Arc::new(Outbox::default());
    let write = {
        let outbox = outbox.clone();
        async move {
            let mut batch = Vec::new();
            loop {
                outbox.take(&mut batch).await;
                for frame in batch.drain(..) {
                    if sink.feed(Message::Binary(frame.encode())).await.is_err() {
                        return;
                    }
                }
                if sink.flush().await.is_err() {
                    return;
                }
            }
        }
    };
    let read = async {
        let room = Arc::new(Semaphore::new(SERVING_MAX));
        // Dropped with the connection: nobody reads these answers any more.
        let mut serving = JoinSet::new();
        while let Some(Ok(message)) = stream.next().await {
            let Message::Binary(bytes) = message else { continue };
            let frame = match Frame::decode(&bytes) {
                Ok(frame) if frame.kind == Kind::Request => frame,
                Ok(_) => continue,
                Err(error) => {
                    tracing::warn!(%peer, %error, "link closed");
                    return;
                }
            };
            let permit = match frame.urgency {
                Urgency::Election => None,
                _ => room.clone().acquire_owned().await.ok(),
            };
            while serving.try_join_next().is_some() {}
            serve_one(shared, &peer, frame, outbox.clone(), permit, &mut serving);
        }
    };
    tokio::select! {
        () = write => {}
        () = read => {}
    }
}

fn serve_one(
    shared: &Shared,
    peer: &NodeName,
    frame: Frame,
    outbox: Arc<Outbox>,
    permit: Option<tokio::sync::OwnedSemaphorePermit>,
    serving: &mut JoinSet<()>,
) {
    let Frame { urgency, id, payload, .. } = frame;
    let Some(serve) = shared.serve.get() else {
        let reply = Frame { kind: Kind::NotServed, urgency, id, payload: bytes::Bytes::new() };
        // Full: the asker's own time-out covers it.
        let _ = outbox.push(reply, |_| true);
        return;
    };
    let answer = serve(peer.clone(), payload);
    serving.spawn(async move {
        let _permit = permit;
        if let Some(payload) = answer.await {
            let reply = Frame { kind: Kind::Reply, urgency, id, payload };
            if outbox.push(reply, |_| true).is_err() {
                tracing::debug!("an answer found no room; its asker will time out");
            }
        }
    });
}
