//! Ack, nack and extend: what a consumer says of its deliveries.

use orrery_base::ids::LogIndex;

use super::fact::{DeadCause, ExpiryCause, Had};
use super::gone::GoneCause;
use super::group::{Group, State};
use super::limits::batch_refused;
use super::shard::Shard;
use super::step::{Context, Step};
use super::stored::Stored;
use super::topic::Topic;
use super::{ConsumerGroup, Handle, QueueFact, QueueReply, SettleOutcome, TopicName};

#[derive(Clone, Copy)]
pub(super) enum Settle {
    Ack,
    Nack { delay_ms: u64 },
    Extend { visibility_ms: u64, never_shorter: bool },
    GiveBack,
}

impl Shard {
    pub(super) fn settle(
        &mut self,
        topic: &TopicName,
        group: &ConsumerGroup,
        messages: &[Handle],
        how: Settle,
        step: &mut Step,
    ) -> QueueReply {
        if let Some(refused) = batch_refused(messages.len()).or_else(|| self.not_there(topic, Some(group))) {
            return refused;
        }
        self.edit(topic, step, |topic, context| {
            let settle = |handle: &Handle| (handle.number, topic.settle(group, *handle, how, context));
            QueueReply::Outcomes { outcomes: messages.iter().map(settle).collect() }
        })
    }

    /// The answer where the topic or the group does not exist.
    pub(super) fn not_there(&self, topic: &TopicName, group: Option<&ConsumerGroup>) -> Option<QueueReply> {
        let Some(found) = self.topics.get(topic) else { return Some(QueueReply::NoSuchTopic) };
        group.filter(|group| !found.groups.contains_key(*group)).map(|_| QueueReply::NoSuchGroup)
    }
}

impl Topic {
    fn settle(
        &mut self,
        group: &ConsumerGroup,
        handle: Handle,
        how: Settle,
        context: &mut Context<'_>,
    ) -> SettleOutcome {
        if let Some(outcome) = self.not_current(group, handle) {
            return outcome;
        }
        match how {
            Settle::Ack => self.ack(group, handle.number, context),
            Settle::Nack { delay_ms } => self.nack(group, handle.number, delay_ms, context),
            Settle::Extend { visibility_ms, never_shorter } => {
                self.extend(group, handle.number, (visibility_ms, never_shorter), context)
            }
            Settle::GiveBack => self.give_back(group, handle.number, context),
        }
    }

    /// Why the handle does not name the latest delivery of its message to the group.
    fn not_current(&self, group: &ConsumerGroup, handle: Handle) -> Option<SettleOutcome> {
        let Some(group) = self.groups.get(group) else { return Some(SettleOutcome::Unknown) };
        let Some(open) = group.open.get(&handle.number) else {
            return Some(self.not_open(group, handle));
        };
        match handle.receipt {
            Some(receipt) if open.receipt == Some(receipt) => None,
            Some(_) => Some(SettleOutcome::Late),
            None if open.receipt.is_some() => None,
            None if open.attempts == 0 => Some(SettleOutcome::Unknown),
            None => Some(SettleOutcome::Late),
        }
    }

    /// What became of a message that the group does not have in its hands. `Unknown` is only said of what it was never given.
    fn not_open(&self, group: &Group, handle: Handle) -> SettleOutcome {
        let number = handle.number;
        let gone = |cause| match cause {
            GoneCause::Acknowledged => SettleOutcome::Already,
            cause => SettleOutcome::Gone(cause),
        };
        if let Some(cause) = group.gone.why(number) {
            return gone(cause);
        }
        let Some(place) = self.log.place_of(number) else {
            let is_here = self.log.stored(number).is_some();
            let forgotten = group.gone.may_have_forgotten(number) || self.gone.may_have_forgotten(number);
            return match self.gone.why(number) {
                Some(cause) => gone(cause),
                None if forgotten && !is_here => SettleOutcome::Gone(GoneCause::Forgotten),
                None => SettleOutcome::Unknown,
            };
        };
        let key = self.log.stored(number).and_then(Stored::key);
        match handle.receipt {
            _ if !group.wants(place) => SettleOutcome::Unknown,
            // Other groups have it still; this one was done with it long ago.
            _ if group.is_done(number, place, key.as_ref()) => SettleOutcome::Gone(GoneCause::Forgotten),
            // Brought back since, and not delivered again.
            Some(_) => SettleOutcome::Late,
            None => SettleOutcome::Unknown,
        }
    }

    /// Also after its visibility ran out, as long as there was no newer delivery: the consumer did the work.
    fn ack(&mut self, name: &ConsumerGroup, number: LogIndex, context: &mut Context<'_>) -> SettleOutcome {
        let Some(group) = self.groups.get_mut(name) else { return SettleOutcome::Unknown };
        let Some(open) = group.take(number) else { return SettleOutcome::Unknown };
        group.promote(open.key.as_ref());
        if open.key.is_some() && group.may_claim(self.log.in_order()) {
            context.wake(name);
        }
        group.acknowledge(number);
        self.totals.acknowledged += 1;
        let freed_bytes = self.remove_if_done(number);
        self.left.acknowledged += u64::from(freed_bytes.is_some());
        let (topic, group) = (context.topic.clone(), name.clone());
        context.report(QueueFact::Acknowledged { topic, number, group, had: open.had(), freed_bytes });
        SettleOutcome::Acknowledged
    }

    fn nack(
        &mut self,
        name: &ConsumerGroup,
        number: LogIndex,
        delay_ms: u64,
        context: &mut Context<'_>,
    ) -> SettleOutcome {
        let until = (delay_ms > 0).then(|| context.after(delay_ms));
        let again = until.map_or(State::Ready, |at_ms| State::Later { at_ms });
        let Some(open) = self.groups.get(name).and_then(|group| group.open.get(&number)) else {
            return SettleOutcome::Unknown;
        };
        if open.had() != Had::InFlight {
            return SettleOutcome::Late;
        }
        if self.fail(name, number, again, DeadCause::Nacked, context) {
            return SettleOutcome::DeadLettered;
        }
        if let Some(until) = until {
            self.aging.postpone(number, until);
        }
        let (topic, group) = (context.topic.clone(), name.clone());
        context.report(QueueFact::Nacked { topic, number, group, delayed_until_ms: until });
        if until.is_none() {
            context.wake(name);
        }
        SettleOutcome::Nacked
    }

    fn extend(
        &mut self,
        name: &ConsumerGroup,
        number: LogIndex,
        (visibility_ms, never_shorter): (u64, bool),
        context: &mut Context<'_>,
    ) -> SettleOutcome {
        let Some(group) = self.groups.get_mut(name) else { return SettleOutcome::Unknown };
        let Some(mut open) = group.open.get(&number).cloned() else { return SettleOutcome::Unknown };
        let State::InFlight { visible_at_ms, .. } = &mut open.state else { return SettleOutcome::Late };
        let promised_ms = if never_shorter { *visible_at_ms } else { 0 };
        *visible_at_ms = context.after(visibility_ms).max(promised_ms);
        let visible_at_ms = *visible_at_ms;
        group.take(number);
        group.put(number, open);
        let (topic, group) = (context.topic.clone(), name.clone());
        context.report(QueueFact::Extended { topic, number, group, visible_at_ms });
        SettleOutcome::Extended
    }

    /// A delivery failed: the message is in the state `again`, or a dead letter after its last attempt. Says whether it
    /// is dead.
    pub(super) fn fail(
        &mut self,
        name: &ConsumerGroup,
        number: LogIndex,
        again: State,
        cause: DeadCause,
        context: &mut Context<'_>,
    ) -> bool {
        let Some(group) = self.groups.get_mut(name) else { return false };
        let Some(mut open) = group.take(number) else { return false };
        let (key, attempts) = (open.key.clone(), open.attempts);
        let dead = attempts >= context.limits.attempts_max;
        open.state = if dead { State::Dead { cause, at_ms: context.clock_ms } } else { again };
        // After a time-out an ack of that delivery still counts, until there is a newer one.
        if dead || cause != DeadCause::TimedOut {
            open.receipt = None;
        }
        group.put(number, open);
        if !dead {
            return false;
        }
        group.totals.dead_lettered += 1;
        self.totals.dead_lettered += 1;
        group.promote(key.as_ref());
        if key.is_some() && group.may_claim(self.log.in_order()) {
            context.wake(name);
        }
        let (topic, of) = (context.topic.clone(), name.clone());
        context.report(QueueFact::DeadLettered { topic, number, key, group: of, attempts, cause });
        self.bound_dead(name, context);
        true
    }

    /// The oldest dead letters of the group go above its bound. Two at most: one came, and a bound that was lowered is
    /// met in time.
    fn bound_dead(&mut self, name: &ConsumerGroup, context: &mut Context<'_>) {
        for _ in 0..2 {
            let Some(group) = self.groups.get_mut(name) else { return };
            let most = u64::from(context.limits.dead_per_group_max);
            let Some(number) = group.dead.get_min().copied().filter(|_| group.dead.len() as u64 > most)
            else {
                return;
            };
            group.take(number);
            group.left.expired += 1;
            group.gone.note(number, GoneCause::DeadLetters);
            self.totals.expired += 1;
            let freed_bytes = self.remove_if_done(number);
            self.left.expired += u64::from(freed_bytes.is_some());
            context.report(QueueFact::Expired {
                topic: context.topic.clone(),
                number,
                cause: ExpiryCause::DeadLetters,
                had: vec![(name.clone(), Had::Dead)],
                delayed: false,
                freed_bytes,
            });
        }
    }
}
