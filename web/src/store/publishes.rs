//! Every publish of the recording with its point on the ring, found by time.

use std::collections::VecDeque;

use orrery_base::ids::{GroupId, LogIndex, NodeName};
use orrery_base::sorted::SortedMap;
use orrery_event::Fact;
use orrery_event::fact::Message;
use orrery_machine::ServiceFact;
use orrery_placement::{Token, partition_hash};
use orrery_queue::QueueFact;

/// Most publishes that are kept; the oldest go first.
const PUBLISHES_MAX: usize = 10_000;

/// Most points of publishes without a key that are kept: the page knows its own.
const OWN_MAX: usize = 256;

/// Most messages between replicas that are kept to find when a publish was sent: it is applied soon after.
const SENDS_MAX: usize = 512;

/// A message on its way to the other replicas of its shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish {
    /// When its shard's leader sent it to the others; where that is not known, when it was applied.
    pub sent_us: u64,
    /// Who that was, where it is known.
    pub leader: Option<NodeName>,
    pub group: GroupId,
    /// The message's number there.
    pub number: LogIndex,
    /// Its point on the ring, where it has a key.
    pub hash: Option<Token>,
}

/// Entries on their way to another replica.
#[derive(Clone, Debug)]
struct Send {
    group: GroupId,
    first: LogIndex,
    last: LogIndex,
    at_us: u64,
    from: NodeName,
}

/// All publishes, in the order of their sends.
#[derive(Debug, Default)]
pub struct Publishes {
    all: VecDeque<Publish>,
    /// Entries of shards that were sent last, oldest first.
    sends: VecDeque<Send>,
    /// Points of the page's own publishes, by shard and number.
    own: SortedMap<(GroupId, LogIndex), Token>,
}

impl Publishes {
    /// Notes a publish, or entries that are sent.
    pub fn handle_fact(&mut self, at_us: u64, fact: &Fact) {
        match fact {
            Fact::Sent { message, group, body: Message::Append { previous, entries, .. }, .. }
                if *group != GroupId::CONTROL && *entries > 0 =>
            {
                let before = previous.unwrap_or_default();
                let (first, last) = (before + 1, before + u64::from(*entries));
                self.sends.push_back(Send { group: *group, first, last, at_us, from: message.from.clone() });
                if self.sends.len() > SENDS_MAX {
                    self.sends.pop_front();
                }
            }
            Fact::Service {
                group,
                fact: ServiceFact::Queue(QueueFact::Published { topic, number, key, .. }),
                ..
            } => {
                let hash = key.as_ref().map(|key| partition_hash(topic, key));
                self.insert(at_us, *group, *number, hash);
            }
            _ => {}
        }
    }

    fn insert(&mut self, at_us: u64, group: GroupId, number: LogIndex, hash: Option<Token>) {
        let carries = |send: &&Send| send.group == group && (send.first..=send.last).contains(&number);
        // The first of several: to the follower that was served first.
        let sent = self.sends.iter().find(carries);
        let publish = Publish {
            sent_us: sent.map_or(at_us, |send| send.at_us),
            leader: sent.map(|send| send.from.clone()),
            group,
            number,
            hash,
        };
        let place = self.all.partition_point(|other| other.sent_us <= publish.sent_us);
        self.all.insert(place, publish);
        if self.all.len() > PUBLISHES_MAX {
            self.all.pop_front();
        }
    }

    /// Notes the point of one of the page's own publishes.
    pub fn note_own(&mut self, group: GroupId, number: LogIndex, hash: Token) {
        self.own.insert((group, number), hash);
        if self.own.len() > OWN_MAX {
            self.own.pop_first();
        }
    }

    /// Those that were sent between two moments, with their point where it is known.
    pub fn between(&self, from_us: u64, to_us: u64) -> impl Iterator<Item = (&Publish, Option<Token>)> {
        let first = self.all.partition_point(|publish| publish.sent_us < from_us);
        let last = self.all.partition_point(|publish| publish.sent_us <= to_us);
        self.all.range(first..last.max(first)).map(|publish| {
            let own = || self.own.get(&(publish.group, publish.number)).copied();
            (publish, publish.hash.or_else(own))
        })
    }
}

#[cfg(test)]
mod tests {
    use orrery_event::fact::MessageId;

    use super::*;

    const SHARD: GroupId = GroupId(3);

    fn sent(from: &str, number: u64, previous: u64, entries: u32) -> Fact {
        let message = MessageId { from: from.into(), boot: 1, number };
        let body = Message::Append { term: 1, previous: Some(previous), entries, commit: None };
        Fact::Sent { message, group: SHARD, to: "node9".into(), body }
    }

    fn published(number: u64, key: Option<&str>) -> Fact {
        let fact = QueueFact::Published {
            topic: "orders".into(),
            number,
            key: key.map(Into::into),
            bytes: 3,
            delayed_until_ms: None,
            preview: "tea".into(),
        };
        Fact::Service { group: SHARD, index: number, n: 0, clock_ms: 1, fact: ServiceFact::Queue(fact) }
    }

    #[test]
    fn a_publish_is_found_at_its_send_with_its_point() {
        let mut publishes = Publishes::default();
        publishes.handle_fact(1_000, &sent("node2", 1, 10, 3));
        publishes.handle_fact(1_100, &sent("node2", 2, 10, 3));
        publishes.handle_fact(5_000, &published(12, Some("k")));
        publishes.handle_fact(6_000, &published(14, None));
        let found: Vec<_> =
            publishes.between(0, 10_000).map(|(publish, hash)| (publish.sent_us, hash)).collect();
        assert_eq!(found, [(1_000, Some(partition_hash("orders", "k"))), (6_000, None)]);
        assert_eq!(publishes.between(1_001, 5_999).count(), 0);
        publishes.note_own(SHARD, 14, Token(7));
        assert_eq!(publishes.between(6_000, 6_000).next().and_then(|(_, hash)| hash), Some(Token(7)));
    }

    #[test]
    fn it_is_bounded() {
        let mut publishes = Publishes::default();
        for number in 0..PUBLISHES_MAX as u64 + 100 {
            publishes.handle_fact(number, &sent("node2", number, number, 1));
            publishes.handle_fact(number, &published(number + 1, None));
            publishes.note_own(SHARD, number, Token(number));
        }
        assert_eq!((publishes.all.len(), publishes.sends.len()), (PUBLISHES_MAX, SENDS_MAX));
        assert_eq!(publishes.own.len(), OWN_MAX);
    }
}
