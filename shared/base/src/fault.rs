//! What can be wrong with a link, in one place: the transport, the simulator, facts and the page take it from here.
//!
//! A fault is of one direction: of the messages that one node sends to another one, requests and answers. What is done to a
//! process (a kill, a pause) is no fault of a link.
//!
//! To add a kind: a field of [`Fault`], a [`FaultKind`], and what it does in [`Fault::deliver`]. The compiler asks for the rest.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::error::ApiError;

/// What is wrong with one direction of a link. In JSON an object of its fields, as in `/faults`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Fault {
    /// Nothing arrives.
    pub cut: bool,
    /// Everything arrives so much later, milliseconds.
    #[cfg_attr(feature = "openapi", schema(maximum = 10_000))]
    pub delay_ms: u32,
    /// So many of a hundred messages get lost.
    #[cfg_attr(feature = "openapi", schema(maximum = 100))]
    pub loss_percent: u8,
}

/// One thing that a [`Fault`] may say. Each has an amount; 0 says that it is not so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultKind {
    /// Nothing arrives: 1.
    Cut,
    /// Milliseconds.
    Delay,
    /// Messages of a hundred.
    Loss,
}

/// What becomes of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It never arrives.
    Lost,
    /// It arrives so much later, microseconds.
    After {
        /// On top of what the link takes anyway.
        us: u64,
    },
}

/// A fault that nobody may set: an amount is out of its bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} must be 0 to {}.", .0.name(), .0.amount_max())]
pub struct OutOfBounds(pub FaultKind);

impl From<OutOfBounds> for ApiError {
    fn from(why: OutOfBounds) -> ApiError {
        ApiError::bad_request(why.to_string())
    }
}

impl FaultKind {
    /// All of them, in the order in which people are told.
    pub const ALL: [FaultKind; 3] = [FaultKind::Cut, FaultKind::Delay, FaultKind::Loss];

    /// The field of [`Fault`].
    pub const fn name(self) -> &'static str {
        match self {
            FaultKind::Cut => "cut",
            FaultKind::Delay => "delay_ms",
            FaultKind::Loss => "loss_percent",
        }
    }

    /// The largest amount.
    pub const fn amount_max(self) -> u32 {
        match self {
            FaultKind::Cut => 1,
            FaultKind::Delay => 10_000,
            FaultKind::Loss => 100,
        }
    }
}

impl Fault {
    /// Nothing is wrong.
    pub const NONE: Fault = Fault { cut: false, delay_ms: 0, loss_percent: 0 };
    /// Nothing arrives.
    pub const CUT: Fault = Fault { cut: true, ..Fault::NONE };

    /// Nothing is wrong: the direction is whole.
    pub fn is_none(&self) -> bool {
        *self == Fault::NONE
    }

    /// Something else than a cut is wrong. Behind a cut nobody sees it.
    pub fn is_impaired(&self) -> bool {
        !Fault { cut: false, ..*self }.is_none()
    }

    /// How much there is of a kind.
    pub fn amount(&self, kind: FaultKind) -> u32 {
        match kind {
            FaultKind::Cut => self.cut.into(),
            FaultKind::Delay => self.delay_ms,
            FaultKind::Loss => self.loss_percent.into(),
        }
    }

    /// The same with another amount of a kind, at most its largest one.
    #[must_use]
    pub fn with(self, kind: FaultKind, amount: u32) -> Fault {
        let amount = amount.min(kind.amount_max());
        let percent = u8::try_from(amount).unwrap_or(u8::MAX);
        match kind {
            FaultKind::Cut => Fault { cut: amount > 0, ..self },
            FaultKind::Delay => Fault { delay_ms: amount, ..self },
            FaultKind::Loss => Fault { loss_percent: percent, ..self },
        }
    }

    /// Both at once: of each kind the larger amount.
    #[must_use]
    pub fn combine(self, other: Fault) -> Fault {
        let larger =
            |both: Fault, kind: FaultKind| both.with(kind, self.amount(kind).max(other.amount(kind)));
        FaultKind::ALL.into_iter().fold(Fault::NONE, larger)
    }

    /// Whether somebody may set it.
    ///
    /// # Errors
    /// The first kind that is out of its bounds.
    pub fn check(&self) -> Result<(), OutOfBounds> {
        let beyond = FaultKind::ALL.into_iter().find(|kind| self.amount(*kind) > kind.amount_max());
        beyond.map_or(Ok(()), |kind| Err(OutOfBounds(kind)))
    }

    /// What becomes of a message that is sent now. `below(n)` draws a number below `n`. It is asked only where the fault leaves
    /// something to chance, so that a new kind changes no seed of the simulator that does not know it.
    pub fn deliver(&self, mut below: impl FnMut(u32) -> u32) -> Delivery {
        let mut happens = |percent: u8| percent > 0 && below(100) < percent.into();
        if self.cut || happens(self.loss_percent) {
            return Delivery::Lost;
        }
        Delivery::After { us: u64::from(self.delay_ms) * 1_000 }
    }
}

/// As a log shows it: `delay_ms=40 loss_percent=5`, or `none`.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_none() {
            return f.write_str("none");
        }
        for (at, (name, amount)) in named::amounts(self).into_iter().enumerate() {
            write!(f, "{}{name}={amount}", if at > 0 { " " } else { "" })?;
        }
        Ok(())
    }
}

/// A fault as facts carry it: what is wrong by name, with its amount. Whoever reads it leaves out names that it does not know,
/// so that a new kind needs no new version of a stream.
pub mod named {
    use serde::{Deserializer, Serializer};

    use super::*;

    pub(super) fn amounts(fault: &Fault) -> BTreeMap<SmolStr, u32> {
        let amounts = FaultKind::ALL.map(|kind| (SmolStr::new_static(kind.name()), fault.amount(kind)));
        amounts.into_iter().filter(|(_, amount)| *amount > 0).collect()
    }

    /// Writes the amounts that are not 0.
    ///
    /// # Errors
    /// Of the format.
    pub fn serialize<S: Serializer>(fault: &Fault, serializer: S) -> Result<S::Ok, S::Error> {
        amounts(fault).serialize(serializer)
    }

    /// Reads the amounts that this release knows.
    ///
    /// # Errors
    /// Of the format.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Fault, D::Error> {
        let amounts = BTreeMap::<SmolStr, u32>::deserialize(deserializer)?;
        let told = |kind: FaultKind| amounts.get(kind.name()).copied().unwrap_or_default();
        Ok(FaultKind::ALL.into_iter().fold(Fault::NONE, |fault, kind| fault.with(kind, told(kind))))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Told(#[serde(with = "named")] Fault);

    fn all() -> Fault {
        FaultKind::ALL.into_iter().fold(Fault::NONE, |fault, kind| fault.with(kind, kind.amount_max()))
    }

    fn certain(fault: Fault) -> Delivery {
        fault.deliver(|_| unreachable!("nothing is left to chance"))
    }

    #[test]
    fn every_kind_is_a_field_within_its_bounds() {
        let fields = serde_json::to_value(Fault::NONE).expect("plain fields");
        let fields: BTreeSet<&str> =
            fields.as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(FaultKind::ALL.map(FaultKind::name).into_iter().collect::<BTreeSet<_>>(), fields);
        for kind in FaultKind::ALL {
            let most = Fault::NONE.with(kind, u32::MAX);
            assert_eq!((most.amount(kind), most.check()), (kind.amount_max(), Ok(())));
            assert!(!most.is_none() && most.with(kind, 0).is_none(), "{kind:?}");
            assert_eq!(most.combine(Fault::NONE), most);
            assert_eq!(most.is_impaired(), kind != FaultKind::Cut);
        }
        assert_eq!(
            FaultKind::ALL.map(|kind| Fault::NONE.with(kind, 1)).into_iter().fold(all(), Fault::combine),
            all()
        );
    }

    #[test]
    fn what_is_out_of_bounds_is_said_in_one_sentence() {
        let said = |fault: Fault| fault.check().map_err(|why| why.to_string());
        let (slow, lossy) =
            (Fault { delay_ms: 10_001, ..Fault::NONE }, Fault { loss_percent: 101, ..Fault::NONE });
        assert_eq!(said(slow), Err("delay_ms must be 0 to 10000.".into()));
        assert_eq!(said(lossy), Err("loss_percent must be 0 to 100.".into()));
        assert_eq!(said(all()), Ok(()));
    }

    #[test]
    fn a_message_is_lost_late_or_neither() {
        let slow = Fault { delay_ms: 40, ..Fault::NONE };
        let lossy = Fault { loss_percent: 5, ..slow };
        assert_eq!(certain(Fault::NONE), Delivery::After { us: 0 });
        assert_eq!(certain(slow), Delivery::After { us: 40_000 });
        assert_eq!(certain(Fault { cut: true, ..lossy }), Delivery::Lost);
        assert_eq!(lossy.deliver(|_| 4), Delivery::Lost);
        assert_eq!(lossy.deliver(|_| 5), Delivery::After { us: 40_000 });
    }

    #[test]
    fn facts_carry_names_and_readers_skip_what_they_do_not_know() {
        let fault = Fault { delay_ms: 40, loss_percent: 5, ..Fault::NONE };
        let json = serde_json::to_string(&Told(fault)).expect("it is written");
        assert_eq!(json, r#"{"delay_ms":40,"loss_percent":5}"#);
        let read: Told =
            serde_json::from_str(r#"{"delay_ms":40,"later":1,"loss_percent":5}"#).expect("it is read");
        assert_eq!(read, Told(fault));
        for fault in [Fault::NONE, fault, all()] {
            let bytes = postcard::to_stdvec(&Told(fault)).expect("it is written");
            assert_eq!(postcard::from_bytes(&bytes), Ok(Told(fault)));
        }
        assert_eq!(
            (fault.to_string(), Fault::NONE.to_string()),
            ("delay_ms=40 loss_percent=5".into(), "none".into())
        );
    }
}
