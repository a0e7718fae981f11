//! A write that takes copies away.

use orrery_base::ids::NodeName;
use orrery_cache::{HomeFact, Wants};

use super::{CALM_US, Director, SceneKind, Score};

impl Director {
    /// A write takes copies away: seen from the first invalidation to the last acknowledgement. Not where that happens all
    /// the time.
    pub(super) fn recall(
        &mut self,
        node: &NodeName,
        fact: &HomeFact,
        at_us: u64,
        shown_us: u64,
        score: &mut Score,
    ) {
        match fact {
            HomeFact::Recalling { question, wants: Wants::Own | Wants::Write, of, .. } if !of.is_empty() => {
                let calm = self.recalled_us.replace(at_us).is_none_or(|last_us| last_us + CALM_US < at_us);
                if !calm {
                    return;
                }
                self.open(SceneKind::Recall, at_us, shown_us, score);
                self.moment(at_us, score);
                self.hold(at_us, 0.4, score);
                self.fan = self.scene.is_some().then(|| (node.clone(), *question, of.len()));
            }
            HomeFact::Recalled { question, .. } => {
                let Some((home, number, left)) = &mut self.fan else { return };
                if home != node || number != question {
                    return;
                }
                *left = left.saturating_sub(1);
                let last = *left == 0;
                self.moment(at_us, score);
                self.hold(at_us, 0.3, score);
                if last {
                    self.fan = None;
                    // Of a request that is followed the answer is seen, too.
                    let followed = self.scene.as_ref().is_some_and(|scene| scene.request.is_some());
                    if !followed {
                        self.close(at_us, 0.5, score);
                    }
                }
            }
            _ => {}
        }
    }
}
