//! Waiting for a message without claiming one: on the replica that this node has, or at the shard's leader.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use openraft::AsyncRuntime;
use orrery_base::ids::GroupId;
use orrery_queue::{ConsumerGroup, TopicName};

use super::QueueService;
use crate::host::Host;
use crate::peer::message::Found;
use crate::peer::message::Until;
use crate::peer::message::{Look, QueueAsk, QueueTold};
use crate::raft::group::Group;

/// After so long a waiting request looks anew whom to ask: leaders change, replicas lose touch.
const SLICE: Duration = Duration::from_secs(5);

/// Pause after a shard did not answer.
const PAUSE: Duration = Duration::from_millis(250);

/// Resolves with its shard when something may be there.
pub(super) type Watching = Pin<Box<dyn Future<Output = (GroupId, Found)> + Send>>;

impl<H: Host> QueueService<H> {
    /// The replica of the shard that is here and in touch with its leader: it applies what is committed at once.
    pub(super) fn replica(&self, shard: GroupId) -> Option<Arc<Group<H>>> {
        let group = self.cluster.group(shard)?;
        let silence_max = 2 * self.cluster.config().election_max;
        let heard = |us: u64| Duration::from_micros(us) < silence_max;
        let in_touch = group.silent_us().is_some_and(heard);
        in_touch.then_some(group)
    }

    /// Whether a consume may find something there; none where no replica is here that knows.
    pub(super) fn hint(&self, shard: GroupId, topic: &TopicName, group: &ConsumerGroup) -> Option<bool> {
        let replica = self.replica(shard)?;
        Some(replica.state.read(|machine| Look::at(machine, topic, group)).is_ready())
    }

    /// The same of a shard that is elsewhere, from its leader's applied state. None when it does not answer.
    pub(super) async fn hint_from_afar(
        &self,
        shard: GroupId,
        topic: &TopicName,
        group: &ConsumerGroup,
        within: Duration,
    ) -> Option<bool> {
        let leader = self.cluster.presumed_leader(shard, 0)?;
        let until = Until::Message { began: None };
        let ask = QueueAsk::Await { topic: topic.clone(), group: group.clone(), until };
        match self.ask_now(shard, &leader, &ask, within).await {
            QueueTold::Ready { look, .. } => Some(look.is_ready()),
            _ => None,
        }
    }

    /// Waits until there is something to look at in the shard, at least `after`. Whoever waits drops this at the end of
    /// its time.
    pub(super) fn watch(
        &self,
        shard: GroupId,
        topic: &TopicName,
        group: &ConsumerGroup,
        until: Until,
        after: Duration,
    ) -> Watching {
        let (service, topic, group) = (self.clone(), topic.clone(), group.clone());
        Box::pin(async move {
            if !after.is_zero() {
                H::Runtime::sleep(after).await;
            }
            loop {
                if let Some(found) = service.look_once(shard, &topic, &group, until).await {
                    return (shard, found);
                }
            }
        })
    }

    /// One slice of waiting; what is there. It takes time where nothing is.
    async fn look_once(
        &self,
        shard: GroupId,
        topic: &TopicName,
        group: &ConsumerGroup,
        until: Until,
    ) -> Option<Found> {
        if let Some(replica) = self.replica(shard) {
            let watch = self.replicas.of(shard);
            let (waiter, look) = watch.watch_ready(&replica.state, topic, group);
            if let Some(found) = until.found(look) {
                return Some(found);
            }
            // A signal says that it was so once: the state is looked at again.
            let _ = H::Runtime::timeout(SLICE, waiter.wait()).await;
            if waiter.group_was_deleted() && until != Until::Topic {
                return Some(Found::NoGroup);
            }
            return until.found(replica.state.read(|machine| Look::at(machine, topic, group)));
        }
        let ask = QueueAsk::Await { topic: topic.clone(), group: group.clone(), until };
        match self.ask(shard, &ask, SLICE).await {
            Ok((_, QueueTold::Ready { look, .. })) => until.found(look),
            _ => {
                H::Runtime::sleep(PAUSE).await;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_look_means_depends_on_what_is_waited_for() {
        let of = |began| Until::Message { began };
        for (until, look, found) in [
            (Until::Topic, Look::NoTopic, None),
            (Until::Topic, Look::NoGroup, Some(Found::Topic)),
            (Until::Topic, Look::Idle(3), Some(Found::Topic)),
            (of(None), Look::NoTopic, Some(Found::NoGroup)),
            (of(Some(3)), Look::NoGroup, Some(Found::NoGroup)),
            (of(Some(3)), Look::Idle(3), None),
            (of(Some(3)), Look::Ready(3), Some(Found::Message)),
            // A replica that is behind, and a group that was deleted and began again.
            (of(Some(3)), Look::Ready(2), Some(Found::Message)),
            (of(Some(3)), Look::Ready(4), Some(Found::NoGroup)),
            (of(None), Look::Idle(4), None),
        ] {
            assert_eq!(until.found(look), found, "{until:?} {look:?}");
        }
    }
}
