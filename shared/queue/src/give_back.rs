//! Give back: a delivery never reached its consumer, which hung up before it could be told. It does not count.

use orrery_base::ids::LogIndex;

use super::fact::DeadCause;
use super::group::{Group, Parked, State};
use super::step::Context;
use super::topic::Topic;
use super::{ConsumerGroup, QueueFact, SettleOutcome};

impl Topic {
    pub(super) fn give_back(
        &mut self,
        name: &ConsumerGroup,
        number: LogIndex,
        context: &mut Context<'_>,
    ) -> SettleOutcome {
        let Some(group) = self.groups.get_mut(name) else { return SettleOutcome::Unknown };
        let Some(mut open) = group.open.get(&number).cloned() else { return SettleOutcome::Unknown };
        let State::InFlight { consumer, .. } = open.state.clone() else { return SettleOutcome::Late };
        open.attempts = open.attempts.saturating_sub(1);
        let attempts = open.attempts;
        group.take(number);
        group.put(number, open);
        self.left.returned += 1;
        // Only where the bound of attempts was lowered meanwhile.
        if self.fail(name, number, State::Ready, DeadCause::HungUp, context) {
            return SettleOutcome::DeadLettered;
        }
        if let Some(group) = self.groups.get_mut(name) {
            group.let_earlier_pass(number);
        }
        let (topic, group) = (context.topic.clone(), name.clone());
        context.report(QueueFact::Returned { topic, number, group, consumer, attempts });
        context.wake(name);
        SettleOutcome::Nacked
    }
}

impl Group {
    /// Nobody ever had this ready message. An earlier one of its key that came back from the dead letters meanwhile
    /// goes first.
    fn let_earlier_pass(&mut self, number: LogIndex) {
        let Some(open) = self.open.get(&number).filter(|open| open.attempts == 0).cloned() else { return };
        let Some(key) = open.key else { return };
        let first = self.first_parked(&key);
        if first.is_some_and(|first| first.place < open.place) {
            self.take(number);
            self.parked.insert(Parked { key: key.clone(), place: open.place, number });
            self.promote(Some(&key));
        }
    }
}
