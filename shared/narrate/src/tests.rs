#![allow(clippy::unwrap_used)]

use orrery_base::fault::Fault;
use orrery_base::hlc::Hlc;
use orrery_event::fact::{EntrySummary, FaultyLink, LEFT_CLUSTER, MessageId};
use orrery_lock::fact::ReleaseCause;
use orrery_lock::{Holder, LockFact, Mode, WaitEdge, WaitId};
use orrery_machine::ServiceFact;

use super::*;

fn event(seq: u64, fact: Fact) -> Event {
    let us = 1_000_000 + seq * 1_000;
    Event { seq, hlc: Hlc::new(us, 0), wall_us: us, fact }
}

fn role(role: Role, silent_us: Option<u64>, leader: Option<&str>) -> Fact {
    Fact::RoleChanged {
        group: GroupId::CONTROL,
        role,
        term: 5,
        voted_for: None,
        leader: leader.map(NodeName::from),
        silent_us,
    }
}

fn reply(from: &str, granted: bool) -> Fact {
    let message = MessageId { from: from.into(), boot: 1, number: 1 };
    let body = Message::VoteReply { pre: false, term: 5, granted };
    Fact::Received { message, group: GroupId::CONTROL, body }
}

fn voters() -> Fact {
    let voters = ["node1", "node2", "node3", "node4", "node5"].map(NodeName::from).to_vec();
    Fact::MembershipChanged { group: GroupId::CONTROL, index: Some(0), voters, learners: vec![] }
}

fn holder(client: &str) -> Holder {
    Holder { client: client.into(), session: None }
}

fn service(index: u64, fact: ServiceFact) -> Fact {
    Fact::Service { group: GroupId::CONTROL, index, n: 0, clock_ms: 0, fact }
}

fn granted(client: &str, mode: Mode, wait: Option<u64>) -> ServiceFact {
    ServiceFact::Lock(LockFact::Granted {
        resource: "printer".into(),
        holder: holder(client),
        mode,
        fencing_token: 41,
        expires_at_ms: None,
        wait: wait.map(WaitId),
        reentrant: false,
    })
}

fn queued(client: &str) -> ServiceFact {
    ServiceFact::Lock(LockFact::Queued {
        resource: "printer".into(),
        holder: holder(client),
        mode: Mode::Exclusive,
        wait: WaitId(8),
        position: 1,
        upgrade: false,
    })
}

fn impaired(delay_ms: u32, loss_percent: u8) -> Fact {
    let fault = Fault { delay_ms, loss_percent, ..Fault::NONE };
    Fact::LinkFaultSet { link: FaultyLink { peer: "node4".into(), fault } }
}

fn deadlock() -> ServiceFact {
    let edge = |waiter: &str, blocker: &str, resource: &str| WaitEdge {
        waiter: holder(waiter),
        blocker: holder(blocker),
        resource: resource.into(),
    };
    ServiceFact::Lock(LockFact::Deadlock {
        cycle: vec![edge("Budi", "Citra", "report"), edge("Citra", "Budi", "printer")],
        victim: holder("Citra"),
        wait: WaitId(9),
    })
}

/// Who says what, and what is written then; the empty sentence stands for none.
fn story() -> Vec<(&'static str, Fact, &'static str, &'static str)> {
    let append = |index| Fact::Appended {
        group: GroupId::CONTROL,
        entries: vec![EntrySummary { index, term: 5, what: "acquire printer Ayu".into() }],
        first: index,
        last: index,
    };
    let committed = |index| Fact::Committed { group: GroupId::CONTROL, index };
    vec![
        (
            "node3",
            voters(),
            "The voters are now node1, node2, node3, node4 and node5",
            "Pemilihnya sekarang node1, node2, node3, node4 dan node5",
        ),
        ("node4", voters(), "", ""),
        (
            "supervisor",
            Fact::NodeExited { node: "node2".into(), cause: "killed".into() },
            "node2 was killed: no farewell, nothing flushed",
            "node2 dimatikan: tanpa pamit, tanpa menyimpan",
        ),
        ("node1", Fact::LinkDown { peer: "node2".into() }, "", ""),
        (
            "supervisor",
            Fact::NodeExited { node: "node5".into(), cause: LEFT_CLUSTER.into() },
            "node5 left the cluster and ended: all that it had is elsewhere",
            "node5 keluar dari klaster dan berhenti: semua miliknya ada di tempat lain",
        ),
        (
            "node3",
            role(Role::Candidate, Some(1_900_000), None),
            "node3 heard nothing from a leader for 1.9 s, so it stands for election in term 5",
            "node3 tidak mendengar pemimpin selama 1,9 d, maka ia mencalonkan diri di term 5",
        ),
        (
            "node3",
            reply("node1", true),
            "node1 votes for node3 in term 5: 2 of 3 needed",
            "node1 memilih node3 di term 5: 2 dari 3 yang dibutuhkan",
        ),
        (
            "node3",
            reply("node5", false),
            "node5 refuses node3 its vote in term 5",
            "node5 menolak memilih node3 di term 5",
        ),
        (
            "node3",
            reply("node4", true),
            "node4 votes for node3 in term 5: 3 of 3 needed",
            "node4 memilih node3 di term 5: 3 dari 3 yang dibutuhkan",
        ),
        (
            "node3",
            role(Role::Leader, None, Some("node3")),
            "node3 won the vote of node1 and node4, 3 of 5 with its own, and leads term 5",
            "node3 memenangi suara node1 dan node4, 3 dari 5 dengan suaranya, dan memimpin term 5",
        ),
        (
            "node1",
            role(Role::Follower, None, Some("node3")),
            "node1 follows node3 in term 5",
            "node1 mengikuti node3 di term 5",
        ),
        ("node3", append(7), "", ""),
        (
            "node3",
            committed(7),
            "Entry 7 (acquire printer Ayu) is on the disks of 3 nodes, a majority: committed",
            "Entri 7 (acquire printer Ayu) ada di disk 3 node, mayoritas: ter-commit",
        ),
        ("node1", committed(7), "", ""),
        (
            "node3",
            service(7, granted("Ayu", Mode::Exclusive, None)),
            "Ayu gets printer exclusively, token 41",
            "Ayu mendapat printer secara eksklusif, token 41",
        ),
        (
            "node3",
            service(8, queued("Budi")),
            "Budi waits for printer, place 1: Ayu has it",
            "Budi menunggu printer, urutan 1: dipegang Ayu",
        ),
        (
            "node3",
            service(9, deadlock()),
            "Deadlock: Budi waits for Citra (report) and Citra waits for Budi (printer). The youngest wait goes: Citra is refused",
            "Deadlock: Budi menunggu Citra (report) dan Citra menunggu Budi (printer). Penunggu termuda mengalah: Citra ditolak",
        ),
        (
            "node3",
            service(
                10,
                ServiceFact::Lock(LockFact::Released {
                    resource: "printer".into(),
                    holder: holder("Ayu"),
                    fencing_token: 41,
                    cause: ReleaseCause::Expired,
                }),
            ),
            "Ayu's lease on printer ran out: the lock is taken back",
            "Masa pinjam Ayu atas printer habis: kuncinya diambil kembali",
        ),
        (
            "node3",
            service(10, granted("Budi", Mode::Shared, Some(8))),
            "Budi's turn: it gets printer shared, token 41",
            "Giliran Budi: ia mendapat printer secara berbagi, token 41",
        ),
        (
            "node1",
            Fact::LinkFault { peer: "node4".into(), cut: true },
            "The link from node1 to node4 was cut",
            "Jalur dari node1 ke node4 diputus",
        ),
        (
            "supervisor",
            Fact::NodeExited { node: "node3".into(), cause: "exited with code 70".into() },
            "node3, the leader, ended: exited with code 70",
            "node3, sang pemimpin, berhenti: keluar dengan kode 70",
        ),
        (
            "node1",
            impaired(40, 0),
            "Messages from node1 to node4 take 40 ms longer",
            "Pesan dari node1 ke node4 lebih lama 40 ms",
        ),
        (
            "node1",
            impaired(0, 1),
            "1 of 100 messages from node1 to node4 get lost",
            "1 dari 100 pesan dari node1 ke node4 hilang",
        ),
        (
            "node1",
            impaired(40, 20),
            "Messages from node1 to node4 take 40 ms longer, and 20 of 100 get lost",
            "Pesan dari node1 ke node4 lebih lama 40 ms, dan 20 dari 100 hilang",
        ),
        (
            "node1",
            impaired(0, 0),
            "Messages from node1 to node4 are no longer slowed or lost on purpose",
            "Pesan dari node1 ke node4 tidak lagi sengaja diperlambat atau dihilangkan",
        ),
    ]
}

#[test]
fn the_story_is_told_in_both_languages() {
    let mut view = View::default();
    let mut seqs = std::collections::BTreeMap::<&str, u64>::new();
    for (node, fact, english, indonesian) in story() {
        let seq = seqs.entry(node).or_default();
        *seq += 1;
        let event = event(*seq, fact);
        let line = narrate(&view, &node.into(), &event);
        let told =
            line.as_ref().map_or(["", ""], |l| [l.text(Language::English), l.text(Language::Indonesian)]);
        assert_eq!(told, [english, indonesian]);
        view.apply(&node.into(), 1, &event);
    }
}

/// The view of one node that leads `voters`, and what it says of an entry that is committed.
fn committed_by(voters: usize) -> [SmolStr; 2] {
    let names: Vec<NodeName> = (1..=voters).map(|at| format!("node{at}").as_str().into()).collect();
    let mut view = View::default();
    let group = GroupId::CONTROL;
    let entry = EntrySummary { index: 7, term: 5, what: "acquire printer Ayu".into() };
    let facts = [
        Fact::MembershipChanged { group, index: Some(0), voters: names, learners: vec![] },
        role(Role::Leader, None, Some("node1")),
        Fact::Appended { group, entries: vec![entry], first: 7, last: 7 },
    ];
    for (seq, fact) in (1..).zip(facts) {
        view.apply(&"node1".into(), 1, &event(seq, fact));
    }
    narrate(&view, &"node1".into(), &event(9, Fact::Committed { group, index: 7 })).unwrap().words
}

#[test]
fn numbers_of_nodes_and_people_are_told_as_what_they_are() {
    assert_eq!(
        committed_by(1).each_ref().map(SmolStr::as_str),
        [
            "Entry 7 (acquire printer Ayu) is on the disk of the only node: committed",
            "Entri 7 (acquire printer Ayu) ada di disk satu-satunya node: ter-commit"
        ]
    );
    assert!(committed_by(2)[0].contains("the disks of 2 nodes"), "{:?}", committed_by(2));
    let gap = |first, last| {
        let node = "node3".into();
        narrate_gap(&GapView { node, boot: 1, first, last, from_us: 0, to_us: 0 }).words[0].clone()
    };
    assert_eq!(gap(4, 4), "1 event of node3 will never come; its newest state follows");
    assert_eq!(gap(4, 5), "2 events of node3 will never come; its newest state follows");
    // Two hold it shared, one of them under a session, whose number is not a part of its name.
    let mut view = View::default();
    let session = Some(orrery_lock::SessionId(1_234));
    let shared = |client: &str, token, session| {
        ServiceFact::Lock(LockFact::Granted {
            resource: "printer".into(),
            holder: Holder { client: client.into(), session },
            mode: Mode::Shared,
            fencing_token: token,
            expires_at_ms: None,
            wait: None,
            reentrant: false,
        })
    };
    for (seq, fact) in [(1, shared("Ayu", 1, None)), (2, shared("Budi", 2, session))] {
        let line = narrate(&view, &"node1".into(), &event(seq, service(seq, fact.clone()))).unwrap();
        assert!(!line.words[0].contains("1234"), "{line:?}");
        view.apply(&"node1".into(), 1, &event(seq, service(seq, fact)));
    }
    let waits = narrate(&view, &"node1".into(), &event(3, service(3, queued("Citra")))).unwrap();
    assert_eq!(waits.words[0], "Citra waits for printer, place 1: Ayu and Budi have it");
}

#[test]
fn a_vote_beyond_the_majority_is_one_too_many_and_not_four_of_three() {
    let mut view = View::default();
    let facts = [
        voters(),
        role(Role::Candidate, Some(1), None),
        reply("node1", true),
        reply("node2", true),
        reply("node4", true),
    ];
    let mut told = Vec::new();
    for (seq, fact) in (1..).zip(facts) {
        let event = event(seq, fact);
        told.extend(narrate(&view, &"node3".into(), &event));
        view.apply(&"node3".into(), 1, &event);
    }
    let last = told.last().unwrap();
    assert_eq!(last.words[0], "node4 votes for node3 in term 5, too: 4 votes, 3 were needed");
    assert_eq!(last.words[1], "node4 juga memilih node3 di term 5: 4 suara, yang dibutuhkan 3");
}

fn line(at_us: u64, alike: &'static str) -> Line {
    Line {
        at_us,
        node: "node1".into(),
        topic: Topic::Lock,
        bad: false,
        count: 1,
        others: 0,
        late: false,
        alike,
        words: ["x".into(), "y".into()],
    }
}

#[test]
fn what_comes_too_fast_is_drawn_together() {
    let mut feed = Feed::default();
    for at in 0..1_000 {
        feed.push(line(at * 1_000, if at % 2 == 0 { "granted" } else { "released" }));
    }
    feed.push(line(1_000_000, ""));
    let lines = feed.until(2_000_000, 100);
    assert!(lines.len() < 20, "{}", lines.len());
    assert_eq!(lines.iter().map(|line| line.count).sum::<u32>(), 1_001);
    let mut calm = Feed::default();
    for at in 0..100 {
        calm.push(line(at * 1_000_000, "granted"));
    }
    assert_eq!(calm.until(49_500_000, 10).len(), 10);
    assert_eq!(calm.until(49_500_000, 100).len(), 50);
}

#[test]
fn refusals_before_an_election_are_one_sentence() {
    let mut view = View::default();
    let mut feed = Feed::default();
    let ask = Message::Vote { pre: true, term: 6, last: None };
    let id = |from: &str, number| MessageId { from: from.into(), boot: 1, number };
    let (mut seq, mut names) = (0, Vec::new());
    let mut tell = |view: &mut View, feed: &mut Feed, fact: Fact| {
        seq += 1;
        let event = event(seq * 50, fact);
        feed_line(view, feed, &event);
        view.apply(&"node2".into(), 1, &Event { seq, ..event });
    };
    tell(&mut view, &mut feed, voters());
    // the same question is asked again and again
    for round in 0..4 {
        let to = NodeName::from("node1");
        let sent = Fact::Sent { message: id("node2", round), group: GroupId::CONTROL, to, body: ask.clone() };
        tell(&mut view, &mut feed, sent);
        for from in ["node1", "node3"] {
            let body = Message::VoteReply { pre: true, term: 6, granted: false };
            let message = id(from, round);
            tell(&mut view, &mut feed, Fact::Received { message, group: GroupId::CONTROL, body });
        }
    }
    for line in feed.until(u64::MAX, 100) {
        names.push(line.words[0].to_string());
    }
    let refusals: Vec<_> = names.iter().filter(|words| words.contains("would not vote")).collect();
    assert_eq!(refusals, ["node1 and node3 would not vote for node2: they hear their leader"], "{names:?}");
    assert!(names.len() <= 3, "{names:?}");
}

fn feed_line(view: &View, feed: &mut Feed, event: &Event) {
    if let Some(line) = narrate(view, &"node2".into(), event) {
        feed.push(line);
    }
}

#[test]
fn a_late_line_is_put_in_its_place() {
    let mut feed = Feed::default();
    for at_us in [100, 300, 200] {
        feed.push(line(at_us, "granted"));
    }
    let moments: Vec<u64> = feed.until(1_000, 10).iter().map(|line| line.at_us).collect();
    assert_eq!(moments, [100, 200, 300]);
}
