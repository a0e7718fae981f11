//! Who only watches: the dashboard's fold of the facts, from the first one on, across leaders that die in the middle of
//! what they say, and from a snapshot on.

use std::collections::BTreeMap;

use orrery_base::hlc::Hlc;
use orrery_base::ids::GroupId;
use orrery_event::stream::{GroupQueues, NodeSnapshot};
use orrery_event::{Event, Fact};
use orrery_lock::view::LockTable;
use orrery_machine::ServiceFact;
use orrery_placement::ShardTable;
use orrery_projection::Effect;
use orrery_projection::view::{TopicQueue, View};
use orrery_queue::view::{DeadView, FlightView};
use orrery_queue::*;

const SHARD: GroupId = GroupId(3);

/// Three readers of the same history.
#[derive(Default)]
pub struct Watched {
    /// Hears everything from one leader.
    steady: View,
    /// Hears a command's facts only when the next one comes; half of them are lost where the leader dies before.
    crossed: View,
    unsent: Vec<Fact>,
    /// What the leaders have said of the last commands: a new one says it again.
    recent: Vec<Fact>,
    news: usize,
    facts: usize,
    /// Came with the last change of leaders.
    late: Option<View>,
    leader: u64,
    seq: u64,
}

fn say(view: &mut View, leader: u64, seq: u64, fact: Fact) -> Effect {
    let us = 1_000_000 + seq * 100;
    let event = Event { seq, hlc: Hlc::new(us, 0), wall_us: us, fact };
    view.apply(&format!("node{leader}").into(), 1, &event)
}

impl Watched {
    /// The shard's first leader has nothing yet, and says so.
    pub fn new() -> Watched {
        let mut watched = Watched { seq: 1, ..Watched::default() };
        let nothing = Fact::QueuesResumed { group: SHARD, index: 0, queues: Box::default() };
        say(&mut watched.steady, 0, 1, nothing.clone());
        say(&mut watched.crossed, 0, 1, nothing);
        watched
    }

    /// A command was applied.
    pub fn hear(&mut self, index: u64, clock_ms: u64, facts: &[QueueFact]) {
        self.flush(usize::MAX);
        self.facts += facts.len();
        for (n, fact) in (0..).zip(facts) {
            let fact = ServiceFact::Queue(fact.clone());
            let fact = Fact::Service { group: SHARD, index, n, clock_ms, fact };
            self.seq += 1;
            assert_eq!(say(&mut self.steady, 0, self.seq, fact.clone()), Effect::New);
            if let Some(late) = &mut self.late {
                say(late, self.leader, self.seq, fact.clone());
            }
            self.unsent.push(fact);
        }
    }

    /// The leader dies in the middle of what it says of the last command; a new one says what it has.
    pub fn change_leader(&mut self, index: u64, shard: &Shard) {
        self.flush(self.unsent.len() / 2);
        self.leader += 1;
        let queues = shard.view(Some(index));
        let resumed = Fact::QueuesResumed { group: SHARD, index, queues: Box::new(queues.clone()) };
        self.seq += 1;
        say(&mut self.crossed, self.leader, self.seq, resumed);
        self.recent.append(&mut self.unsent);
        for fact in self.recent.clone() {
            self.seq += 1;
            let effect = say(&mut self.crossed, self.leader, self.seq, fact);
            self.news += usize::from(effect == Effect::New);
        }
        assert_eq!(self.news, self.facts, "every fact is news once");
        let kept = self.recent.len().saturating_sub(64);
        self.recent.drain(..kept);
        let mut late = View::default();
        late.install(&snapshot(&format!("node{}", self.leader), self.seq, queues));
        same(&self.crossed, shard);
        self.late = Some(late);
    }

    /// Who watched knows what the machine has.
    pub fn check(&self, shard: &Shard) {
        same(&self.steady, shard);
        if let Some(late) = &self.late {
            same(late, shard);
        }
    }

    fn flush(&mut self, most: usize) {
        let sent = most.min(self.unsent.len());
        for fact in self.unsent.drain(..sent).collect::<Vec<_>>() {
            self.seq += 1;
            let effect = say(&mut self.crossed, self.leader, self.seq, fact.clone());
            self.news += usize::from(effect == Effect::New);
            self.recent.push(fact);
        }
    }
}

fn snapshot(node: &str, seq: u64, queues: QueueView) -> NodeSnapshot {
    NodeSnapshot {
        node: node.into(),
        boot: 1,
        seq,
        hlc: Hlc::default(),
        locks: LockTable::default(),
        shards: ShardTable::default(),
        queues: vec![GroupQueues { group: SHARD, queues }],
        ..NodeSnapshot::default()
    }
}

fn same(view: &View, shard: &Shard) {
    let of_shard = view.queues.get(&SHARD).map(|queues| queues.topics.clone()).unwrap_or_default();
    let shown = shard.view(None);
    assert_eq!(of_shard.len(), shown.topics.len(), "{of_shard:?}");
    for topic in &shown.topics {
        let stats = &topic.stats;
        let folded = &of_shard[&stats.topic];
        assert_eq!(
            (folded.messages, folded.bytes, folded.delayed),
            (stats.messages, stats.bytes, stats.delayed)
        );
        assert_eq!((folded.ready(), folded.totals), (stats.ready, stats.totals), "{folded:?}\n{stats:?}");
        assert_eq!(
            (folded.sum(|group| group.in_flight), folded.sum(|group| group.dead)),
            (stats.in_flight, stats.dead)
        );
        assert_eq!(folded.groups.len(), stats.groups.len());
        for group in &stats.groups {
            let queue = &folded.groups[&group.group];
            assert_eq!(
                (queue.waiting, queue.blocked),
                (group.waiting, group.blocked),
                "{queue:?}\n{group:?}"
            );
            assert_eq!((queue.ready(), queue.delayed), (group.ready, group.delayed), "{queue:?}\n{group:?}");
            assert_eq!((queue.in_flight, queue.dead), (group.in_flight, group.dead));
            assert_eq!((queue.lag(), queue.totals), (group.lag, group.totals));
            let consumers =
                group.in_flight_of.iter().map(|of| (of.consumer.clone(), u64::from(of.in_flight)));
            assert_eq!(folded.consumers(&group.group), consumers.collect());
        }
        assert_eq!(
            flights(folded),
            by_place(&topic.in_flight, |flight| (flight.group.clone(), flight.number))
        );
        assert_eq!(dead(folded), by_place(&topic.dead, |dead| (dead.letter.group.clone(), dead.number)));
    }
    let bins = view
        .topics()
        .into_iter()
        .map(|topic| view.bins(&topic).all)
        .map(|all| (all.ready, all.in_flight, all.dead));
    let stats = shown.topics.iter().map(|topic| &topic.stats);
    let stats = stats.map(|stats| (stats.ready, stats.in_flight, stats.dead));
    assert_eq!(bins.collect::<Vec<_>>(), stats.collect::<Vec<_>>());
}

type ByPlace<T> = BTreeMap<(ConsumerGroup, u64), T>;

fn by_place<T: Clone>(all: &[T], place: impl Fn(&T) -> (ConsumerGroup, u64)) -> ByPlace<T> {
    all.iter().map(|one| (place(one), one.clone())).collect()
}

fn flights(topic: &TopicQueue) -> ByPlace<FlightView> {
    let flights = topic.in_flight.iter().map(|(place, flight)| {
        let flight = FlightView {
            number: flight.number,
            key: flight.key.clone(),
            group: flight.group.clone(),
            consumer: flight.consumer.clone(),
            receipt: flight.receipt,
            attempt: flight.attempt,
            visible_at_ms: flight.visible_at_ms,
        };
        (place.clone(), flight)
    });
    flights.collect()
}

fn dead(topic: &TopicQueue) -> ByPlace<DeadView> {
    let dead = topic.dead.iter().map(|dead| {
        let letter = view::DeadLetter {
            group: dead.group.clone(),
            attempts: dead.attempts,
            cause: dead.cause,
            dead_at_ms: dead.dead_at_ms,
        };
        ((dead.group.clone(), dead.number), DeadView { number: dead.number, key: dead.key.clone(), letter })
    });
    dead.collect()
}
