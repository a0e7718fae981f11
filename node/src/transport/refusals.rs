//! Which refusals were told already: a node that does not fit dials again and again.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Most refusals that are remembered.
const KEPT_MAX: usize = 64;

/// After so long, the same one is told again.
const AGAIN: Duration = Duration::from_secs(600);

/// The last refusals.
#[derive(Default)]
pub(super) struct Refusals {
    told: Mutex<VecDeque<(String, Instant)>>,
}

impl Refusals {
    /// Whether this was not told of late. From now on it was.
    pub fn is_news(&self, whom: &str, why: &str) -> bool {
        let said = format!("{whom}: {why}");
        let mut told = self.told.lock();
        told.retain(|(_, at)| at.elapsed() < AGAIN);
        if told.iter().any(|(before, _)| *before == said) {
            return false;
        }
        if told.len() >= KEPT_MAX {
            told.pop_front();
        }
        told.push_back((said, Instant::now()));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_is_told_once_and_what_is_remembered_is_bounded() {
        let refusals = Refusals::default();
        assert!(refusals.is_news("node2", "another cluster"));
        assert!(!refusals.is_news("node2", "another cluster"));
        assert!(refusals.is_news("node2", "another secret"));
        assert!(refusals.is_news("node3", "another cluster"));
        for number in 0..KEPT_MAX {
            assert!(refusals.is_news(&number.to_string(), "why"));
        }
        assert_eq!(refusals.told.lock().len(), KEPT_MAX);
    }
}
