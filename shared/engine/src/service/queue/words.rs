//! How the answers are called in the facts about requests.

use orrery_api::queue::{Consumed, GroupAnswer, Published, Purged, Redriven, Settled, Settlement};
use orrery_api::queue_limits::LimitsAnswer;

use crate::service::lock::watched::Outcome;

impl Outcome for Published {
    fn word(&self) -> &'static str {
        "published"
    }

    fn status(&self) -> u16 {
        200
    }
}

impl Outcome for Consumed {
    fn word(&self) -> &'static str {
        if self.messages.is_empty() { "nothing" } else { "delivered" }
    }

    fn status(&self) -> u16 {
        200
    }
}

impl Outcome for Settled {
    fn word(&self) -> &'static str {
        match self.status {
            Settlement::Acknowledged => "acknowledged",
            Settlement::AlreadyAcknowledged => "already acknowledged",
            Settlement::Nacked => "nacked",
            Settlement::DeadLettered => "dead-lettered",
            Settlement::Extended => "extended",
            Settlement::Late => "late",
            Settlement::Unknown => "no such message",
            Settlement::Gone => "gone",
            Settlement::ShardUnavailable => "unavailable",
            Settlement::OutcomeUnknown => "unknown",
            Settlement::Partial => "partial",
        }
    }

    fn status(&self) -> u16 {
        self.http_status()
    }
}

impl Outcome for GroupAnswer {
    fn word(&self) -> &'static str {
        match self.status.as_str() {
            "deleted" => "deleted",
            "exists" => "exists",
            _ => "created",
        }
    }

    fn status(&self) -> u16 {
        200
    }
}

impl Outcome for Redriven {
    fn word(&self) -> &'static str {
        "redriven"
    }

    fn status(&self) -> u16 {
        200
    }
}

impl Outcome for LimitsAnswer {
    fn word(&self) -> &'static str {
        "limits set"
    }

    fn status(&self) -> u16 {
        200
    }
}

impl Outcome for Purged {
    fn word(&self) -> &'static str {
        "purged"
    }

    fn status(&self) -> u16 {
        200
    }
}
