//! Above a rate, events are not sent one by one any more: explicit bursts with counts stand for them.
//!
//! What must survive a burst survives it: changes of role and membership, and of everything that only moves forward
//! (commit index, applied index, synced, log) the last one. Service facts are replaced by what they led to, group by group:
//! the lock table, the queues and the cached values of a shard. Of a cache line, and of who holds one, the last change stays. So a fold over a stream with bursts still equals the node's state.

use std::collections::{BTreeMap, HashMap};

use orrery_base::ids::{GroupId, Sequence};
use orrery_cache::view::ValuesView;
use orrery_cache::{Address, HomeFact, LineFact};
use orrery_event::fact::EntrySummary;
use orrery_event::{Event, Fact};
use orrery_lock::view::LocksShown;
use orrery_machine::ServiceFact;
use orrery_queue::QueueView;
use smol_str::SmolStr;

/// Most entries that an `Appended` lists.
const ENTRIES_MAX: usize = 64;

/// Events per second that are sent one by one, and how many may come at once after a quiet time.
pub(super) const RATE_MAX: f64 = 2_000.0;
const ALLOWANCE_MAX: f64 = 1_000.0;

/// Kinds of service facts: of locks and queues, and of cached values.
const SERVICE: &str = "service";
const CACHE: &str = "cache";

#[derive(Debug)]
pub(super) struct Allowance {
    left: f64,
    at_us: u64,
}

impl Allowance {
    pub fn new(now_us: u64) -> Allowance {
        Allowance { left: ALLOWANCE_MAX, at_us: now_us }
    }

    /// Whether `events` may be sent one by one now. Where they may not, the allowance is used up, so that a burst lasts
    /// until the rate is down.
    pub fn covers(&mut self, events: usize, now_us: u64) -> bool {
        let elapsed = now_us.saturating_sub(self.at_us) as f64 / 1e6;
        self.at_us = now_us;
        self.left = (self.left + elapsed * RATE_MAX).min(ALLOWANCE_MAX);
        let covered = self.left >= events as f64;
        self.left = if covered { self.left - events as f64 } else { self.left.min(0.0) };
        covered
    }
}

/// What stands for the service facts of a burst: the state of their groups at the last of them, or later.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    /// The control group's lock table, bounded.
    pub locks: Option<LocksShown>,
    /// The queues of shards.
    pub queues: BTreeMap<GroupId, QueueView>,
    /// The cached values of shards.
    pub values: BTreeMap<GroupId, ValuesView>,
}

impl Tables {
    /// About how many rows a reader has to take over.
    pub(super) fn rows(&self) -> usize {
        let claims = |shown: &LocksShown| {
            let resources = shown.table.resources.iter();
            resources.map(|at| at.holders.len() + at.waiters.len()).sum::<usize>()
                + shown.table.sessions.len()
        };
        let locks = self.locks.as_ref().map_or(0, claims);
        let topics = self.queues.values().flat_map(|queues| &queues.topics);
        let queues =
            topics.map(|topic| 1 + topic.stats.groups.len() + topic.in_flight.len() + topic.dead.len());
        let values = self.values.values().map(|values| values.values.len());
        locks + queues.sum::<usize>() + values.sum::<usize>()
    }

    fn has(&self, kind: &str, group: GroupId) -> bool {
        match kind {
            CACHE => self.values.contains_key(&group),
            _ => self.queues.contains_key(&group) || (group == GroupId::CONTROL && self.locks.is_some()),
        }
    }

    /// The fact that says what a group has now.
    fn take(&mut self, kind: &str, group: GroupId) -> Option<Fact> {
        if kind == CACHE {
            let values = self.values.remove(&group)?;
            let index = values.applied.unwrap_or_default();
            return Some(Fact::CachesResumed { group, index, values: Box::new(values) });
        }
        if let Some(queues) = self.queues.remove(&group) {
            let index = queues.applied.unwrap_or_default();
            return Some(Fact::QueuesResumed { group, index, queues: Box::new(queues) });
        }
        let locks = self.locks.take_if(|_| group == GroupId::CONTROL)?;
        Some(Fact::locks_resumed(group, locks))
    }
}

/// What becomes of a fact in a burst.
enum Part {
    /// It stays as it is.
    Stays,
    /// Only the last one of its kind and group stays.
    Last(&'static str, GroupId),
    /// Only the last one of its kind about this line stays.
    LastOf(&'static str, GroupId, Address),
    /// The same, and it lists the last entries of all.
    Entries(GroupId),
    /// The group's table of that kind stands for it.
    Service(&'static str, GroupId),
    /// Only its number stays.
    Counted(&'static str),
}

fn part(fact: &Fact) -> Part {
    match fact {
        Fact::Sent { .. } => Part::Counted("sent"),
        Fact::Received { .. } => Part::Counted("received"),
        Fact::Lost { .. } => Part::Counted("lost"),
        Fact::RequestBegun { .. } => Part::Counted("request_begun"),
        Fact::RequestEnded { .. } => Part::Counted("request_ended"),
        // In a burst no state is told fact by fact: there is nothing to compare.
        Fact::Comparing { .. } | Fact::Compared { .. } => Part::Counted("compared"),
        Fact::TimerStarted { group, .. } => Part::Last("timer_started", *group),
        Fact::Synced { group, .. } => Part::Last("synced", *group),
        Fact::Committed { group, .. } => Part::Last("committed", *group),
        Fact::Applied { group, .. } => Part::Last("applied", *group),
        Fact::Appended { group, .. } => Part::Entries(*group),
        Fact::Service { group, fact: ServiceFact::Cache(_), .. } => Part::Service(CACHE, *group),
        Fact::Service { group, .. } => Part::Service(SERVICE, *group),
        Fact::CacheLine { fact: LineFact::Hit { .. }, .. } => Part::Counted("cache_hit"),
        Fact::CacheLine { group, fact: LineFact::Changed { address, .. } } => {
            Part::LastOf("cache_line", *group, address.clone())
        }
        Fact::CacheHome { group, fact: HomeFact::Held { address, .. } } => {
            Part::LastOf("held", *group, address.clone())
        }
        _ => Part::Stays,
    }
}

/// Collapses consecutive events. Service facts of a group without a table stay as they are.
pub(super) fn collapse(events: Vec<Event>, mut tables: Tables) -> Vec<Event> {
    let mut last: HashMap<(&'static str, GroupId), Sequence> = HashMap::new();
    let mut last_of: HashMap<(&'static str, GroupId, Address), Sequence> = HashMap::new();
    let recalls = ended_recalls(&events);
    let mut entries: HashMap<GroupId, Vec<EntrySummary>> = HashMap::new();
    for event in &events {
        match part(&event.fact) {
            Part::Last(kind, group) => {
                last.insert((kind, group), event.seq);
            }
            Part::LastOf(kind, group, address) => {
                last_of.insert((kind, group, address), event.seq);
            }
            Part::Service(kind, group) => {
                last.insert((kind, group), event.seq);
            }
            Part::Entries(group) => {
                last.insert(("appended", group), event.seq);
                if let Fact::Appended { entries: some, .. } = &event.fact {
                    let tail = entries.entry(group).or_default();
                    tail.extend(some.iter().cloned());
                    let surplus = tail.len().saturating_sub(ENTRIES_MAX);
                    tail.drain(..surplus);
                }
            }
            Part::Stays => {
                // What a truncation removes may not come back with the entries of a later `Appended`.
                if let Fact::Truncated { group, after } = &event.fact
                    && let Some(tail) = entries.get_mut(group)
                {
                    tail.retain(|entry| after.is_some_and(|after| entry.index <= after));
                }
            }
            Part::Counted(_) => {}
        }
    }
    let is_service = |kind: &&str| [SERVICE, CACHE].contains(kind);
    let with_table: Vec<(&str, GroupId)> =
        last.keys().filter(|(kind, group)| is_service(kind) && tables.has(kind, *group)).copied().collect();
    let mut collapsed = Vec::new();
    let mut run = Run::default();
    for mut event in events {
        let (kind, stays) = match part(&event.fact) {
            Part::Stays if is_recall_of(&event.fact, &recalls) => ("recall", false),
            Part::Stays => ("", true),
            Part::Counted(kind) => (kind, false),
            Part::Last(kind, group) => (kind, last.get(&(kind, group)) == Some(&event.seq)),
            Part::LastOf(kind, group, address) => {
                (kind, last_of.get(&(kind, group, address)) == Some(&event.seq))
            }
            Part::Entries(group) => {
                let stays = last.get(&("appended", group)) == Some(&event.seq);
                if stays
                    && let Fact::Appended { entries: listed, first, .. } = &mut event.fact
                    && let Some(tail) = entries.remove(&group)
                {
                    *first = tail.first().map_or(*first, |entry| entry.index.min(*first));
                    *listed = tail;
                }
                ("appended", stays)
            }
            Part::Service(kind, group) => {
                let is_last = last.get(&(kind, group)) == Some(&event.seq);
                if is_last && let Some(resumed) = tables.take(kind, group) {
                    event.fact = resumed;
                }
                ("service", is_last || !with_table.contains(&(kind, group)))
            }
        };
        if stays {
            run.end(&mut collapsed);
            collapsed.push(event);
        } else {
            run.add(event, kind);
        }
    }
    run.end(&mut collapsed);
    collapsed
}

/// How often each question at a home began to wait for nodes, and how often it ended to wait for one of them.
type Recalls = HashMap<(GroupId, u64), (usize, usize)>;

/// Those that began and ended among these events: nobody has to see them.
fn ended_recalls(events: &[Event]) -> Recalls {
    let mut recalls = Recalls::new();
    for event in events {
        match &event.fact {
            Fact::CacheHome { group, fact: HomeFact::Recalling { question, of, .. } } => {
                recalls.entry((*group, *question)).or_default().0 += of.len();
            }
            Fact::CacheHome { group, fact: HomeFact::Recalled { question, .. } } => {
                recalls.entry((*group, *question)).or_default().1 += 1;
            }
            _ => {}
        }
    }
    recalls.retain(|_, (begun, ended)| begun == ended);
    recalls
}

fn is_recall_of(fact: &Fact, recalls: &Recalls) -> bool {
    match fact {
        Fact::CacheHome {
            group,
            fact: HomeFact::Recalling { question, .. } | HomeFact::Recalled { question, .. },
        } => recalls.contains_key(&(*group, *question)),
        _ => false,
    }
}

/// Consecutive events that one burst stands for.
#[derive(Default)]
struct Run {
    first: Option<Sequence>,
    last: Option<Event>,
    counts: Vec<(SmolStr, u32)>,
}

impl Run {
    fn add(&mut self, event: Event, kind: &'static str) {
        self.first.get_or_insert(event.seq);
        match self.counts.iter_mut().find(|(name, _)| name == kind) {
            Some((_, count)) => *count += 1,
            None => self.counts.push((SmolStr::new_static(kind), 1)),
        }
        self.last = Some(event);
    }

    fn end(&mut self, collapsed: &mut Vec<Event>) {
        let Run { first: Some(first), last: Some(event), counts } = std::mem::take(self) else { return };
        let fact = Fact::Burst { group: GroupId::CONTROL, first, last: event.seq, counts };
        collapsed.push(Event { fact, ..event });
    }
}

#[cfg(test)]
mod tests {
    use orrery_base::hlc::Hlc;
    use orrery_lock::LockFact;

    use super::*;

    const CONTROL: GroupId = GroupId::CONTROL;

    fn events(facts: Vec<Fact>) -> Vec<Event> {
        facts.into_iter().zip(1..).map(|(fact, seq)| Event { seq, hlc: Hlc(seq), wall_us: 0, fact }).collect()
    }

    fn committed(index: u64) -> Fact {
        Fact::Committed { group: CONTROL, index }
    }

    fn appended(index: u64) -> Fact {
        let entry = EntrySummary { index, term: 1, what: "clock".into() };
        Fact::Appended { group: CONTROL, entries: vec![entry], first: index, last: index }
    }

    fn ended(request: u64) -> Fact {
        Fact::RequestEnded { request, outcome: "acquired".into(), status: 200, took_us: 1 }
    }

    #[test]
    fn every_sequence_is_there_or_in_a_burst() {
        let down = Fact::LinkDown { peer: "b".into() };
        let list = events(vec![ended(1), committed(1), ended(2), down, committed(2), ended(3), ended(4)]);
        let collapsed = collapse(list, Tables::default());
        let mut next = 1;
        for event in &collapsed {
            match &event.fact {
                Fact::Burst { first, last, counts, .. } => {
                    assert_eq!((*first, *last), (next, event.seq));
                    assert_eq!(u64::from(counts.iter().map(|(_, n)| n).sum::<u32>()), last - first + 1);
                }
                _ => assert_eq!(event.seq, next),
            }
            next = event.seq + 1;
        }
        assert_eq!(next, 8);
        assert_eq!(collapsed.len(), 4);
        assert!(collapsed.iter().any(|event| event.fact == committed(2)), "the last commit index stays");
    }

    #[test]
    fn the_last_append_lists_the_last_entries_of_all() {
        let collapsed = collapse(events((1..=100).map(appended).collect()), Tables::default());
        let Fact::Appended { entries, first, last, .. } = &collapsed[1].fact else { panic!("{collapsed:?}") };
        assert_eq!((entries.len(), *first, *last), (ENTRIES_MAX, 37, 100));
        assert_eq!(entries[0].index, 37);
    }

    #[test]
    fn the_table_of_each_group_stands_for_its_service_facts() {
        use orrery_lock::view::LockTable;
        use orrery_queue::QueueFact;

        let service = |group, index| {
            let fact = if group == CONTROL {
                ServiceFact::Lock(LockFact::SessionRenewed { session: Default::default(), expires_at_ms: 1 })
            } else {
                ServiceFact::Queue(QueueFact::Entered { topic: "orders".into(), number: index })
            };
            Fact::Service { group, index, n: 0, clock_ms: 0, fact }
        };
        let (one, two) = (GroupId(1), GroupId(2));
        let table = LockTable { applied: Some(9), ..LockTable::default() };
        let locks = LocksShown { table, beyond: None };
        let queues = QueueView { applied: Some(40), ..QueueView::default() };
        let tables = Tables { locks: Some(locks), queues: [(one, queues)].into(), ..Tables::default() };
        let list = vec![
            service(CONTROL, 7),
            service(one, 30),
            service(CONTROL, 9),
            service(one, 31),
            service(two, 5),
            service(one, 32),
            service(two, 6),
            ended(1),
        ];
        let collapsed = collapse(events(list.clone()), tables);
        let facts: Vec<&Fact> = collapsed.iter().map(|event| &event.fact).collect();
        assert!(matches!(facts[0], Fact::Burst { first: 1, last: 2, .. }));
        assert!(matches!(facts[1], Fact::ServiceResumed { group: CONTROL, index: 9, .. }));
        assert!(matches!(facts[2], Fact::Burst { first: 4, last: 4, .. }));
        assert_eq!(*facts[3], list[4], "a group without a table keeps its facts");
        assert!(matches!(facts[4], Fact::QueuesResumed { group: GroupId(1), index: 40, .. }));
        assert_eq!(*facts[5], list[6]);
        assert_eq!(collapsed.iter().map(|event| event.seq).collect::<Vec<_>>(), [2, 3, 4, 5, 6, 7, 8]);
    }

    /// Of a line, and of who holds it, the last change stays; a recall that began and ended is nothing that anybody has to
    /// see, one that goes on is.
    #[test]
    fn the_last_change_of_a_line_survives_and_recalls_that_ended_do_not() {
        use orrery_cache::{Cause, How, State, Wants};

        let group = GroupId(1);
        let line = |address: &str, from, to| {
            let (address, cause) = (address.into(), Cause::LocalRead);
            Fact::CacheLine { group, fact: LineFact::Changed { address, from, to, cause, version: 7 } }
        };
        let home = |fact| Fact::CacheHome { group, fact };
        let held = |owner: Option<&str>| {
            let (address, owner) = ("a".into(), owner.map(Into::into));
            home(HomeFact::Held { address, owner, sharers: Vec::new() })
        };
        let recalling = |question| {
            let waited = orrery_cache::Waited {
                node: "node2".into(),
                recall: orrery_cache::message::RecallKind::Invalidate,
                gone_in_us: 9,
            };
            let (address, asker, of) = ("a".into(), "node3".into(), vec![waited]);
            home(HomeFact::Recalling { question, address, asker, wants: Wants::Write, of })
        };
        let recalled = |question| {
            let (address, node, how) = ("a".into(), "node2".into(), How::Acknowledged);
            home(HomeFact::Recalled { question, address, node, how })
        };
        let hit = Fact::CacheLine {
            group,
            fact: LineFact::Hit { address: "a".into(), state: State::S, write: false },
        };
        let list = vec![
            line("a", State::I, State::S),
            line("b", State::I, State::E),
            recalling(1),
            held(Some("node2")),
            recalled(1),
            hit,
            line("a", State::S, State::I),
            held(None),
            recalling(2),
        ];
        let collapsed = collapse(events(list.clone()), Tables::default());
        let kept: Vec<&Fact> = collapsed
            .iter()
            .map(|event| &event.fact)
            .filter(|fact| !matches!(fact, Fact::Burst { .. }))
            .collect();
        assert_eq!(kept, [&list[1], &list[6], &list[7], &list[8]]);
    }

    /// A reader of the burst knows what the shard has: a message is counted once, whether it is in the view that stands
    /// for facts, or comes after.
    #[test]
    fn a_fold_over_a_burst_of_queue_facts_equals_the_machine() {
        use orrery_machine::ServiceFact;
        use orrery_projection::view::View;
        use orrery_queue::{QueueCommand, Shard, StartFrom, Step};

        let group = GroupId(1);
        let (mut shard, mut facts) = (Shard::default(), Vec::new());
        let mut apply = |index: u64, command: &QueueCommand| {
            let mut step = Step { index, ..Step::default() };
            shard.apply(command, &mut step);
            let service = |(n, fact)| {
                let fact = ServiceFact::Queue(fact);
                Fact::Service { group, index, n, clock_ms: 0, fact }
            };
            facts.extend((0..).zip(step.facts).map(service));
            shard.view(Some(index))
        };
        let publish = QueueCommand::Publish {
            topic: "orders".into(),
            key: None,
            message: bytes::Bytes::from_static(b"1"),
            delay_ms: 0,
            wall_ms: 0,
        };
        let consume = QueueCommand::Consume {
            topic: "orders".into(),
            group: "billing".into(),
            consumer: "Ayu".into(),
            max: 7,
            visibility_ms: 1_000,
        };
        (1..=20).for_each(|index| drop(apply(index, &publish)));
        // The table is read a little later than the facts are taken.
        let (topic, group_name) = ("orders".into(), "billing".into());
        apply(21, &QueueCommand::CreateGroup { topic, group: group_name, from: StartFrom::Earliest });
        let after_burst = apply(22, &consume);
        let rest = apply(23, &publish);
        let tables = Tables { queues: [(group, after_burst)].into(), ..Tables::default() };
        let list = events(facts);
        let (burst, later) = list.split_at(20);
        let mut view = View::default();
        for event in collapse(burst.to_vec(), tables).iter().chain(later) {
            view.apply(&"a".into(), 1, event);
        }
        let folded = &view.queues[&group].topics["orders"];
        let stats = &rest.topics[0].stats;
        assert_eq!(
            (folded.messages, folded.ready(), folded.in_flight.len()),
            (stats.messages, stats.ready, 7)
        );
        assert_eq!((folded.totals, stats.ready), (stats.totals, 14));
    }

    #[test]
    fn the_allowance_comes_back_with_time() {
        let mut allowance = Allowance::new(0);
        assert!(allowance.covers(1_000, 0));
        assert!(!allowance.covers(100, 0));
        assert!(!allowance.covers(100, 10_000), "20 came back");
        assert!(allowance.covers(100, 60_000), "in 50 ms, 100 more");
    }
}
