//! `GET /cache/read`, `POST /cache/write`, `POST /cache/delete`, `GET /cache/lines`, `/cache/directory`, `/cache/stats`.

use axum::extract::State;
use orrery_api::cache::{
    Delete, DirectoryAnswer, LinesAnswer, Read, ReadAnswer, ReadStatus, StatsAnswer, Write, WriteAnswer,
    WriteStatus,
};
use serde::Deserialize;
use smol_str::SmolStr;

use super::body::{Check, Checked};
use super::queue::{Asked, counted, query};
use super::{Answer, Failure, NodeState};

// Addresses and values are checked by the service: they have bounds of their own.
impl Check for Write {
    fn check(&self) -> Result<(), Failure> {
        Ok(())
    }
}

impl Check for Delete {
    fn check(&self) -> Result<(), Failure> {
        Ok(())
    }
}

/// `GET /cache/directory?address=`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Of {
    #[serde(alias = "key")]
    address: SmolStr,
}

/// `GET /cache/read`. Hits are counted by the cache itself: what happens to a hit here is most of its time.
pub async fn read(State(state): State<NodeState>, asked: Asked<Read>) -> Result<Answer<ReadAnswer>, Failure> {
    let answer = state.engine.cache().read(query(asked)?).await?;
    let status = if answer.status == ReadStatus::Miss { 404 } else { 200 };
    Ok(Answer(status, answer))
}

/// `POST /cache/write`
pub async fn write(
    State(state): State<NodeState>,
    Checked { body, key, asker }: Checked<Write>,
) -> Result<Answer<WriteAnswer>, Failure> {
    let asked = state.engine.cache().asked_by(asker);
    counted(&state, "cache_write", asked.write(body, key), word).await
}

/// `POST /cache/delete`
pub async fn delete(
    State(state): State<NodeState>,
    Checked { body, key, .. }: Checked<Delete>,
) -> Result<Answer<WriteAnswer>, Failure> {
    counted(&state, "cache_delete", state.engine.cache().delete(body, key), word).await
}

fn word(answer: &WriteAnswer) -> (u16, &'static str) {
    let word = match answer.status {
        WriteStatus::Written if answer.durable => "written",
        WriteStatus::Written => "written_back_later",
        WriteStatus::Deleted => "deleted",
        WriteStatus::Absent => "absent",
    };
    (200, word)
}

/// `GET /cache/lines`
pub async fn lines(State(state): State<NodeState>) -> Answer<LinesAnswer> {
    Answer(200, state.engine.cache().lines())
}

/// `GET /cache/directory`
pub async fn directory(
    State(state): State<NodeState>,
    asked: Asked<Of>,
) -> Result<Answer<DirectoryAnswer>, Failure> {
    let Of { address } = query(asked)?;
    Ok(Answer(200, state.engine.cache().directory(address).await?))
}

/// `GET /cache/stats`
pub async fn stats(State(state): State<NodeState>) -> Answer<StatsAnswer> {
    Answer(200, state.engine.cache().stats())
}
