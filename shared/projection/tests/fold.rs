#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use orrery_base::hlc::Hlc;
use orrery_base::ids::{BootEpoch, GroupId, LogIndex, NodeName, Term};
use orrery_event::fact::*;
use orrery_event::merge::StreamState;
use orrery_event::stream::{GroupSnapshot, MemberAddress, NodeSnapshot, ProcessState, ProcessStatus};
use orrery_event::{Event, Fact};
use orrery_lock::view::LocksShown;
use orrery_lock::{Holder, LockFact, Mode, ReleaseCause, WaitEdge, WaitId};
use orrery_machine::ServiceFact;
use orrery_narrate::narrate;
use orrery_placement::ShardTable;
use orrery_projection::Effect;
use orrery_projection::view::*;
use proptest::prelude::*;
use smol_str::SmolStr;

const CONTROL: GroupId = GroupId::CONTROL;

/// One node's stream, numbered and stamped.
struct Tape {
    view: View,
    seqs: std::collections::BTreeMap<NodeName, u64>,
    us: u64,
}

impl Tape {
    fn new() -> Tape {
        Tape { view: View::default(), seqs: Default::default(), us: 1_000_000 }
    }

    fn event(&mut self, node: &str, fact: Fact) -> Event {
        self.us += 100;
        let seq = self.seqs.entry(node.into()).or_default();
        *seq += 1;
        Event { seq: *seq, hlc: Hlc::new(self.us, 0), wall_us: self.us, fact }
    }

    fn say(&mut self, node: &str, fact: Fact) -> Effect {
        let event = self.event(node, fact);
        self.view.apply(&node.into(), 1, &event)
    }
}

fn role(role: Role, term: Term, voted_for: &str, leader: Option<&str>) -> Fact {
    Fact::RoleChanged {
        group: CONTROL,
        role,
        term,
        voted_for: Some(voted_for.into()),
        leader: leader.map(NodeName::from),
        silent_us: None,
    }
}

/// Without a supervisor it is the members that say who is there.
#[test]
fn a_node_that_tells_of_its_own_dismissal_is_gone() {
    let mut tape = Tape::new();
    tape.say("node2", membership(1, &["node1", "node2"]));
    tape.say("node2", membership(2, &["node1"]));
    assert!(tape.view.has_left("node2") && tape.view.node("node2").is_none());
    tape.view.assert_consistent();
    // The same where it is its snapshot that says so.
    let mut tape = Tape::new();
    tape.say("node2", membership(1, &["node1", "node2"]));
    let group =
        GroupSnapshot { voters: vec!["node1".into()], membership: Some(2), ..GroupSnapshot::default() };
    let snapshot = snapshot_of(&View::default(), "node2", 9, 2_000_000);
    let snapshot = NodeSnapshot { groups: vec![group], processes: vec![], ..snapshot };
    tape.view.install(&snapshot);
    assert!(tape.view.has_left("node2") && tape.view.node("node2").is_none());
    tape.view.assert_consistent();
}

fn message(from: &str, number: u64) -> MessageId {
    MessageId { from: from.into(), boot: 1, number }
}

fn vote_reply(from: &str, number: u64, granted: bool) -> Fact {
    let body = Message::VoteReply { pre: false, term: 2, granted };
    Fact::Received { message: message(from, number), group: CONTROL, body }
}

fn entries(first: LogIndex, last: LogIndex, term: Term) -> Fact {
    let list = (first..=last).map(|index| EntrySummary { index, term, what: "acquire a b".into() }).collect();
    Fact::Appended { group: CONTROL, entries: list, first, last }
}

fn holder(client: &str) -> Holder {
    Holder { client: client.into(), session: None }
}

fn granted(resource: &str, client: &str, token: u64, wait: Option<LogIndex>) -> ServiceFact {
    ServiceFact::Lock(LockFact::Granted {
        resource: resource.into(),
        holder: holder(client),
        mode: Mode::Exclusive,
        fencing_token: token,
        expires_at_ms: Some(30_000),
        wait: wait.map(WaitId),
        reentrant: false,
    })
}

fn queued(resource: &str, client: &str, wait: LogIndex, position: u32) -> ServiceFact {
    ServiceFact::Lock(LockFact::Queued {
        resource: resource.into(),
        holder: holder(client),
        mode: Mode::Exclusive,
        wait: WaitId(wait),
        position,
        upgrade: false,
    })
}

fn released(resource: &str, client: &str, token: u64) -> ServiceFact {
    ServiceFact::Lock(LockFact::Released {
        resource: resource.into(),
        holder: holder(client),
        fencing_token: token,
        cause: ReleaseCause::Client,
    })
}

fn service(index: LogIndex, n: u32, fact: ServiceFact) -> Fact {
    Fact::Service { group: CONTROL, index, n, clock_ms: index * 10, fact }
}

#[test]
fn an_election_gathers_votes_and_crowns() {
    let mut tape = Tape::new();
    for name in ["node1", "node2", "node3"] {
        let voters = ["node1", "node2", "node3"].map(NodeName::from).to_vec();
        tape.say(name, Fact::MembershipChanged { group: CONTROL, index: Some(0), voters, learners: vec![] });
    }
    tape.say("node2", role(Role::Candidate, 2, "node2", None));
    tape.say("node2", vote_reply("node1", 1, false));
    tape.say("node2", vote_reply("node3", 1, true));
    tape.say("node2", vote_reply("node3", 2, true));
    let election = tape.view.control("node2").unwrap().election.clone().unwrap();
    assert_eq!(election.granted, ["node2", "node3"]);
    assert_eq!(election.refused, ["node1"]);
    assert!(!election.won && election.granted.len() >= tape.view.control("node2").unwrap().quorum());
    tape.say("node2", role(Role::Leader, 2, "node2", Some("node2")));
    assert!(tape.view.control("node2").unwrap().election.as_ref().unwrap().won);
    assert_eq!(tape.view.leadership().leader.as_deref(), Some("node2"));
    assert_eq!(tape.view.leadership().term, 2);
}

#[test]
fn a_leader_whose_events_do_not_come_is_known_from_the_others() {
    let mut tape = Tape::new();
    tape.say("node3", role(Role::Leader, 1, "node3", Some("node3")));
    let stream = |tape: &mut Tape, name: &str, state| {
        let mut node = tape.view.node(name).unwrap().clone();
        node.stream = state;
        tape.view.nodes.insert(name.into(), Arc::new(node));
    };
    let leader = |tape: &Tape| tape.view.leadership().leader;
    tape.say("node1", role(Role::Follower, 2, "node3", Some("node3")));
    stream(&mut tape, "node1", StreamState::Live);
    stream(&mut tape, "node3", StreamState::Live);
    assert_eq!(leader(&tape), None, "it would say so itself");
    stream(&mut tape, "node3", StreamState::Silent);
    assert_eq!(leader(&tape), Some("node3".into()));
    // Whoever says so lost it, or is not heard either.
    tape.say("node1", Fact::LinkDown { peer: "node3".into() });
    assert_eq!(leader(&tape), None);
    tape.say("node1", Fact::LinkUp { peer: "node3".into() });
    assert_eq!(leader(&tape), Some("node3".into()));
    stream(&mut tape, "node1", StreamState::Silent);
    assert_eq!(leader(&tape), None);
    stream(&mut tape, "node1", StreamState::Live);
    tape.say("node2", role(Role::Candidate, 3, "node2", None));
    assert_eq!(leader(&tape), None, "an election began");
}

#[test]
fn a_deposed_leader_that_does_not_know_it_is_told_apart() {
    let mut tape = Tape::new();
    tape.say("node1", role(Role::Leader, 1, "node1", Some("node1")));
    assert_eq!(tape.view.leadership().leader.as_deref(), Some("node1"));
    tape.say("node2", role(Role::Candidate, 2, "node2", None));
    let between = tape.view.leadership();
    assert_eq!((between.term, between.leader, between.deposed), (2, None, vec!["node1".into()]));
    tape.say("node2", role(Role::Leader, 2, "node2", Some("node2")));
    let after = tape.view.leadership();
    assert_eq!((after.leader, after.deposed), (Some("node2".into()), vec!["node1".into()]));
}

#[test]
fn the_log_grows_is_marked_and_truncated() {
    let mut tape = Tape::new();
    tape.say("node1", entries(0, 4, 1));
    tape.say("node1", Fact::Synced { group: CONTROL, last: 3, took_us: 900 });
    tape.say("node1", Fact::Committed { group: CONTROL, index: 2 });
    tape.say("node1", Fact::Applied { group: CONTROL, index: 1 });
    let marks = |view: &View| (0..6).map(|i| view.control("node1").unwrap().mark(i)).collect::<Vec<_>>();
    use Mark::*;
    assert_eq!(
        marks(&tape.view),
        [Some(Applied), Some(Applied), Some(Committed), Some(Durable), Some(Appended), None]
    );
    tape.say("node1", Fact::Truncated { group: CONTROL, after: Some(2) });
    tape.say("node1", entries(3, 3, 2));
    let part = tape.view.control("node1").unwrap();
    assert_eq!(part.last_log, Some(3));
    assert_eq!(part.entry(3).unwrap().term, 2);
    assert_eq!(part.entry(4), None);
    assert_eq!(part.mark(3), Some(Appended));
}

#[test]
fn a_long_append_keeps_a_bounded_contiguous_tail() {
    let mut tape = Tape::new();
    tape.say("node1", entries(0, 9, 1));
    let list = (200..264).map(|index| EntrySummary { index, term: 1, what: "x".into() }).collect();
    tape.say("node1", Fact::Appended { group: CONTROL, entries: list, first: 10, last: 263 });
    let part = tape.view.control("node1").unwrap();
    assert_eq!(part.tail.len(), TAIL_MAX);
    assert_eq!(part.entry(263).unwrap().index, 263);
    assert_eq!(part.entry(9), None);
}

#[test]
fn messages_fly_until_they_arrive_or_are_lost() {
    let mut tape = Tape::new();
    let body = Message::Append { term: 1, previous: None, entries: 1, commit: None };
    for (number, to) in [(1, "node2"), (2, "node3")] {
        let message = message("node1", number);
        tape.say("node1", Fact::Sent { message, group: CONTROL, to: to.into(), body: body.clone() });
    }
    assert_eq!(tape.view.flights.len(), 2);
    tape.say("node2", Fact::Received { message: message("node1", 1), group: CONTROL, body });
    assert!(tape.view.control("node2").unwrap().last_contact_us.is_some());
    let (message, why) = (message("node1", 2), LostWhy::Cut);
    tape.say("node1", Fact::Lost { message, group: CONTROL, to: "node3".into(), why });
    assert!(tape.view.flights.is_empty());
}

#[test]
fn a_killed_process_is_down_and_a_new_boot_is_up() {
    let mut tape = Tape::new();
    tape.say("node1", role(Role::Leader, 1, "node1", Some("node1")));
    let begun = Fact::RequestBegun {
        request: 1,
        client: "Ayu".into(),
        operation: "acquire".into(),
        subject: "printer X".into(),
    };
    tape.say("node1", begun);
    let exited = Fact::NodeExited { node: "node1".into(), cause: "killed".into() };
    assert_eq!(tape.say(SUPERVISOR, exited.clone()), Effect::New);
    assert_eq!(tape.say(SUPERVISOR, exited), Effect::Known);
    let node = tape.view.node("node1").unwrap();
    assert_eq!((node.process, node.exit_cause.as_str()), (Process::Down, "killed"));
    assert!(tape.view.requests.is_empty());
    assert_eq!(tape.view.leadership().leader, None);
    assert!(!tape.view.order.contains(&SmolStr::from(SUPERVISOR)));
    tape.say(SUPERVISOR, Fact::NodeStarted { node: "node1".into(), pid: 7 });
    let event = Event { seq: 1, ..tape.event("node1", Fact::Started { version: "1".into() }) };
    assert_eq!(tape.view.apply(&"node1".into(), 2, &event), Effect::New);
    assert_eq!(tape.view.node("node1").unwrap().boot, 2);
    assert_eq!(tape.view.node("node1").unwrap().process, Process::Up);
    // What the old boot still had to say comes too late to matter.
    assert_eq!(tape.say("node1", role(Role::Leader, 1, "node1", Some("node1"))), Effect::Known);
}

#[test]
fn a_process_is_down_since_it_went_and_not_since_somebody_looks() {
    let mut view = View::default();
    let mut snapshot = snapshot_of(&view, SUPERVISOR, 9, 60_000_000);
    snapshot.processes = vec![ProcessState {
        node: "node1".into(),
        address: "127.0.0.1:1".into(),
        status: ProcessStatus::Down,
        pid: None,
        since_us: 20_000_000,
    }];
    view.install(&snapshot);
    let node = view.node("node1").unwrap();
    assert_eq!((node.process, node.process_since_us), (Process::Down, 20_000_000));
}

/// A lock's life, with a wait, a hand-over and a deadlock.
fn lock_facts() -> Vec<Fact> {
    let edge = |waiter: &str, blocker: &str, resource: &str| WaitEdge {
        waiter: holder(waiter),
        blocker: holder(blocker),
        resource: resource.into(),
    };
    vec![
        service(5, 0, granted("printer", "Ayu", 1, None)),
        service(6, 0, queued("printer", "Budi", 6, 1)),
        service(7, 0, queued("printer", "Citra", 7, 2)),
        service(9, 0, released("printer", "Ayu", 1)),
        service(9, 1, granted("printer", "Budi", 2, Some(6))),
        service(11, 0, granted("report", "Citra", 3, None)),
        service(12, 0, queued("report", "Budi", 12, 1)),
        service(
            12,
            1,
            ServiceFact::Lock(LockFact::Deadlock {
                cycle: vec![edge("Budi", "Citra", "report"), edge("Citra", "Budi", "printer")],
                victim: holder("Budi"),
                wait: WaitId(12),
            }),
        ),
        service(14, 0, released("report", "Citra", 3)),
    ]
}

#[test]
fn service_facts_become_the_lock_table() {
    let mut tape = Tape::new();
    let facts = lock_facts();
    for fact in &facts[..3] {
        tape.say("node1", fact.clone());
    }
    let table = tape.view.lock_table();
    assert_eq!(table.resources.len(), 1);
    let waiting: Vec<_> = table.resources[0].waiters.iter().map(|w| w.holder.client.as_str()).collect();
    assert_eq!(waiting, ["Budi", "Citra"]);
    for fact in &facts[3..] {
        tape.say("node1", fact.clone());
    }
    let table = tape.view.lock_table();
    assert_eq!(table.resources.len(), 1, "a free resource is not listed: {table:?}");
    assert_eq!(table.resources[0].holders[0].holder.client, "Budi");
    assert_eq!(table.resources[0].waiters[0].holder.client, "Citra");
    assert_eq!(tape.view.deadlock.as_ref().unwrap().victim.client, "Budi");
    assert_eq!(table.clock_ms, 140);
    assert_eq!(tape.view.locks.clock_ms(tape.us + 50_000), 190);
}

#[test]
fn a_new_leader_sends_its_state_first_and_then_what_is_news() {
    let mut whole = Tape::new();
    for fact in lock_facts() {
        whole.say("node1", fact);
    }
    let mut tape = Tape::new();
    for fact in &lock_facts()[..2] {
        tape.say("node1", fact.clone());
    }
    // node1 died after applying everything and sending two facts of it.
    let locks = Box::new(whole.view.lock_table().clone());
    tape.say("node2", Fact::ServiceResumed { group: CONTROL, index: 15, locks });
    let effects: Vec<_> = lock_facts().into_iter().map(|fact| tape.say("node2", fact)).collect();
    assert_eq!(effects.iter().filter(|effect| **effect == Effect::New).count(), 7);
    assert_eq!(tape.view.lock_table().resources, whole.view.lock_table().resources);
    assert_eq!(tape.view.deadlock.as_ref().unwrap().cycle, whole.view.deadlock.as_ref().unwrap().cycle);
}

fn membership(index: LogIndex, voters: &[&str]) -> Fact {
    let voters = voters.iter().map(|name| NodeName::from(*name)).collect();
    Fact::MembershipChanged { group: CONTROL, index: Some(index), voters, learners: vec![] }
}

fn drawn(view: &View) -> Vec<&str> {
    view.order.iter().map(NodeName::as_str).collect()
}

#[test]
fn a_membership_that_a_node_reads_when_it_starts_brings_nobody_back() {
    let four = ["node1", "node2", "node3", "node4"];
    let mut view = View::default();
    let addresses = |names: &[&str]| -> Vec<MemberAddress> {
        names
            .iter()
            .map(|name| MemberAddress { node: (*name).into(), address: "127.0.0.1:1".into() })
            .collect()
    };
    // The page is loaded after node4 came and went: the supervisor knows three, and each node says of which index.
    view.members(&SUPERVISOR.into(), &addresses(&four[..3]), "realistic");
    let part = GroupSnapshot {
        voters: four[..3].iter().map(|name| (*name).into()).collect(),
        membership: Some(45),
        ..GroupSnapshot::default()
    };
    let snapshot = NodeSnapshot { groups: vec![part], ..snapshot_of(&View::default(), "node1", 9, 1_000) };
    view.install(&NodeSnapshot { processes: vec![], ..snapshot });
    // node2 starts anew and tells what it finds in its log.
    let mut tape = Tape::new();
    for (index, voters) in [(1, &four[..3]), (40, &four[..]), (45, &four[..3])] {
        let event = tape.event("node2", membership(index, voters));
        assert_eq!(narrate(&view, &"node2".into(), &event), None, "that is history");
        view.apply(&"node2".into(), 2, &event);
        assert_eq!((drawn(&view), view.membership.index), (four[..3].to_vec(), Some(45)));
    }
    let news = tape.event("node1", membership(50, &four[..2]));
    assert!(narrate(&view, &"node1".into(), &news).is_some());
}

#[test]
fn who_leaves_is_gone_and_what_it_says_afterwards_brings_it_not_back() {
    for supervised in [false, true] {
        let mut tape = Tape::new();
        let members = |tape: &mut Tape, names: &[&str]| {
            let list: Vec<MemberAddress> = names
                .iter()
                .map(|name| MemberAddress { node: (*name).into(), address: "127.0.0.1:1".into() })
                .collect();
            let source = if supervised { SUPERVISOR } else { "node1" };
            tape.view.members(&source.into(), &list, "realistic");
        };
        members(&mut tape, &["node1", "node2", "node3"]);
        tape.say("node1", membership(3, &["node1", "node2", "node3"]));
        tape.say("node3", role(Role::Follower, 2, "node1", Some("node1")));
        tape.say("node1", membership(9, &["node1", "node2"]));
        if supervised {
            assert_eq!(drawn(&tape.view).len(), 3, "its process is still there");
            members(&mut tape, &["node1", "node2"]);
        }
        assert_eq!(drawn(&tape.view), ["node1", "node2"]);
        tape.say("node3", role(Role::Follower, 3, "node1", None));
        tape.say("node1", Fact::LinkDown { peer: "node3".into() });
        tape.view.stream(&"node3".into(), StreamState::Silent, 1);
        tape.view.clock(&"node3".into(), 1);
        assert_eq!(drawn(&tape.view), ["node1", "node2"]);
        assert!(tape.view.has_left("node3") && tape.view.node("node3").is_none());
        assert_eq!(tape.view.links.len(), 0);
        // Somebody of that name is asked in again.
        tape.say("node1", membership(20, &["node1", "node2", "node3"]));
        tape.say("node3", role(Role::Follower, 4, "node1", None));
        assert_eq!(drawn(&tape.view), ["node1", "node2", "node3"]);
        assert_eq!(tape.view.control("node3").map(|part| part.term), Some(4));
    }
}

#[test]
fn a_view_that_differs_from_what_a_node_has_is_noticed_and_one_that_is_ahead_is_not_compared() {
    use orrery_event::sums::{Sums, of_locks};
    let mut tape = Tape::new();
    tape.say("node1", service(3, 0, granted("printer", "Ayu", 3, None)));
    let true_sums = Sums {
        locks: of_locks(&LocksShown { table: tape.view.lock_table().clone(), beyond: None }),
        ..Sums::default()
    };
    let compare = |tape: &mut Tape, node: &str, index, sums| {
        tape.say(node, Fact::Comparing { group: CONTROL, index });
        let answer = Fact::Compared { group: CONTROL, index, sums };
        let event = tape.event(node, answer);
        let said = narrate(&tape.view, &node.into(), &event);
        tape.view.apply(&node.into(), 1, &event);
        assert_eq!(said.is_some(), tape.view.comparisons.last.as_ref().is_some_and(|d| d.at_us == tape.us));
        (tape.view.comparisons.differences, said.is_some())
    };
    assert_eq!(compare(&mut tape, "node1", 3, true_sums), (0, false));
    assert_eq!(compare(&mut tape, "node1", 5, true_sums), (0, false), "the entries between said nothing");
    // A fact that never came.
    let other = Sums { locks: true_sums.locks.map(|sum| sum ^ 1), ..Sums::default() };
    assert_eq!(compare(&mut tape, "node1", 6, other), (1, true));
    // A deposed leader compares what it had; the view is further.
    tape.say("node2", service(9, 0, granted("plotter", "Budi", 9, None)));
    assert_eq!(compare(&mut tape, "node1", 7, other), (1, false));
    // What is not comparable is not compared.
    assert_eq!(compare(&mut tape, "node2", 9, Sums::default()), (1, false));
}

fn snapshot_of(view: &View, node: &str, seq: u64, us: u64) -> NodeSnapshot {
    let groups =
        view.node(node).into_iter().flat_map(|node| node.groups.values()).map(|part| GroupSnapshot {
            group: part.group,
            role: part.role,
            term: part.term,
            voted_for: part.voted_for.clone(),
            leader: part.leader.clone(),
            voters: part.voters.clone(),
            learners: part.learners.clone(),
            last_log: part.last_log,
            synced: part.synced,
            commit: part.commit,
            applied: part.applied,
            purged: part.purged,
            tail: part.tail.iter().cloned().collect(),
            membership: None,
        });
    NodeSnapshot {
        node: node.into(),
        boot: 1,
        seq,
        hlc: Hlc::new(us, 0),
        wall_us: us,
        groups: groups.collect(),
        locks: view.lock_table().clone(),
        processes: vec![ProcessState {
            node: node.into(),
            address: "127.0.0.1:1".into(),
            status: ProcessStatus::Running,
            pid: Some(1),
            since_us: us,
        }],
        cut_links: vec![],
        shards: ShardTable::default(),
        queues: vec![],
        ..NodeSnapshot::default()
    }
}

fn any_fact(next: LogIndex) -> impl Strategy<Value = Fact> {
    prop_oneof![
        Just(entries(next, next, 1)),
        Just(Fact::Committed { group: CONTROL, index: next }),
        Just(Fact::Synced { group: CONTROL, last: next, took_us: 1 }),
        Just(Fact::Applied { group: CONTROL, index: next }),
        Just(Fact::Truncated { group: CONTROL, after: next.checked_sub(2) }),
        Just(role(Role::Candidate, next, "node1", None)),
        Just(role(Role::Leader, next, "node1", Some("node1"))),
        Just(role(Role::Follower, next, "node2", Some("node2"))),
        Just(service(next, 0, granted("printer", "Ayu", next, None))),
        Just(service(next, 0, queued("printer", "Budi", next, 1))),
        Just(service(next, 0, released("printer", "Ayu", next))),
        Just(Fact::TimerStarted { group: CONTROL, due_us: 1_000 }),
    ]
}

fn facts() -> impl Strategy<Value = Vec<Fact>> {
    (1usize..60).prop_flat_map(|count| (1..=count as u64).map(any_fact).collect::<Vec<_>>())
}

fn events(facts: Vec<Fact>) -> Vec<Event> {
    let mut tape = Tape::new();
    facts.into_iter().map(|fact| tape.event("node1", fact)).collect()
}

fn fold(events: &[Event]) -> View {
    let mut view = View::default();
    for event in events {
        view.apply(&"node1".into(), 1, event);
    }
    view
}

proptest! {
    #[test]
    fn a_snapshot_and_the_rest_equal_everything_from_the_start(facts in facts(), cut in 0usize..60) {
        let events = events(facts);
        let cut = cut.min(events.len());
        let whole = fold(&events);
        let before = fold(&events[..cut]);
        let mut resumed = View::default();
        resumed.install(&snapshot_of(&before, "node1", cut as u64, 1_000_000 + cut as u64 * 100));
        for event in &events[cut..] {
            resumed.apply(&"node1".into(), 1, event);
        }
        let status = |view: &View| view.status("node1").unwrap_or(FoldedStatus {
            role: Role::Follower, term: 0, voted_for: None, leader: None, commit: None, applied: None,
            last_log: None, purged: None,
        });
        prop_assert_eq!(status(&resumed), status(&whole));
        prop_assert_eq!(resumed.lock_table(), whole.lock_table());
        let tail = |view: &View| view.control("node1").map(|part| part.tail.clone()).unwrap_or_default();
        prop_assert_eq!(tail(&resumed), tail(&whole));
    }

    #[test]
    fn what_comes_twice_changes_nothing(facts in facts(), again in prop::collection::vec(0usize..60, 0..30)) {
        let events = events(facts);
        let once = fold(&events);
        let mut twice = once.clone();
        for at in again {
            if let Some(event) = events.get(at) {
                prop_assert_eq!(twice.apply(&"node1".into(), 1, event), Effect::Known);
            }
        }
        prop_assert_eq!(&twice, &once);
    }

    #[test]
    fn service_facts_count_once_whoever_sends_them(facts in facts()) {
        let events = events(facts);
        let once = fold(&events);
        let mut twice = once.clone();
        let boot: BootEpoch = 1;
        for (seq, event) in (1..).zip(events.iter().filter(|e| matches!(e.fact, Fact::Service { .. }))) {
            let resent = Event { seq, hlc: Hlc::new(9_000_000 + seq, 0), ..event.clone() };
            prop_assert_eq!(twice.apply(&"node2".into(), boot, &resent), Effect::Known);
        }
        prop_assert_eq!(twice.lock_table(), once.lock_table());
        prop_assert_eq!(twice.locks.recent.len(), once.locks.recent.len());
    }
}
