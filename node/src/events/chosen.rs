//! What readers have chosen: the same choice of many readers is one, so that a batch is written once for all of them.

use std::sync::{Arc, Weak};

use orrery_base::error::{ApiError, ErrorCode};
use orrery_event::choice::Choice;
use parking_lot::Mutex;

/// Most choices other than everything at one time: each is a serialisation of its own.
pub(super) const CHOICES_MAX: usize = 8;

/// A choice that some readers share. It ends with the last of them.
#[derive(Clone, Debug)]
pub struct Chosen(Arc<Active>);

#[derive(Debug)]
struct Active {
    /// Never given twice; 0 is everything.
    number: u64,
    choice: Choice,
}

impl Chosen {
    pub fn choice(&self) -> &Choice {
        &self.0.choice
    }

    /// Whether nothing is left out.
    pub(super) fn is_everything(&self) -> bool {
        self.0.number == 0
    }

    /// What tells it from others.
    pub(super) fn number(&self) -> u64 {
        self.0.number
    }
}

/// The choices of a hub's readers.
pub(super) struct Choices {
    everything: Chosen,
    others: Mutex<Others>,
}

#[derive(Default)]
struct Others {
    last: u64,
    active: Vec<Weak<Active>>,
}

impl Choices {
    pub fn new() -> Choices {
        let everything = Chosen(Arc::new(Active { number: 0, choice: Choice::default() }));
        Choices { everything, others: Mutex::default() }
    }

    /// For one more reader; refused where too many others are in use.
    pub fn choose(&self, choice: Choice) -> Result<Chosen, ApiError> {
        if choice.is_everything() {
            return Ok(self.everything.clone());
        }
        let mut others = self.others.lock();
        others.active.retain(|active| active.strong_count() > 0);
        let same = others.active.iter().filter_map(Weak::upgrade).find(|active| active.choice == choice);
        if let Some(same) = same {
            return Ok(Chosen(same));
        }
        if others.active.len() >= CHOICES_MAX {
            let message = format!(
                "{CHOICES_MAX} different choices of groups and detail are in use: take one of them, or everything."
            );
            return Err(ApiError::new(ErrorCode::LimitReached, message));
        }
        others.last += 1;
        let active = Arc::new(Active { number: others.last, choice });
        others.active.push(Arc::downgrade(&active));
        Ok(Chosen(active))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use orrery_base::ids::GroupId;

    use super::*;

    fn of_group(id: u16) -> Choice {
        Choice { groups: Some([GroupId(id)].into()), ..Choice::default() }
    }

    #[test]
    fn the_same_choice_is_shared_and_the_number_of_others_is_bounded() {
        let choices = Choices::new();
        assert!(choices.choose(Choice::default()).unwrap().is_everything());
        let mut kept: Vec<_> = (0..8).map(|id| choices.choose(of_group(id)).unwrap()).collect();
        let again = choices.choose(of_group(3)).unwrap();
        assert_eq!(again.number(), kept[3].number());
        let refused = choices.choose(of_group(9)).unwrap_err();
        assert_eq!(refused.code, ErrorCode::LimitReached);
        assert!(choices.choose(Choice::default()).is_ok(), "everything is always there");
        // It ends with its last reader, and its number with it.
        let gone = kept.remove(0).number();
        assert_ne!(choices.choose(of_group(9)).unwrap().number(), gone);
    }
}
