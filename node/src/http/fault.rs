//! `POST /fault/link`: breaks a link on purpose. Only with `--faults`.

use axum::extract::State;
use orrery_shared::engine::host::Host as _;
use orrery_shared::error::ErrorCode;
use orrery_shared::event::Fact;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::body::{Check, Checked, check_name};
use super::{Answer, Failure, NodeState};

/// `POST /fault/link`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CutLink {
    /// The other end.
    peer: SmolStr,
    /// Cut what this node sends to it, or heal it.
    cut: bool,
}

impl Check for CutLink {
    fn check(&self) -> Result<(), Failure> {
        check_name("peer", &self.peer)
    }
}

/// Answer of `POST /fault/link`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CutLinks {
    /// All peers to which nothing arrives from this node.
    cut: Vec<SmolStr>,
}

/// `POST /fault/link`
pub async fn link(
    State(state): State<NodeState>,
    Checked { body, .. }: Checked<CutLink>,
) -> Result<Answer<CutLinks>, Failure> {
    let own = &state.engine.local().name;
    if body.peer == *own || !state.engine.members().iter().any(|member| member.name == body.peer) {
        return Err(Failure::new(ErrorCode::NotFound, format!("{own} has no peer called {}.", body.peer)));
    }
    if state.transport.set_cut(&body.peer, body.cut) {
        state.engine.host().emit(Fact::LinkFault { peer: body.peer.clone(), cut: body.cut });
    }
    Ok(Answer(200, CutLinks { cut: state.transport.cut_links() }))
}
