//! Redrive: dead letters wait again.

use orrery_base::ids::LogIndex;

use super::group::{Group, Open, Parked};
use super::limits::{REDRIVE_MAX, batch_refused};
use super::shard::Shard;
use super::step::{Context, Step};
use super::topic::Topic;
use super::{ConsumerGroup, QueueFact, QueueReply, TopicName};

impl Shard {
    /// Attempts are counted anew. A message with a key waits behind whatever holds its key now, and before later ones.
    pub(super) fn redrive(
        &mut self,
        topic: &TopicName,
        group: Option<&ConsumerGroup>,
        numbers: Option<&[LogIndex]>,
        step: &mut Step,
    ) -> QueueReply {
        let refused = batch_refused(numbers.map_or(0, <[LogIndex]>::len));
        if let Some(refused) = refused.or_else(|| self.not_there(topic, group)) {
            return refused;
        }
        self.edit(topic, step, |topic, context| {
            let groups: Vec<ConsumerGroup> = match group {
                Some(group) => vec![group.clone()],
                None => topic.groups.keys().cloned().collect(),
            };
            let (mut redriven, mut left) = (0, 0);
            for group in &groups {
                let (done, rest) = topic.redrive(group, numbers, REDRIVE_MAX - redriven, context);
                redriven += done;
                left += rest;
            }
            QueueReply::Redriven { redriven: redriven as u64, left: left as u64 }
        })
    }
}

impl Topic {
    /// Brings at most `budget` dead letters of one group back. How many, and how many more were asked for.
    fn redrive(
        &mut self,
        name: &ConsumerGroup,
        numbers: Option<&[LogIndex]>,
        budget: usize,
        context: &mut Context<'_>,
    ) -> (usize, usize) {
        let Some(group) = self.groups.get_mut(name) else { return (0, 0) };
        let (chosen, asked): (Vec<LogIndex>, usize) = match numbers {
            None => (group.dead.iter().take(budget).copied().collect(), group.dead.len()),
            Some(numbers) => {
                let mut dead: Vec<_> =
                    numbers.iter().filter(|number| group.dead.contains(*number)).copied().collect();
                dead.sort_unstable();
                dead.dedup();
                let asked = dead.len();
                dead.truncate(budget);
                (dead, asked)
            }
        };
        for number in &chosen {
            let Some(open) = group.take(*number) else { continue };
            group.left.redriven += 1;
            if group.bring_back(*number, open) {
                context.wake(name);
            }
            let (topic, group) = (context.topic.clone(), name.clone());
            context.report(QueueFact::Redriven { topic, number: *number, group });
        }
        self.totals.redriven += chosen.len() as u64;
        (chosen.len(), asked - chosen.len())
    }
}

impl Group {
    /// Files a dead letter as never delivered. Says whether it is ready. Its key's holder keeps the key unless it was
    /// never delivered itself and comes later in the order: then it waits behind.
    fn bring_back(&mut self, number: LogIndex, open: Open) -> bool {
        let fresh = Open::fresh(open.place, open.key);
        let holder = fresh.key.as_ref().and_then(|key| self.lanes.get(key).copied());
        if let (Some(key), Some(holder)) = (&fresh.key, holder) {
            let yields = |held: &Open| held.attempts == 0 && fresh.place < held.place;
            if !self.open.get(&holder).is_some_and(yields) {
                self.parked.insert(Parked { key: key.clone(), place: fresh.place, number });
                return false;
            }
            let place = self.take(holder).map_or(fresh.place, |held| held.place);
            self.parked.insert(Parked { key: key.clone(), place, number: holder });
        }
        self.put(number, fresh);
        true
    }
}
