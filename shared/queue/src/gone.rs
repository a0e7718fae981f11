//! What left a group or a topic, and why: so that an ack which comes too late is told what became of its message.
//!
//! The last numbers are known one by one, in the order in which they left. Of those before them only the highest is known:
//! what is at or below it may have been there once, and what is above it never was.

use imbl::{OrdMap, Vector};
use orrery_base::ids::LogIndex;
use serde::{Deserialize, Serialize};

use super::fact::ExpiryCause;
use super::limits::GONE_KNOWN_MAX;

/// Why a message is not there any more. The order of the variants is part of the snapshot's format: add at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum GoneCause {
    /// The group acknowledged it.
    Acknowledged,
    /// It was older than the retention.
    Age,
    /// Its topic had more bytes than the retention.
    Bytes,
    /// It was a dead letter, and its group had more of them than it may.
    DeadLetters,
    /// It was taken out by hand.
    Purged,
    /// It is too long ago: nobody knows any more whether it was there, and why it is not.
    Forgotten,
}

impl From<ExpiryCause> for GoneCause {
    fn from(cause: ExpiryCause) -> Self {
        match cause {
            ExpiryCause::Age => GoneCause::Age,
            ExpiryCause::Bytes => GoneCause::Bytes,
            ExpiryCause::DeadLetters => GoneCause::DeadLetters,
        }
    }
}

/// The memory: at most [`GONE_KNOWN_MAX`] numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Gone {
    pub known: OrdMap<LogIndex, GoneCause>,
    /// Its numbers, the one that left first at the front.
    pub order: Vector<LogIndex>,
    /// The highest number that is not known any more.
    forgotten: Option<LogIndex>,
}

/// As it stands in a snapshot. The order of the fields is part of the format.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct GoneRecord {
    known: Vec<(LogIndex, GoneCause)>,
    forgotten: Option<LogIndex>,
}

impl Gone {
    pub(super) fn note(&mut self, number: LogIndex, cause: GoneCause) {
        if self.known.insert(number, cause).is_none() {
            self.order.push_back(number);
        }
        if self.order.len() > GONE_KNOWN_MAX
            && let Some(first) = self.order.pop_front()
        {
            self.known.remove(&first);
            self.forgotten = self.forgotten.max(Some(first));
        }
    }

    /// Why it left, where that is known.
    pub(super) fn why(&self, number: LogIndex) -> Option<GoneCause> {
        self.known.get(&number).copied()
    }

    /// Whether it may have left so long ago that nothing is known of it.
    pub(super) fn may_have_forgotten(&self, number: LogIndex) -> bool {
        self.forgotten.is_some_and(|forgotten| number <= forgotten)
    }

    pub(super) fn record(&self) -> GoneRecord {
        let known = self.order.iter().filter_map(|number| Some((*number, self.why(*number)?)));
        GoneRecord { known: known.collect(), forgotten: self.forgotten }
    }
}

impl From<GoneRecord> for Gone {
    fn from(GoneRecord { known, forgotten }: GoneRecord) -> Self {
        let mut gone = Gone { forgotten, ..Gone::default() };
        known.into_iter().for_each(|(number, cause)| gone.note(number, cause));
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_left_first_is_forgotten_first_and_what_is_above_it_never_was() {
        let mut gone = Gone::default();
        // High numbers first: a low one that leaves late is known for as long as the others.
        for number in (0..GONE_KNOWN_MAX as u64).rev() {
            gone.note(100 + number, GoneCause::Acknowledged);
        }
        assert!(!gone.may_have_forgotten(1));
        gone.note(7, GoneCause::Purged);
        let highest = 100 + GONE_KNOWN_MAX as u64 - 1;
        assert_eq!((gone.why(7), gone.why(highest)), (Some(GoneCause::Purged), None));
        assert!(gone.may_have_forgotten(highest) && !gone.may_have_forgotten(highest + 1));
        assert_eq!(Gone::from(gone.record()), gone);
    }
}
