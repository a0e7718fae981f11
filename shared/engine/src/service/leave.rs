//! Asking a member to leave.

use std::time::Duration;

use openraft::AsyncRuntime;
use orrery_base::error::{ApiError, ErrorCode};
use orrery_base::ids::{GroupId, NodeName};
use orrery_machine::{Command, ControlCommand, ControlReply, Mutation, Reply};

use super::requests::Requests;
use super::verdict;
use crate::cluster::Cluster;
use crate::error::ProposeError;
use crate::host::Host;

/// How long what was decided may take to be applied here before it is answered.
const SHOWN_WITHIN: Duration = Duration::from_secs(2);

/// See [`crate::Engine::leave`].
pub async fn leave<H: Host>(
    cluster: &Cluster<H>,
    requests: &Requests,
    name: &NodeName,
    within: Duration,
) -> Result<(), ApiError> {
    let not_ready = || cluster.not_ready("This node is not part of a cluster yet.");
    let group = cluster.group(GroupId::CONTROL).ok_or_else(not_ready)?;
    // Under a key, so that it may be tried again. Doing it twice would do nothing more.
    let key = requests.own();
    let mutation = Mutation::Control(ControlCommand::Leave { name: name.clone() });
    match cluster
        .propose(GroupId::CONTROL, Command { key: Some(key.request().clone()), mutation }, within)
        .await
    {
        Ok((index, Reply::Control(ControlReply::Done))) => {
            // So that what this node shows next has it.
            let _ = H::Runtime::timeout(SHOWN_WITHIN, group.state.wait_applied(index)).await;
            Ok(())
        }
        Ok((_, Reply::Control(ControlReply::Refused { why }))) => {
            let known = group.state.read(|machine| machine.cluster().member(name).is_some());
            let code = if known { ErrorCode::Conflict } else { ErrorCode::NotFound };
            Err(ApiError::new(code, format!("{name} cannot leave: {why}.")))
        }
        Ok(_) => Err(ApiError::new(ErrorCode::Internal, "The cluster answered something unexpected.")),
        Err(ProposeError::NotApplied(why)) => Err(verdict::not_taken(GroupId::CONTROL, &why, &key)),
        Err(ProposeError::Unknown(why)) => Err(ApiError::new(
            ErrorCode::OutcomeUnknown,
            format!("It is not known whether {name} leaves: {why}. Asking again is safe."),
        )),
    }
}
