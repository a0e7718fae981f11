//! The HTTP edge: routes, strict bodies, typed errors, who may call.
//!
//! Invariant: nothing is decided here. A handler checks the shape of a request, asks a service, and turns its answer
//! or error into a status and a body.

mod assets;
mod backup;
mod body;
mod discard;
mod docs;
mod fault;
pub mod guard;
mod node;
mod serve;
mod stream;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::routing::{get, post};
use axum::{Router, middleware};
use orrery_base::error::{ApiError, ErrorCode};
use orrery_engine::Engine;
use tower_http::compression::CompressionLayer;

pub use assets::dashboard;
pub use body::{Keyed, json_only, optional_json, read_json};
pub use discard::discard_body;
pub use fault::Answered as FaultsAnswered;
use guard::Guard;
pub use stream::open_events;

pub use crate::answer::{Failure, Json};
use crate::events::Hub;
use crate::faults::FaultyTransport;
use crate::host::NodeHost;
use crate::metrics::Metrics;
use crate::server::LIVEZ;
use crate::transport::{Links, PEER_PATH};

/// Largest body of a request.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;

/// Longest time that a client may take to send its body.
pub const BODY_TIME_MAX: Duration = Duration::from_secs(10);

/// What the handlers of a node need. Cheap to clone.
#[derive(Clone)]
pub struct NodeState {
    /// The engine with its services.
    pub engine: Engine<NodeHost>,
    pub hub: Hub,
    /// Accepted connections of peers.
    pub links: Links,
    /// The links as the engine sees them, for faults.
    pub transport: FaultyTransport<Links>,
    pub metrics: Arc<Metrics>,
    pub guard: Guard,
    /// Whether links may be broken on purpose.
    pub faults: bool,
}

/// All routes of a node.
pub fn router(state: NodeState) -> Router {
    let guard = state.guard.clone();
    let mut api = serve::routes()
        .route(LIVEZ, get(node::livez))
        .route("/readyz", get(node::readyz))
        .route("/health", get(node::health))
        .route("/status", get(node::status))
        .route("/cluster", get(node::cluster))
        .route("/cluster/leader", post(node::transfer_leader))
        .route("/cluster/leave", post(node::leave))
        .route("/cluster/compare", post(node::compare))
        .route("/backup", get(backup::backup))
        .route("/metrics", get(node::metrics))
        .route("/ws/events", get(stream::events))
        .route("/openapi.json", get(docs::document).layer(CompressionLayer::new().gzip(true)))
        .route("/docs", get(docs::folder))
        .route("/docs/", get(docs::file))
        .route("/docs/{*file}", get(docs::file));
    if state.faults {
        api = api
            .route("/faults", get(fault::list).post(fault::set).delete(fault::heal))
            .route("/fault/link", post(fault::link));
    }
    let api = api
        .method_not_allowed_fallback(method_not_allowed)
        .route_layer(middleware::from_fn(json_only))
        .route_layer(middleware::from_fn_with_state(guard.clone(), guard::check))
        .fallback_service(dashboard(guard));
    // Peers prove who they are when they come; they reach a node under names that it need not know.
    Router::new()
        .route(PEER_PATH, get(stream::peer))
        .method_not_allowed_fallback(method_not_allowed)
        .merge(api)
        .with_state(state)
}

/// No such path, whatever the method.
pub async fn not_found(request: Request) -> Failure {
    let message = format!("There is nothing at {}.", request.uri().path());
    discard_body(request).await;
    Failure(ApiError::new(ErrorCode::NotFound, message))
}

/// A path that wants another method.
pub async fn method_not_allowed(request: Request) -> Failure {
    let message = format!("{} is not for the method {}.", request.uri().path(), request.method());
    discard_body(request).await;
    Failure(ApiError::new(ErrorCode::MethodNotAllowed, message))
}
