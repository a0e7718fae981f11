//! The supervisor's HTTP: the dashboard, its processes, its events.

use axum::extract::rejection::QueryRejection;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Path, Query, Request, State};
use axum::response::Response;
use axum::routing::{delete, get, post};
use axum::{Router, middleware};
use orrery_api::demo::DemoNodes;
use orrery_api::fault::FaultSet;
use orrery_api::stream::ReaderQuery;

use super::supervisor::Supervisor;
use crate::events::Hub;
use crate::faults::Change;
use crate::http::guard::{self, Guard};
use crate::http::{
    Failure, FaultsAnswered, Json, Keyed, dashboard, json_only, method_not_allowed, open_events,
    optional_json,
};

#[derive(Clone)]
struct DemoState {
    supervisor: Supervisor,
    hub: Hub,
}

type Answered = Result<Json<DemoNodes>, Failure>;

/// All routes of the supervisor.
pub fn router(supervisor: Supervisor, hub: Hub, guard: Guard) -> Router {
    Router::new()
        .route("/demo/nodes", get(list).post(add))
        .route("/demo/nodes/{id}", delete(remove))
        .route("/demo/nodes/{id}/kill", post(kill))
        .route("/demo/nodes/{id}/start", post(start))
        .route("/demo/nodes/{id}/pause", post(pause))
        .route("/demo/nodes/{id}/resume", post(resume))
        .route("/faults", get(faults).post(set_faults).delete(heal_faults))
        .route("/ws/events", get(events))
        .method_not_allowed_fallback(method_not_allowed)
        .route_layer(middleware::from_fn(json_only))
        .route_layer(middleware::from_fn_with_state(guard.clone(), guard::check))
        .fallback_service(dashboard(guard))
        .with_state(DemoState { supervisor, hub })
}

async fn list(State(state): State<DemoState>) -> Json<DemoNodes> {
    Json(200, state.supervisor.list())
}

async fn add(State(state): State<DemoState>) -> Answered {
    state.supervisor.add().await?;
    Ok(Json(200, state.supervisor.list()))
}

/// 202: it goes when its shards moved away.
async fn remove(State(state): State<DemoState>, Path(id): Path<String>) -> Answered {
    state.supervisor.remove(&id).await?;
    Ok(Json(202, state.supervisor.list()))
}

async fn kill(State(state): State<DemoState>, Path(id): Path<String>) -> Answered {
    state.supervisor.kill(&id).await?;
    Ok(Json(200, state.supervisor.list()))
}

async fn start(State(state): State<DemoState>, Path(id): Path<String>) -> Answered {
    state.supervisor.start(&id).await?;
    Ok(Json(200, state.supervisor.list()))
}

async fn pause(State(state): State<DemoState>, Path(id): Path<String>) -> Answered {
    state.supervisor.pause(&id)?;
    Ok(Json(200, state.supervisor.list()))
}

async fn resume(State(state): State<DemoState>, Path(id): Path<String>) -> Answered {
    state.supervisor.resume(&id)?;
    Ok(Json(200, state.supervisor.list()))
}

async fn faults(State(state): State<DemoState>) -> FaultsAnswered {
    Ok(Json(200, state.supervisor.faults(Change::Look).await?))
}

async fn set_faults(State(state): State<DemoState>, Keyed { body, .. }: Keyed<FaultSet>) -> FaultsAnswered {
    Ok(Json(200, state.supervisor.faults(Change::Set(body.faults)).await?))
}

async fn heal_faults(State(state): State<DemoState>, request: Request) -> FaultsAnswered {
    let change = match optional_json::<FaultSet>(request).await? {
        Some(set) => Change::Heal(set.faults),
        None => Change::HealAll,
    };
    Ok(Json(200, state.supervisor.faults(change).await?))
}

async fn events(
    State(state): State<DemoState>,
    query: Result<Query<ReaderQuery>, QueryRejection>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Failure> {
    open_events(state.hub, query, upgrade)
}
