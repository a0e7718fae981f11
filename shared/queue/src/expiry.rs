//! The lease clock: the only way in which time enters the queues.

use orrery_base::ids::{LeaseMs, LogIndex};

use super::aging::Oldest;
use super::fact::{DeadCause, ExpiryCause, Had};
use super::group::State;
use super::limits::SWEEP_MAX;
use super::log::Place;
use super::shard::Shard;
use super::step::{Context, Step};
use super::stored::Stored;
use super::topic::Topic;
use super::{ConsumerGroup, QueueFact, TopicName};

impl Shard {
    /// Moves the clock forward (never back) and ends what is due by then, [`SWEEP_MAX`] things at most and each topic
    /// its share of them; [`Shard::next_deadline`] says that there is more.
    pub fn advance_clock(&mut self, to_ms: LeaseMs, step: &mut Step) {
        self.clock_ms = self.clock_ms.max(to_ms);
        let is_due = |(at, _): &&(LeaseMs, TopicName)| *at <= self.clock_ms;
        let due = self.deadlines.iter().take_while(is_due).take(SWEEP_MAX);
        let due: Vec<TopicName> = due.map(|(_, name)| name.clone()).collect();
        let share = SWEEP_MAX / due.len().max(1);
        for name in &due {
            self.edit(name, step, |topic, context| topic.end_due(share, context));
        }
    }
}

impl Topic {
    /// Visibilities and delays before retention: what somebody waits for never waits for tidying up.
    fn end_due(&mut self, mut budget: usize, context: &mut Context<'_>) {
        let names: Vec<ConsumerGroup> = self.groups.keys().cloned().collect();
        for name in &names {
            self.end_visibilities(name, &mut budget, context);
        }
        self.enter_due(&mut budget, context);
        self.expire_aged(&mut budget, context);
        self.expire_bytes(&mut budget, context);
        self.free_unwanted(&mut budget, context);
    }

    fn end_visibilities(&mut self, name: &ConsumerGroup, budget: &mut usize, context: &mut Context<'_>) {
        while *budget > 0 {
            let Some(group) = self.groups.get_mut(name) else { return };
            let next = group.deadlines.get_min().filter(|(at, _)| *at <= context.clock_ms);
            let Some(number) = next.map(|(_, number)| *number) else { return };
            *budget -= 1;
            match group.open.get(&number).map(|open| (open.state.clone(), open.attempts)) {
                Some((State::InFlight { consumer, .. }, attempts)) => {
                    if !self.fail(name, number, State::Ready, DeadCause::TimedOut, context) {
                        let (topic, group) = (context.topic.clone(), name.clone());
                        let fact = QueueFact::RedeliveryDue { topic, number, group, consumer, attempts };
                        context.report(fact);
                        context.wake(name);
                    }
                }
                Some(_) => {
                    if let Some(mut open) = group.take(number) {
                        open.state = State::Ready;
                        group.put(number, open);
                        context.wake(name);
                    }
                }
                None => return,
            }
        }
    }

    /// Delayed messages enter the order, in the order of their moments.
    fn enter_due(&mut self, budget: &mut usize, context: &mut Context<'_>) {
        let index = context.step.index;
        // A topic's share of one command: far below the range of `n`.
        for n in 0.. {
            let next = self.log.due.get_min().filter(|(at, _)| *budget > 0 && *at <= context.clock_ms);
            let Some(number) = next.map(|(_, number)| *number) else { return };
            *budget -= 1;
            self.log.enter(number, Place { index, n });
            context.report(QueueFact::Entered { topic: context.topic.clone(), number });
            let key = self.log.stored(number).and_then(Stored::key);
            self.wake_for(key.as_ref(), context);
        }
    }

    fn expire_aged(&mut self, budget: &mut usize, context: &mut Context<'_>) {
        while *budget > 0 {
            let is_aged = |oldest: &Oldest| {
                oldest.since_ms.saturating_add(context.limits.retention_ms) <= context.clock_ms
            };
            let Some(oldest) = self.aging.oldest(&self.log).filter(is_aged) else { return };
            *budget -= 1;
            if !self.aging.passes(oldest) {
                self.expire(oldest.number, ExpiryCause::Age, context);
            }
        }
    }

    /// The oldest messages go while the topic has more bytes than the retention keeps.
    pub(super) fn expire_bytes(&mut self, budget: &mut usize, context: &mut Context<'_>) {
        while *budget > 0 && self.is_over(context.limits) {
            let Some(number) = self.log.oldest().map(|(number, _)| number) else { return };
            *budget -= 1;
            self.expire(number, ExpiryCause::Bytes, context);
        }
    }

    /// Takes a message out that is too old or too much, whoever had it.
    pub(super) fn expire(&mut self, number: LogIndex, cause: ExpiryCause, context: &mut Context<'_>) {
        let place = self.log.place_of(number);
        let Some(key) = self.log.stored(number).map(Stored::key) else { return };
        let mut had = Vec::new();
        if let Some(place) = place {
            for (name, group) in &mut self.groups {
                let ahead = (place >= group.cursor).then_some(Had::Waiting);
                if let Some(found) = ahead.or_else(|| group.drop_message(number, place, key.as_ref())) {
                    group.left.expired += 1;
                    had.push((name.clone(), found));
                    // Whoever waited behind it in its key is next.
                    if key.is_some() && group.may_claim(self.log.in_order()) {
                        context.wake(name);
                    }
                }
            }
        }
        let freed_bytes = self.remove(number);
        self.gone.note(number, cause.into());
        self.totals.expired += 1;
        self.left.expired += 1;
        let topic = context.topic.clone();
        context.report(QueueFact::Expired {
            topic,
            number,
            cause,
            had,
            delayed: place.is_none(),
            freed_bytes,
        });
    }
}
