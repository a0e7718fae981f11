//! Every sentence that carries a number or a list, with 0, 1, 2 and many, and with nodes that are down.
#![allow(clippy::unwrap_used)]

use orrery_base::hlc::Hlc;
use orrery_cache::message::RecallKind;
use orrery_cache::{HomeFact, How, Waited, Wants};
use orrery_event::fact::{EntrySummary, MessageId};
use orrery_lock::{Holder, LockFact, Mode, WaitEdge, WaitId};
use orrery_placement::{PlacedShard, RingNode, ShardTable};
use orrery_queue::fact::DeadCause;
use orrery_queue::{PurgeWhat, QueueFact, StartFrom};

use super::*;

const CONTROL: GroupId = GroupId::CONTROL;
const SHARD: GroupId = GroupId(4);

/// A view that grows fact by fact.
#[derive(Default)]
struct Story {
    view: View,
    seqs: std::collections::BTreeMap<String, u64>,
}

impl Story {
    fn next(&self, node: &str, fact: Fact) -> Event {
        let seq = self.seqs.get(node).copied().unwrap_or_default() + 1;
        let us = 1_000_000 + self.seqs.values().sum::<u64>() * 1_000;
        Event { seq, hlc: Hlc::new(us, 0), wall_us: us, fact }
    }

    /// What is said of a fact, before it is in the view.
    fn told(&self, node: &str, fact: &Fact) -> [String; 2] {
        let line = narrate(&self.view, &node.into(), &self.next(node, fact.clone()));
        line.map_or_else(Default::default, |line| line.words.map(|words| words.to_string()))
    }

    fn add(&mut self, node: &str, fact: Fact) -> [String; 2] {
        let (told, event) = (self.told(node, &fact), self.next(node, fact));
        self.view.apply(&node.into(), 1, &event);
        self.seqs.insert(node.to_owned(), event.seq);
        told
    }

    /// `count` voters, as `node1` and whoever else is named know them.
    fn voters(count: usize, at: &[&str]) -> Story {
        let mut story = Story::default();
        for node in at {
            story.add(node, membership(count));
        }
        story
    }
}

fn names(count: usize) -> Vec<NodeName> {
    (1..=count).map(|number| format!("node{number}").into()).collect()
}

fn membership(count: usize) -> Fact {
    Fact::MembershipChanged {
        group: CONTROL,
        index: Some(count as u64),
        voters: names(count),
        learners: vec![],
    }
}

fn role(role: Role, term: u64, leader: Option<&str>) -> Fact {
    let leader = leader.map(NodeName::from);
    Fact::RoleChanged { group: CONTROL, role, term, voted_for: None, leader, silent_us: None }
}

fn reply(from: &str, pre: bool, granted: bool) -> Fact {
    let message = MessageId { from: from.into(), boot: 1, number: 1 };
    Fact::Received { message, group: CONTROL, body: Message::VoteReply { pre, term: 5, granted } }
}

fn asks(term: u64) -> Fact {
    let message = MessageId { from: "node1".into(), boot: 1, number: 1 };
    let body = Message::Vote { pre: true, term, last: None };
    Fact::Sent { message, group: CONTROL, to: "node2".into(), body }
}

fn appended(index: u64) -> Fact {
    let entry = EntrySummary { index, term: 4, what: "acquire printer Ayu".into() };
    Fact::Appended { group: CONTROL, entries: vec![entry], first: index, last: index }
}

fn exited(node: &str, cause: &str) -> Fact {
    Fact::NodeExited { node: node.into(), cause: cause.into() }
}

fn queue(fact: QueueFact) -> Fact {
    Fact::Service { group: SHARD, index: 12, n: 0, clock_ms: 5, fact: ServiceFact::Queue(fact) }
}

fn lock(index: u64, fact: ServiceFact) -> Fact {
    Fact::Service { group: CONTROL, index, n: 0, clock_ms: 5, fact }
}

#[test]
fn voters_are_none_one_or_several() {
    for (count, english, indonesian) in [
        (0, "There is no voter now", "Sekarang tidak ada pemilih"),
        (1, "The only voter is now node1", "Satu-satunya pemilih sekarang node1"),
        (2, "The voters are now node1 and node2", "Pemilihnya sekarang node1 dan node2"),
        (3, "The voters are now node1, node2 and node3", "Pemilihnya sekarang node1, node2 dan node3"),
    ] {
        let mut story = Story::default();
        story.add("node1", membership(7));
        let Fact::MembershipChanged { voters, .. } = membership(count) else { unreachable!() };
        let fact = Fact::MembershipChanged { group: CONTROL, index: Some(9), voters, learners: vec![] };
        assert_eq!(story.told("node1", &fact), [english, indonesian]);
    }
}

#[test]
fn a_commit_is_on_as_many_disks_as_are_a_majority() {
    for (voters, english, indonesian) in [
        (0, "the disks of a majority", "disk mayoritas"),
        (1, "the disk of the only node", "disk satu-satunya node"),
        (2, "the disks of 2 nodes, a majority", "disk 2 node, mayoritas"),
        (3, "the disks of 2 nodes, a majority", "disk 2 node, mayoritas"),
        (5, "the disks of 3 nodes, a majority", "disk 3 node, mayoritas"),
    ] {
        let mut story = if voters == 0 { Story::default() } else { Story::voters(voters, &["node1"]) };
        story.add("node1", role(Role::Leader, 4, Some("node1")));
        story.add("node1", appended(7));
        // That some are down changes nothing of what a majority is.
        for node in names(voters).iter().skip(1).take(voters.saturating_sub(1) / 2) {
            story.add("supervisor", exited(node, "killed"));
        }
        let told = story.told("node1", &Fact::Committed { group: CONTROL, index: 7 });
        assert_eq!(told[0], format!("Entry 7 (acquire printer Ayu) is on {english}: committed"));
        assert_eq!(told[1], format!("Entri 7 (acquire printer Ayu) ada di {indonesian}: ter-commit"));
    }
}

/// What is said when `node1` stands among `voters`, gets the votes of `granting` one after the other, and leads.
fn election(voters: usize, granting: &[&str]) -> (Vec<String>, [String; 2]) {
    let mut story = if voters == 0 { Story::default() } else { Story::voters(voters, &["node1"]) };
    story.add("node1", role(Role::Candidate, 5, None));
    let votes = granting.iter().map(|from| story.add("node1", reply(from, false, true))[0].clone()).collect();
    (votes, story.told("node1", &role(Role::Leader, 5, Some("node1"))))
}

#[test]
fn votes_are_counted_as_they_come_and_never_more_of_fewer() {
    type Row = (usize, &'static [&'static str], &'static [&'static str], &'static str, &'static str);
    let table: [Row; 7] = [
        (
            1,
            &[],
            &[],
            "node1 is the only voter: it votes for itself and leads term 5",
            "node1 satu-satunya pemilih: ia memilih dirinya sendiri dan memimpin term 5",
        ),
        (
            2,
            &["node2"],
            &["node2 votes for node1 in term 5: 2 of 2 needed"],
            "node1 won the vote of node2, 2 of 2 with its own, and leads term 5",
            "node1 memenangi suara node2, 2 dari 2 dengan suaranya, dan memimpin term 5",
        ),
        (
            3,
            &["node3"],
            &["node3 votes for node1 in term 5: 2 of 2 needed"],
            "node1 won the vote of node3, 2 of 3 with its own, and leads term 5",
            "node1 memenangi suara node3, 2 dari 3 dengan suaranya, dan memimpin term 5",
        ),
        (
            5,
            &["node2", "node3", "node4", "node5"],
            &[
                "node2 votes for node1 in term 5: 2 of 3 needed",
                "node3 votes for node1 in term 5: 3 of 3 needed",
                "node4 votes for node1 in term 5, too: 4 votes, 3 were needed",
                "node5 votes for node1 in term 5, too: 5 votes, 3 were needed",
            ],
            "node1 won the vote of node2, node3, node4 and node5, 5 of 5 with its own, and leads term 5",
            "node1 memenangi suara node2, node3, node4 dan node5, 5 dari 5 dengan suaranya, dan memimpin term 5",
        ),
        // Nobody said how many may vote: no number is made up.
        (
            0,
            &["node2", "node3"],
            &["node2 votes for node1 in term 5", "node3 votes for node1 in term 5"],
            "node1 won the vote of node2 and node3 and leads term 5",
            "node1 memenangi suara node2 dan node3 dan memimpin term 5",
        ),
        // Its votes were not seen: one of five is no majority.
        (5, &[], &[], "node1 won a majority and leads term 5", "node1 meraih mayoritas dan memimpin term 5"),
        // A refusal is no vote.
        (
            3,
            &["node2"],
            &["node2 votes for node1 in term 5: 2 of 2 needed"],
            "node1 won the vote of node2, 2 of 3 with its own, and leads term 5",
            "node1 memenangi suara node2, 2 dari 3 dengan suaranya, dan memimpin term 5",
        ),
    ];
    for (voters, granting, votes, english, indonesian) in table {
        let (told, crowned) = election(voters, granting);
        assert_eq!(told, votes, "{voters} voters");
        assert_eq!(crowned, [english, indonesian], "{voters} voters");
    }
}

#[test]
fn a_dead_leader_is_not_heard_any_more_and_a_short_log_is_called_one() {
    let refusals = |dead: Option<&str>, longer: bool| {
        let mut story = Story::voters(5, &["node1"]);
        for node in ["node1", "node2", "node3", "node4"] {
            story.add(node, role(Role::Follower, 4, Some("node5")));
            story.add(node, appended(if longer && node != "node1" { 9 } else { 7 }));
        }
        if let Some(cause) = dead {
            story.add("supervisor", exited("node5", cause));
        }
        story.add("node1", asks(5));
        ["node2", "node3", "node4"].map(|from| story.add("node1", reply(from, true, false)))
    };
    let [one, two, many] = refusals(None, false);
    assert_eq!(one[0], "node2 would not vote for node1: it hears its leader");
    assert_eq!(two[0], "node2 and node3 would not vote for node1: they hear their leader");
    assert_eq!(
        many[1],
        "node2, node3 dan node4 tidak akan memilih node1: mereka masih mendengar pemimpinnya"
    );
    let [one, two, many] = refusals(Some("killed"), false);
    assert_eq!(one[0], "node2 would not vote for node1: it heard its leader a moment ago");
    assert_eq!(one[1], "node2 tidak akan memilih node1: ia baru saja mendengar pemimpinnya");
    assert_eq!(two[0], "node2 and node3 would not vote for node1: they heard their leader a moment ago");
    assert_eq!(
        many[1],
        "node2, node3 dan node4 tidak akan memilih node1: mereka baru saja mendengar pemimpinnya"
    );
    let [one, two, _] = refusals(Some("killed"), true);
    assert_eq!(one[0], "node2 would not vote for node1: its log lacks entries");
    assert_eq!(two[1], "node2 dan node3 tidak akan memilih node1: log-nya kurang lengkap");
}

#[test]
fn who_ends_is_called_the_leader_only_while_it_is_the_leader() {
    let ends = |newer: bool, cause: &str| {
        let mut story = Story::voters(3, &["node1", "node2"]);
        story.add("node1", role(Role::Leader, 4, Some("node1")));
        if newer {
            story.add("node2", role(Role::Leader, 5, Some("node2")));
        }
        story.told("supervisor", &exited("node1", cause))
    };
    assert_eq!(ends(false, "killed")[0], "node1, the leader, was killed: no farewell, nothing flushed");
    assert_eq!(ends(true, "killed")[0], "node1 was killed: no farewell, nothing flushed");
    assert_eq!(ends(false, "exited with code 1")[1], "node1, sang pemimpin, berhenti: keluar dengan kode 1");
    assert_eq!(ends(true, "exited with code 1")[1], "node1 berhenti: keluar dengan kode 1");
}

#[test]
fn who_waits_is_told_who_has_it() {
    let shared = |client: &str, fencing_token| {
        ServiceFact::Lock(LockFact::Granted {
            resource: "printer".into(),
            holder: Holder { client: client.into(), session: None },
            mode: Mode::Shared,
            fencing_token,
            expires_at_ms: None,
            wait: None,
            reentrant: false,
        })
    };
    let wants = |client: &str, upgrade| {
        let fact = ServiceFact::Lock(LockFact::Queued {
            resource: "printer".into(),
            holder: Holder { client: client.into(), session: None },
            mode: Mode::Exclusive,
            wait: WaitId(8),
            position: 1,
            upgrade,
        });
        lock(99, fact)
    };
    let mut story = Story::default();
    let mut told = Vec::new();
    for (token, next) in (1..).zip(["Ayu", "Budi", "Citra"]) {
        told.push(story.told("node1", &wants("Dewi", false)));
        story.add("node1", lock(token, shared(next, token)));
    }
    told.push(story.told("node1", &wants("Dewi", false)));
    let english: Vec<&str> = told.iter().map(|[english, _]| english.as_str()).collect();
    assert_eq!(
        english,
        [
            "Dewi waits for printer, place 1",
            "Dewi waits for printer, place 1: Ayu has it",
            "Dewi waits for printer, place 1: Ayu and Budi have it",
            "Dewi waits for printer, place 1: Ayu, Budi and Citra have it",
        ]
    );
    assert_eq!(told[3][1], "Dewi menunggu printer, urutan 1: dipegang Ayu, Budi dan Citra");
    // Who has it shared and wants it alone waits for the others, not for itself.
    let told = story.told("node1", &wants("Ayu", true));
    assert_eq!(told[0], "Ayu waits for printer, place 1: Budi and Citra have it");
}

#[test]
fn a_circle_of_two_and_of_many_names_everybody_once() {
    let holder = |client: &str| Holder { client: client.into(), session: None };
    let circle = |people: &[&str]| {
        let edge = |place: usize| WaitEdge {
            waiter: holder(people[place]),
            blocker: holder(people[(place + 1) % people.len()]),
            resource: format!("fork-{}", place + 1).as_str().into(),
        };
        let cycle = (0..people.len()).map(edge).collect();
        let fact =
            ServiceFact::Lock(LockFact::Deadlock { cycle, victim: holder(people[0]), wait: WaitId(9) });
        Story::default().told("node1", &lock(12, fact))
    };
    assert_eq!(
        circle(&["Ayu", "Budi"])[0],
        "Deadlock: Ayu waits for Budi (fork-1) and Budi waits for Ayu (fork-2). The youngest wait goes: Ayu is refused"
    );
    assert_eq!(
        circle(&["Ayu", "Budi", "Citra"])[1],
        "Deadlock: Ayu menunggu Budi (fork-1), Budi menunggu Citra (fork-2) dan Citra menunggu Ayu (fork-3). \
         Penunggu termuda mengalah: Ayu ditolak"
    );
}

#[test]
fn messages_are_counted() {
    let dead = |attempts, cause| QueueFact::DeadLettered {
        topic: "orders".into(),
        number: 12,
        key: None,
        group: "billing".into(),
        attempts,
        cause,
    };
    let purged = |what, group: Option<&str>, waiting, dead| QueueFact::Purged {
        topic: "orders".into(),
        what,
        group: group.map(Into::into),
        waiting,
        in_flight: 0,
        dead,
        delayed: 0,
        freed: 0,
        freed_bytes: 0,
    };
    let freed = |freed| QueueFact::Freed { topic: "orders".into(), freed, freed_bytes: 9 };
    let created = |waiting| QueueFact::GroupCreated {
        topic: "orders".into(),
        group: "billing".into(),
        from: StartFrom::Earliest,
        waiting,
    };
    let all = PurgeWhat::All;
    for (fact, english, indonesian) in [
        (
            dead(0, DeadCause::HungUp),
            "0 deliveries of s4-12 to billing failed, and the next consumer hung up: it is in orders.dead now",
            "0 pengiriman s4-12 ke billing gagal, dan konsumen berikutnya memutus koneksi: kini ia ada di orders.dead",
        ),
        (
            dead(1, DeadCause::HungUp),
            "1 delivery of s4-12 to billing failed, and the next consumer hung up: it is in orders.dead now",
            "1 pengiriman s4-12 ke billing gagal, dan konsumen berikutnya memutus koneksi: kini ia ada di orders.dead",
        ),
        (
            dead(2, DeadCause::HungUp),
            "2 deliveries of s4-12 to billing failed, and the next consumer hung up: it is in orders.dead now",
            "2 pengiriman s4-12 ke billing gagal, dan konsumen berikutnya memutus koneksi: kini ia ada di orders.dead",
        ),
        (
            dead(1, DeadCause::TimedOut),
            "1 delivery of s4-12 to billing failed, the last one was not acknowledged in time: it is in orders.dead now",
            "1 pengiriman s4-12 ke billing gagal, yang terakhir tidak diakui tepat waktu: kini ia ada di orders.dead",
        ),
        (
            dead(9, DeadCause::Nacked),
            "9 deliveries of s4-12 to billing failed, the last one was given back: it is in orders.dead now",
            "9 pengiriman s4-12 ke billing gagal, yang terakhir dikembalikan: kini ia ada di orders.dead",
        ),
        (
            purged(all, None, 1, 0),
            "1 message of orders in s4 is purged, unread",
            "1 pesan orders di s4 dibuang tanpa dibaca",
        ),
        (
            purged(all, Some("billing"), 1, 0),
            "1 message of orders in s4 is purged for billing",
            "1 pesan orders di s4 dibuang untuk billing",
        ),
        (
            purged(PurgeWhat::Ready, Some("billing"), 0, 0),
            "0 messages of orders in s4 are purged for billing",
            "0 pesan orders di s4 dibuang untuk billing",
        ),
        (
            purged(PurgeWhat::Dead, Some("billing"), 0, 1),
            "1 dead letter of orders in s4 is purged for billing",
            "1 dead letter orders di s4 dibuang untuk billing",
        ),
        (
            purged(PurgeWhat::Dead, Some("billing"), 0, 2),
            "2 dead letters of orders in s4 are purged for billing",
            "2 dead letter orders di s4 dibuang untuk billing",
        ),
        (
            freed(0),
            "0 messages of orders in s4 go: only the deleted group had not acknowledged them",
            "0 pesan orders di s4 dihapus: hanya grup yang dihapus yang belum mengakuinya",
        ),
        (
            freed(1),
            "1 message of orders in s4 goes: only the deleted group had not acknowledged it",
            "1 pesan orders di s4 dihapus: hanya grup yang dihapus yang belum mengakuinya",
        ),
        (
            created(0),
            "billing begins to read orders in s4 from its first message: none waits",
            "billing mulai membaca orders di s4 dari pesan pertama: 0 menunggu",
        ),
        (
            created(1),
            "billing begins to read orders in s4 from its first message: 1 waits",
            "billing mulai membaca orders di s4 dari pesan pertama: 1 menunggu",
        ),
        (
            created(2),
            "billing begins to read orders in s4 from its first message: 2 wait",
            "billing mulai membaca orders di s4 dari pesan pertama: 2 menunggu",
        ),
    ] {
        assert_eq!(Story::default().told("node3", &queue(fact)), [english, indonesian]);
    }
}

#[test]
fn copies_that_a_write_waits_for_are_counted() {
    let recalling = |wants, count: usize| {
        let waited = |node| Waited { node, recall: RecallKind::Invalidate, gone_in_us: 9 };
        let of = names(count).into_iter().map(waited).collect();
        let fact =
            HomeFact::Recalling { question: 8, address: "price".into(), asker: "node5".into(), wants, of };
        Fact::CacheHome { group: SHARD, fact }
    };
    for (wants, count, english, indonesian) in [
        (
            Wants::Write,
            0,
            "node5 asks node3, the home of price: nobody has a copy to be taken away",
            "node5 bertanya kepada node3, home price: tak ada salinan yang perlu ditarik",
        ),
        (
            Wants::Own,
            1,
            "node5 wants to write price: node3, its home, first takes the copy of node1 away",
            "node5 ingin menulis price: node3, home-nya, lebih dulu menarik salinan node1",
        ),
        (
            Wants::Write,
            2,
            "node5 wants to write price: node3, its home, first takes the copies of node1 and node2 away",
            "node5 ingin menulis price: node3, home-nya, lebih dulu menarik salinan node1 dan node2",
        ),
        (
            Wants::Write,
            4,
            "node5 wants to write price: node3, its home, first takes the copies of node1, node2, node3 and node4 away",
            "node5 ingin menulis price: node3, home-nya, lebih dulu menarik salinan node1, node2, node3 dan node4",
        ),
        (
            Wants::Read,
            1,
            "node5 wants to read price: node3, its home, fetches it from node1",
            "node5 ingin membaca price: node3, home-nya, mengambilnya dari node1",
        ),
    ] {
        assert_eq!(Story::default().told("node3", &recalling(wants, count)), [english, indonesian]);
    }
    // An answer that comes twice is not a third of two.
    let mut story = Story::default();
    story.add("node3", Fact::CacheHome { group: SHARD, fact: HomeFact::Open { term: 1 } });
    story.add("node3", recalling(Wants::Write, 2));
    let gone = |node: &str| {
        let (address, how) = ("price".into(), How::Acknowledged);
        let fact = HomeFact::Recalled { question: 8, address, node: node.into(), how };
        Fact::CacheHome { group: SHARD, fact }
    };
    let counts = ["node1", "node1", "node2"].map(|node| story.add("node3", gone(node))[0].clone());
    let counts = counts.each_ref().map(|words| words.rsplit_once(": ").unwrap().1);
    assert_eq!(counts, ["1/2", "1/2", "2/2"]);
}

#[test]
fn shards_nodes_and_replicas_are_counted() {
    let table = |version: u64, nodes: usize, replicas: &[&[&str]]| ShardTable {
        version,
        nodes: names(nodes).iter().map(|name| RingNode::new(name.clone())).collect(),
        shards: (1..)
            .zip(replicas)
            .map(|(shard, replicas)| PlacedShard {
                shard: GroupId(shard),
                version,
                replicas: replicas.iter().map(|name| NodeName::from(*name)).collect(),
            })
            .collect(),
    };
    let placed = |shards| Fact::ShardsPlaced { group: CONTROL, index: 7, shards: Box::new(shards) };
    let one: &[&str] = &["node1"];
    for (shards, nodes, english, indonesian) in [
        (0, 1, "0 shards on 1 node", "0 shard pada 1 node"),
        (1, 1, "1 shard on 1 node", "1 shard pada 1 node"),
        (2, 2, "2 shards on 2 nodes", "2 shard pada 2 node"),
        (8, 5, "8 shards on 5 nodes", "8 shard pada 5 node"),
    ] {
        let told = Story::default().told("node1", &placed(table(1, nodes, &vec![one; shards])));
        assert_eq!(told[0], format!("The ring is laid out: {english}"));
        assert_eq!(told[1], format!("Cincin telah ditata: {indonesian}"));
    }
    let mut story = Story::default();
    story.add("node1", placed(table(1, 1, &[one])));
    let other: &[&str] = &["node2"];
    let told = story.add("node1", placed(table(2, 2, &[other])));
    assert!(told[0].starts_with("s1 moves from node1 to node2; so far 1 of 1 replica moved ("), "{told:?}");
    assert!(told[1].contains("sejauh ini 1 dari 1 replika berpindah"), "{told:?}");
    let mut story = Story::default();
    story.add("node1", placed(table(1, 1, &[one, one])));
    let told = story.told("node1", &placed(table(2, 2, &[one, one])));
    assert!(told[0].contains("so far 0 of 2 replicas moved"), "{told:?}");
}

#[test]
fn events_are_counted() {
    for (last, english, indonesian) in [
        (4, "node3 is busy: 1 event is shown as one burst", "1 peristiwa ditampilkan sebagai satu rombongan"),
        (
            5,
            "node3 is busy: 2 events are shown as one burst",
            "2 peristiwa ditampilkan sebagai satu rombongan",
        ),
        (
            5_003,
            "node3 is busy: 5000 events are shown as one burst",
            "5000 peristiwa ditampilkan sebagai satu rombongan",
        ),
    ] {
        let burst = Fact::Burst { group: CONTROL, first: 4, last, counts: Vec::new() };
        let told = Story::default().told("node3", &burst);
        assert_eq!(told[0], english);
        assert!(told[1].ends_with(indonesian), "{told:?}");
        let gap = GapView { node: "node3".into(), boot: 1, first: 4, last, from_us: 0, to_us: 0 };
        let count = last - 3;
        let events = if count == 1 { "event" } else { "events" };
        let words = narrate_gap(&gap).words;
        assert_eq!(words[0], format!("{count} {events} of node3 will never come; its newest state follows"));
        assert_eq!(
            words[1],
            format!("{count} peristiwa dari node3 tidak akan datang; keadaan terbarunya menyusul")
        );
    }
}

#[test]
fn what_is_lost_to_a_dead_node_is_no_news_and_to_a_living_one_is() {
    let lost = Fact::Lost {
        message: MessageId { from: "node1".into(), boot: 1, number: 1 },
        group: CONTROL,
        to: "node2".into(),
        why: LostWhy::TimedOut,
    };
    let mut story = Story::voters(3, &["node1"]);
    assert!(story.told("node1", &lost)[0].contains("nobody knows whether it arrived"));
    assert!(!story.told("node1", &Fact::LinkDown { peer: "node2".into() })[0].is_empty());
    story.add("supervisor", exited("node2", "killed"));
    assert_eq!(story.told("node1", &lost), ["", ""]);
    assert_eq!(story.told("node1", &Fact::LinkDown { peer: "node2".into() }), ["", ""]);
}
