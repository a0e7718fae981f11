//! The accepting end of a link: checks who dials, answers its requests.

use std::sync::Arc;

use axum::extract::ws::{Message, WebSocket};
use futures_util::{SinkExt as _, StreamExt as _};
use orrery_shared::engine::host::Urgency;
use orrery_shared::ids::NodeName;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::frame::{Frame, Kind};
use super::handshake::{self, Challenge, HANDSHAKE_MAX, Introduction, Mismatch, Side, Verdict};
use super::outbox::Outbox;
use super::{Links, Shared};

/// Most requests of one peer that are worked on at once; then reading waits. Elections do not count: their number is
/// bounded at the sender.
const SERVING_MAX: usize = 4_096;

/// Serves one connection of a peer until it breaks.
pub async fn accept_peer(links: Links, mut socket: WebSocket) {
    let shared = links.shared;
    match timeout(HANDSHAKE_MAX, welcome(&shared, &mut socket)).await {
        Ok(Ok(peer)) => {
            shared.nudge(&peer);
            talk(&shared, peer, socket).await;
        }
        Ok(Err(why)) => tracing::warn!("a peer was refused: {why}"),
        Err(_) => tracing::debug!("a peer did not end its handshake in time"),
    }
}

async fn welcome(shared: &Shared, socket: &mut WebSocket) -> Result<NodeName, String> {
    let challenge = Challenge::new();
    send(socket, &challenge).await?;
    let theirs: Introduction = match socket.recv().await {
        Some(Ok(Message::Binary(bytes))) => handshake::decode(&bytes)?,
        _ => return Err("it went away".to_owned()),
    };
    let own = shared.identity.read().clone();
    let peer = theirs.identity.node.clone();
    let checked =
        theirs.check(&shared.secret, Side::Dialling, &challenge.nonce, &own, shared.incarnation_of(&peer));
    let said = || {
        let nonce = handshake::nonce();
        Introduction::new(&shared.secret, Side::Accepting, &theirs.nonce, nonce, own.clone(), peer.clone())
    };
    let (verdict, outcome) = match checked {
        Ok(()) => (Verdict::Welcome(said()), Ok(peer.clone())),
        Err(Mismatch::Refused(why)) => (Verdict::Refused(why.clone()), Err(why)),
        Err(Mismatch::Dismissed(why)) => (Verdict::Dismissed(said(), why.clone()), Err(why)),
    };
    send(socket, &verdict).await?;
    outcome
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
