//! The query string of `GET /ws/events`, checked. The frames are in `orrery_event::stream`.

use std::collections::BTreeSet;

use orrery_base::error::ApiError;
use orrery_base::ids::{BootEpoch, GroupId, Sequence};
use orrery_event::choice::{Choice, Detail};
use serde::Deserialize;

/// Most groups that a reader may name.
const GROUPS_MAX: usize = 64;

/// The query string of `/ws/events`.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ReaderQuery {
    /// The boot that `after` is of.
    pub boot: Option<BootEpoch>,
    /// The last sequence that the reader has.
    pub after: Option<Sequence>,
    /// `boot`: from the first event that is kept, without a snapshot. Beside a cursor: what is done where the cursor
    /// is of an earlier boot, and the first event of this one is still kept.
    pub from: Option<Beginning>,
    /// `json` (the default) or `postcard`.
    #[serde(default)]
    pub codec: CodecName,
    /// Only these groups (0 is the control group), and what is of no group. Numbers with commas between them, at most 64.
    #[cfg_attr(feature = "openapi", schema(pattern = "^[0-9]+(,[0-9]+)*$"))]
    pub groups: Option<String>,
    /// `all` (the default); `states`: no messages, timers and requests; `services`: what the services did, requests and
    /// processes.
    #[serde(default)]
    pub detail: Detail,
    /// `counted` (the default): one fact per link and second; `each`: a frame for every heartbeat besides.
    #[serde(default)]
    pub heartbeats: Heartbeats,
}

/// Where a stream begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Beginning {
    /// At the boot's first event that is kept.
    Boot,
}

/// How a stream is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum CodecName {
    /// Text frames.
    #[default]
    Json,
    /// Binary frames.
    Postcard,
}

/// How heartbeats are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Heartbeats {
    /// One fact per link and second.
    #[default]
    Counted,
    /// And a frame for each.
    Each,
}

impl ReaderQuery {
    /// Which events it asks for.
    ///
    /// # Errors
    /// A cursor without its other half, or groups that are none.
    pub fn choice(&self) -> Result<Choice, ApiError> {
        if self.boot.is_some() != self.after.is_some() {
            return Err(ApiError::bad_request(
                "boot and after go together: the last sequence that you have, and the boot that it is of.",
            ));
        }
        Ok(Choice { groups: self.groups.as_deref().map(groups).transpose()?, detail: self.detail })
    }
}

fn groups(text: &str) -> Result<BTreeSet<GroupId>, ApiError> {
    let parsed: Result<BTreeSet<GroupId>, ()> =
        text.split(',').map(|number| number.parse().map(GroupId).map_err(|_| ())).collect();
    match parsed {
        Ok(groups) if groups.len() <= GROUPS_MAX => Ok(groups),
        Ok(_) => Err(ApiError::bad_request(format!("groups names more than {GROUPS_MAX} groups."))),
        Err(()) => Err(ApiError::bad_request(format!(
            "groups is numbers of groups with commas between them (0 is the control group), not {text:?}."
        ))),
    }
}
