//! Waiting for a message without claiming one: on the replica that this node has, or at the shard's leader.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use openraft::AsyncRuntime;

use super::{QueueAsk, QueueService, QueueTold};
use crate::engine::group::Group;
use crate::engine::host::Host;
use crate::ids::GroupId;
use crate::queue::{ConsumerGroup, TopicName};

/// After so long a waiting request looks anew whom to ask: leaders change, replicas lose touch.
const SLICE: Duration = Duration::from_secs(5);

/// Pause after a shard did not answer.
const PAUSE: Duration = Duration::from_millis(250);

/// Resolves with its shard when something may be ready there.
pub(super) type Watching = Pin<Box<dyn Future<Output = GroupId> + Send>>;

impl<H: Host> QueueService<H> {
    /// The replica of the shard that is here and in touch with its leader: it applies what is committed at once.
    pub(super) fn replica(&self, shard: GroupId) -> Option<Arc<Group<H>>> {
        let group = self.engine.group(shard)?;
        let silence_max = 2 * self.engine.config().election_max;
        let heard = |us: u64| Duration::from_micros(us) < silence_max;
        let in_touch = group.silent_us().is_some_and(heard);
        in_touch.then_some(group)
    }

    /// Whether a consume may find something there; none where no replica is here that knows.
    pub(super) fn hint(&self, shard: GroupId, topic: &TopicName, group: &ConsumerGroup) -> Option<bool> {
        let replica = self.replica(shard)?;
        Some(replica.state.read(|machine| machine.queue().is_some_and(|queue| queue.ready(topic, group))))
    }

    /// The same of a shard that is elsewhere, from its leader's applied state. None when it does not answer.
    pub(super) async fn hint_from_afar(
        &self,
        shard: GroupId,
        topic: &TopicName,
        group: &ConsumerGroup,
        within: Duration,
    ) -> Option<bool> {
        let leader = self.engine.presumed_leader(shard, 0)?;
        let ask = QueueAsk::Await { topic: topic.clone(), group: group.clone() };
        match self.ask_now(shard, &leader, &ask, within).await {
            QueueTold::Ready { ready, .. } => Some(ready),
            _ => None,
        }
    }

    /// Waits until something may be ready at the shard, at least `after`. Whoever waits drops this at the end of its
    /// time.
    pub(super) fn watch(
        &self,
        shard: GroupId,
        topic: &TopicName,
        group: &ConsumerGroup,
        after: Duration,
    ) -> Watching {
        let (service, topic, group) = (self.clone(), topic.clone(), group.clone());
        Box::pin(async move {
            if !after.is_zero() {
                H::Runtime::sleep(after).await;
            }
            while !service.ready_once(shard, &topic, &group).await {}
            shard
        })
    }

    /// One slice of waiting; whether something may be ready. It takes time when not.
    async fn ready_once(&self, shard: GroupId, topic: &TopicName, group: &ConsumerGroup) -> bool {
        if let Some(replica) = self.replica(shard) {
            let (signal, ready) = replica.state.watch_ready(topic, group);
            if ready {
                return true;
            }
            // A signal says that it was so once: the state is looked at again.
            let _ = H::Runtime::timeout(SLICE, signal.wait()).await;
            return self.hint(shard, topic, group).unwrap_or_default();
        }
        let ask = QueueAsk::Await { topic: topic.clone(), group: group.clone() };
        match self.ask(shard, &ask, SLICE).await {
            Ok((_, QueueTold::Ready { ready, .. })) => ready,
            _ => {
                H::Runtime::sleep(PAUSE).await;
                false
            }
        }
    }
}
