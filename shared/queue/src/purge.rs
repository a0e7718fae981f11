//! Purge: take messages out unread.
//!
//! For a group it is as if the group had acknowledged them, in one command, bounded; for every group it is that for one
//! group after another. A topic without a group loses the messages themselves.

use orrery_base::ids::LogIndex;

use super::fact::Had;
use super::gone::GoneCause;
use super::group::Group;
use super::limits::PURGE_MAX;
use super::log::{Log, Place};
use super::shard::Shard;
use super::step::{Context, Step};
use super::topic::Topic;
use super::{ConsumerGroup, PurgeWhat, QueueFact, QueueReply, TopicName};

/// What one purge took.
#[derive(Default)]
struct Taken {
    waiting: u64,
    in_flight: u64,
    dead: u64,
    delayed: u64,
    freed: u64,
    freed_bytes: u64,
}

impl Shard {
    pub(super) fn purge(
        &mut self,
        topic: &TopicName,
        what: PurgeWhat,
        group: Option<&ConsumerGroup>,
        step: &mut Step,
    ) -> QueueReply {
        if let Some(refused) = self.not_there(topic, group) {
            return refused;
        }
        self.edit(topic, step, |topic, context| {
            let groups: Vec<ConsumerGroup> = match group {
                Some(group) => vec![group.clone()],
                None => topic.groups.keys().cloned().collect(),
            };
            let mut budget = PURGE_MAX;
            for group in &groups {
                topic.purge_group(group, what, &mut budget, context);
            }
            if group.is_none() {
                topic.purge_rest(what, &mut budget, context);
            }
            QueueReply::Purged { purged: (PURGE_MAX - budget) as u64, more: budget == 0 }
        })
    }
}

impl Topic {
    fn purge_group(
        &mut self,
        name: &ConsumerGroup,
        what: PurgeWhat,
        budget: &mut usize,
        context: &mut Context<'_>,
    ) {
        let mut taken = Taken::default();
        while *budget > 0 {
            let Topic { log, groups, .. } = self;
            let next = groups.get_mut(name).and_then(|group| group.give_up(log, what));
            let Some((number, had)) = next else { break };
            *budget -= 1;
            if let Some(group) = self.groups.get_mut(name) {
                group.left.purged += 1;
                group.gone.note(number, GoneCause::Purged);
            }
            match had {
                Had::Waiting => taken.waiting += 1,
                Had::InFlight => taken.in_flight += 1,
                Had::Dead => taken.dead += 1,
            }
            if let Some(bytes) = self.remove_if_done(number) {
                taken.freed += 1;
                taken.freed_bytes += bytes;
            }
        }
        // What was taken may have stood in the way of others of its key.
        if self.groups.get(name).is_some_and(|group| group.may_claim(self.log.in_order())) {
            context.wake(name);
        }
        self.report_purge(what, Some(name), taken, context);
    }

    /// What no group has: delayed messages, and the whole order where there is no group.
    fn purge_rest(&mut self, what: PurgeWhat, budget: &mut usize, context: &mut Context<'_>) {
        let mut taken = Taken::default();
        while *budget > 0 {
            let ordered = self.log.next_from(Place::default()).map(|found| found.number);
            let ordered = ordered.filter(|_| self.groups.is_empty() && what != PurgeWhat::Dead);
            let delayed = self.log.due.get_min().map(|(_, number)| *number);
            let delayed = delayed.filter(|_| what == PurgeWhat::All);
            let Some(number) = ordered.or(delayed) else { break };
            *budget -= 1;
            match ordered {
                Some(_) => taken.waiting += 1,
                None => taken.delayed += 1,
            }
            taken.freed += 1;
            taken.freed_bytes += self.remove(number).unwrap_or(0);
            self.gone.note(number, GoneCause::Purged);
        }
        self.report_purge(what, None, taken, context);
    }

    fn report_purge(
        &mut self,
        what: PurgeWhat,
        group: Option<&ConsumerGroup>,
        taken: Taken,
        context: &mut Context<'_>,
    ) {
        let Taken { waiting, in_flight, dead, delayed, freed, freed_bytes } = taken;
        let purged = waiting + in_flight + dead + delayed;
        if purged == 0 {
            return;
        }
        self.totals.purged += purged;
        self.left.purged += freed;
        let (topic, group) = (context.topic.clone(), group.cloned());
        context.report(QueueFact::Purged {
            topic,
            what,
            group,
            waiting,
            in_flight,
            dead,
            delayed,
            freed,
            freed_bytes,
        });
    }
}

impl Group {
    /// Makes the group done with one more message of that kind, and says how it had it.
    fn give_up(&mut self, log: &Log, what: PurgeWhat) -> Option<(LogIndex, Had)> {
        if what != PurgeWhat::Ready
            && let Some(number) = self.dead.get_min().copied()
        {
            self.take(number);
            return Some((number, Had::Dead));
        }
        if what == PurgeWhat::Dead {
            return None;
        }
        let ended = self.deadlines.get_min().filter(|_| what == PurgeWhat::All).map(|(_, number)| *number);
        let ready = self.ready.get_min().map(|(_, number)| *number);
        let open = ended.or(ready).or_else(|| self.delayed.get_min().copied());
        if let Some(number) = open {
            let open = self.take(number)?;
            self.promote(open.key.as_ref());
            return Some((number, open.had()));
        }
        if let Some(parked) = self.parked.get_min().cloned() {
            self.parked.remove(&parked);
            return Some((parked.number, Had::Waiting));
        }
        let found = log.next_from(self.cursor)?;
        self.pass(found.place);
        Some((found.number, Had::Waiting))
    }
}
