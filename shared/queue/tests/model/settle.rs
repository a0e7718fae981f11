//! What a consumer says of its deliveries, and what time says of them.

use orrery_queue::fact::DeadCause;
use orrery_queue::*;

use super::{Has, Topic, What};

impl Topic {
    pub fn settle(
        &mut self,
        group: &str,
        handle: &Handle,
        what: What,
        clock: u64,
        limits: &QueueLimits,
    ) -> SettleOutcome {
        let number = handle.number;
        match self.groups[group].gone.get(&number).or_else(|| self.gone.get(&number)) {
            Some(GoneCause::Acknowledged) => return SettleOutcome::Already,
            Some(cause) => return SettleOutcome::Gone(*cause),
            None => {}
        }
        let Some(message) = self.find(number).filter(|message| message.due.is_none()) else {
            return SettleOutcome::Unknown;
        };
        let mut share = message.share(group);
        if share.has == Has::Skipped {
            return SettleOutcome::Unknown;
        }
        // Nobody was ever given it (or not since it was brought back), and nobody knows a receipt of it.
        let current =
            handle.receipt.map_or(share.receipt.is_some(), |receipt| share.receipt == Some(receipt));
        if !current {
            let never = share.attempts == 0;
            return if never && handle.receipt.is_none() {
                SettleOutcome::Unknown
            } else {
                SettleOutcome::Late
            };
        }
        let in_flight = matches!(share.has, Has::InFlight { .. });
        match (what, &mut share.has) {
            (What::Ack, _) => {
                self.done(group, number, GoneCause::Acknowledged);
                self.totals.acknowledged += 1;
                self.groups.get_mut(group).unwrap().totals.acknowledged += 1;
                SettleOutcome::Acknowledged
            }
            (What::Nack(delay), _) if in_flight => {
                let again = if delay > 0 { Has::Later { until: clock + delay } } else { Has::Ready };
                if self.fail(group, number, again, DeadCause::Nacked, limits) {
                    return SettleOutcome::DeadLettered;
                }
                if delay > 0 {
                    let message = self.find(number).unwrap();
                    message.age_from = message.age_from.max(clock + delay);
                }
                SettleOutcome::Nacked
            }
            (What::GiveBack, _) if in_flight => {
                share.attempts -= 1;
                message.set(group, share);
                self.left.returned += 1;
                let dead = self.fail(group, number, Has::Ready, DeadCause::HungUp, limits);
                if dead { SettleOutcome::DeadLettered } else { SettleOutcome::Nacked }
            }
            (What::Extend(visibility), Has::InFlight { until, .. }) => {
                *until = clock + visibility;
                message.set(group, share);
                SettleOutcome::Extended
            }
            (What::Prolong(visibility), Has::InFlight { until, .. }) => {
                *until = (*until).max(clock + visibility);
                message.set(group, share);
                SettleOutcome::Extended
            }
            _ => SettleOutcome::Late,
        }
    }

    pub fn end_visibilities(&mut self, group: &str, clock: u64, limits: &QueueLimits) {
        let mut ended: Vec<_> = self
            .messages
            .iter()
            .filter_map(|message| match message.share(group).has {
                Has::InFlight { until, .. } | Has::Later { until } => Some((until, message.number)),
                _ => None,
            })
            .filter(|(until, _)| *until <= clock)
            .collect();
        ended.sort_unstable();
        for (_, number) in ended {
            let message = self.find(number).unwrap();
            let mut share = message.share(group);
            if matches!(share.has, Has::Later { .. }) {
                share.has = Has::Ready;
                message.set(group, share);
            } else {
                self.fail(group, number, Has::Ready, DeadCause::TimedOut, limits);
            }
        }
    }
}
