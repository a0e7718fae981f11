//! WebSockets: the event stream for readers, and the connections of peers.

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use orrery_api::stream::ReaderQuery;
use orrery_base::error::ErrorCode;

use super::body::{Asked, query};
use super::{Failure, NodeState};
use crate::events::{Hub, serve_reader};
use crate::server::Caller;
use crate::transport::{PEER_READ_BYTES, accept_peer};

/// Most that a reader of events may send at once: it has nothing to say.
const READER_BYTES_MAX: usize = 4_096;

/// `GET /ws/events` of a node.
pub async fn events(
    State(state): State<NodeState>,
    asked: Asked<ReaderQuery>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Failure> {
    open_events(state.hub, asked, upgrade)
}

/// The same for any hub.
pub fn open_events(
    hub: Hub,
    asked: Asked<ReaderQuery>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Failure> {
    let query = query(asked)?;
    let choice = query.choice()?;
    let upgrade = upgrade.map_err(|_| Failure::bad_request("This path speaks WebSocket only."))?;
    let chosen = hub.choose(choice)?;
    let admitted = hub.admit()?;
    let upgrade = upgrade
        .read_buffer_size(READER_BYTES_MAX)
        .max_message_size(READER_BYTES_MAX)
        .max_frame_size(READER_BYTES_MAX);
    Ok(upgrade.on_upgrade(move |socket| serve_reader(hub, socket, query, chosen, admitted)).into_response())
}

/// `GET /peer`: a node dials. No browser has anything to do here.
pub async fn peer(
    State(state): State<NodeState>,
    caller: Option<Extension<Caller>>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Failure> {
    if headers.contains_key(header::ORIGIN) {
        return Err(Failure::new(ErrorCode::ForbiddenOrigin, "This path is for nodes, not for pages."));
    }
    let upgrade = upgrade.map_err(|_| Failure::bad_request("This path speaks WebSocket only."))?;
    let caller = caller.map(|Extension(caller)| caller);
    let admission = state.links.admit(caller.as_ref()).await;
    let upgrade = upgrade
        .read_buffer_size(PEER_READ_BYTES)
        .max_message_size(admission.message_bytes_max())
        .max_frame_size(admission.message_bytes_max());
    Ok(upgrade.on_upgrade(move |socket| accept_peer(state.links, socket, admission, caller)).into_response())
}
