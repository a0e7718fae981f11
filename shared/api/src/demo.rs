//! The supervisor's `GET /demo/nodes`, `POST /demo/nodes`, `DELETE /demo/nodes/{id}` and
//! `POST /demo/nodes/{id}/kill|start|pause|resume`.

use orrery_event::stream::ProcessState;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// Answer of all of them: every process, in the order in which they are drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DemoNodes {
    /// `realistic` or `classroom`.
    pub profile: SmolStr,
    /// Every process.
    pub nodes: Vec<ProcessState>,
}
