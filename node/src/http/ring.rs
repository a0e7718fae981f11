//! `GET /ring`.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use orrery_api::ring::RingAnswer;
use serde::Deserialize;
use smol_str::SmolStr;

use super::body::check_name;
use super::{Answer, Failure, NodeState};

/// The query string of `GET /ring`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RingQuery {
    /// The partition key whose walk is shown.
    key: Option<SmolStr>,
    topic: Option<SmolStr>,
}

/// `GET /ring[?key=[&topic=]]`: what this node knows, without asking anybody.
pub async fn ring(
    State(state): State<NodeState>,
    query: Result<Query<RingQuery>, QueryRejection>,
) -> Result<Answer<RingAnswer>, Failure> {
    let Query(query) = query.map_err(|error| Failure::bad_request(format!("{}.", error.body_text())))?;
    for (field, name) in [("key", &query.key), ("topic", &query.topic)] {
        if let Some(name) = name {
            check_name(field, name)?;
        }
    }
    if query.key.is_none() && query.topic.is_some() {
        return Err(Failure::bad_request(
            "\"topic\" says whose key \"key\" is: give both, or the key alone.",
        ));
    }
    Ok(Answer(200, state.engine.queue().ring(query.key.as_ref(), query.topic.as_ref())))
}
