//! `GET /backup?group=N`: one group's state, for `orrery backup`.

use std::io;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use orrery_api::node::BackupQuery;
use orrery_base::error::ErrorCode;
use orrery_engine::backup::BackupHead;
use orrery_machine::Machine;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use super::body::{Asked, query};
use super::{Failure, NodeState};
use crate::storage::SnapshotEncoder;

/// A backup keeps a fork of a group's state alive: one at a time.
static TURN: Semaphore = Semaphore::const_new(1);

/// A reader that takes nothing for so long is given up.
const SILENT_MAX: Duration = Duration::from_secs(60);

/// `GET /backup`: a snapshot file whose first chunk says what it is of. It ends with a checksum; without it, it is not
/// complete.
pub async fn backup(State(state): State<NodeState>, asked: Asked<BackupQuery>) -> Result<Response, Failure> {
    let query = query(asked)?;
    let Ok(turn) = TURN.try_acquire() else {
        return Err(Failure::new(ErrorCode::LimitReached, "This node is giving a backup already."));
    };
    let within = state.engine.config().request_timeout;
    let taken = state.engine.backup(query.group, within).await;
    let (head, machine) =
        taken.map_err(|error| Failure::new(ErrorCode::Unavailable, format!("{}.", error.0)))?;
    let (sender, receiver) = mpsc::channel(2);
    tokio::spawn(async move {
        let _turn = turn;
        if give(&head, &machine, &sender).await.is_none() {
            tracing::warn!(group = %head.group, "a backup was not taken to its end");
        }
    });
    let body = stream::unfold(receiver, |mut receiver: mpsc::Receiver<Bytes>| async move {
        receiver.recv().await.map(|bytes| (Ok::<_, io::Error>(bytes), receiver))
    });
    let content_type = HeaderValue::from_static("application/octet-stream");
    Ok(([(header::CONTENT_TYPE, content_type)], Body::from_stream(body)).into_response())
}

/// Encodes chunk by chunk, as fast as they are taken. None when the reader went away.
async fn give(head: &BackupHead, machine: &Machine, to: &mpsc::Sender<Bytes>) -> Option<()> {
    let send = async |bytes: Bytes| timeout(SILENT_MAX, to.send(bytes)).await.ok()?.ok();
    let (mut encoder, first) = SnapshotEncoder::begin();
    send(first).await?;
    for chunk in std::iter::once(head.encode().ok()?).chain(machine.chunks()) {
        let length = encoder.chunk(&chunk).ok()?;
        send(Bytes::copy_from_slice(&length)).await?;
        send(chunk).await?;
    }
    send(Bytes::copy_from_slice(&encoder.end())).await
}
