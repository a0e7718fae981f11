//! Consumer groups: create, delete.

use super::group::Group;
use super::limits::{SWEEP_MAX, name_refused};
use super::log::Place;
use super::shard::Shard;
use super::step::{Context, Step};
use super::topic::Topic;
use super::{ConsumerGroup, QueueFact, QueueReply, StartFrom, TopicName};

impl Shard {
    pub(super) fn create_group(
        &mut self,
        topic: &TopicName,
        group: &ConsumerGroup,
        from: StartFrom,
        step: &mut Step,
    ) -> QueueReply {
        match self.group_refused(topic, group) {
            Some(refused) => refused,
            None => self.edit(topic, step, |topic, context| QueueReply::Group {
                existed: !topic.begin_group(group, from, context),
            }),
        }
    }

    /// Why that group may not begin.
    pub fn group_refused(&self, topic: &TopicName, group: &ConsumerGroup) -> Option<QueueReply> {
        name_refused("topic", topic)
            .or_else(|| name_refused("consumer group", group))
            .or_else(|| self.growth_refused(topic, Some(group)))
    }

    pub(super) fn delete_group(
        &mut self,
        topic: &TopicName,
        group: &ConsumerGroup,
        step: &mut Step,
    ) -> QueueReply {
        if let Some(refused) = self.not_there(topic, Some(group)) {
            return refused;
        }
        self.edit(topic, step, |topic, context| {
            topic.groups.remove(group);
            context.report(QueueFact::GroupDeleted { topic: context.topic.clone(), group: group.clone() });
            // Whoever waits there must not wait any more.
            context.step.deleted.insert((context.topic.clone(), group.clone()));
            // Whatever only this group had not done with. Without a group everything stays.
            topic.sweep = Some(Place::default());
            topic.free_unwanted(&mut SWEEP_MAX.clone(), context);
            QueueReply::GroupDeleted
        })
    }
}

impl Topic {
    /// Begins a group unless it exists. Says whether it did not.
    pub(super) fn begin_group(
        &mut self,
        name: &ConsumerGroup,
        from: StartFrom,
        context: &mut Context<'_>,
    ) -> bool {
        if self.groups.contains_key(name) {
            return false;
        }
        let mut group = Group { began: context.step.index, ..Group::default() };
        if from == StartFrom::Latest {
            // What is there is not for this group. It stays for others.
            group.start = Place { index: context.step.index, n: 0 };
            group.cursor = group.start;
            group.behind = self.log.in_order();
        }
        let waiting = group.waiting(self.log.in_order());
        self.groups.insert(name.clone(), group);
        let (topic, group) = (context.topic.clone(), name.clone());
        context.report(QueueFact::GroupCreated { topic, group, from, waiting });
        true
    }

    /// Looks for messages that every group has done with since the set of groups changed, `budget` messages at most.
    /// The rest is looked through at the clock's next advance.
    pub(super) fn free_unwanted(&mut self, budget: &mut usize, context: &mut Context<'_>) {
        let (mut freed, mut freed_bytes) = (0, 0);
        while let Some(from) = self.sweep.filter(|_| *budget > 0) {
            let end = self.slowest().unwrap_or_default();
            let next = self.log.next_from(from).map(|found| (found.place, found.number));
            let Some((place, number)) = next.filter(|(place, _)| *place < end) else {
                self.sweep = None;
                break;
            };
            *budget -= 1;
            self.sweep = Some(place.after());
            if let Some(bytes) = self.remove_if_done(number) {
                freed += 1;
                freed_bytes += bytes;
            }
        }
        if freed > 0 {
            self.left.group_deleted += freed;
            context.report(QueueFact::Freed { topic: context.topic.clone(), freed, freed_bytes });
        }
    }
}
