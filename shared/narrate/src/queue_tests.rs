#![allow(clippy::unwrap_used)]

use orrery_base::hlc::Hlc;
use orrery_placement::{PlacedShard, RingNode, ShardTable};
use orrery_queue::fact::{DeadCause, ExpiryCause, Had};
use orrery_queue::{PurgeWhat, QueueFact, Receipt, StartFrom, TopicName};

use super::*;

fn told(view: &View, fact: Fact) -> [String; 2] {
    let event = Event { seq: 1, hlc: Hlc::new(1_000, 0), wall_us: 1_000, fact };
    let line = narrate(view, &"node3".into(), &event);
    line.map_or_else(Default::default, |line| line.words.map(|words| words.to_string()))
}

/// What is written of each fact about message 12 of shard 4; the empty sentence stands for none.
fn facts() -> Vec<(QueueFact, &'static str, &'static str)> {
    let (topic, group) = (TopicName::from("orders"), SmolStr::from("billing"));
    let (t, g, number) = (|| topic.clone(), || group.clone(), 12);
    let published = |key: Option<&str>, delayed_until_ms| QueueFact::Published {
        topic: t(),
        number,
        key: key.map(SmolStr::from),
        bytes: 9,
        delayed_until_ms,
        preview: "{\"n\":1}".into(),
    };
    let delivered = |attempt| QueueFact::Delivered {
        topic: t(),
        number,
        key: None,
        group: g(),
        consumer: "Ayu".into(),
        receipt: Receipt::default(),
        attempt,
        visible_at_ms: 5,
    };
    let acknowledged = |freed_bytes| QueueFact::Acknowledged {
        topic: t(),
        number,
        group: g(),
        had: Had::InFlight,
        freed_bytes,
    };
    let nacked = |delayed_until_ms| QueueFact::Nacked { topic: t(), number, group: g(), delayed_until_ms };
    let dead =
        |cause| QueueFact::DeadLettered { topic: t(), number, key: None, group: g(), attempts: 5, cause };
    let expired = |cause| QueueFact::Expired {
        topic: t(),
        number,
        cause,
        had: Vec::new(),
        delayed: false,
        freed_bytes: Some(1),
    };
    let created = |from, waiting| QueueFact::GroupCreated { topic: t(), group: g(), from, waiting };
    let purged = QueueFact::Purged {
        topic: t(),
        what: PurgeWhat::All,
        group: None,
        waiting: 3,
        in_flight: 1,
        dead: 0,
        delayed: 2,
        freed: 6,
        freed_bytes: 60,
    };
    vec![
        (published(None, None), "orders gets s4-12: {\"n\":1}", "orders menerima s4-12: {\"n\":1}"),
        (
            published(Some("k1"), Some(9)),
            "orders gets s4-12 with key k1, to be delivered after a delay: {\"n\":1}",
            "orders menerima s4-12 dengan kunci k1, untuk dikirim setelah ditunda: {\"n\":1}",
        ),
        (
            QueueFact::Entered { topic: t(), number },
            "The delay of s4-12 is over: it is in orders now",
            "Tundaan s4-12 selesai: kini ia ada di orders",
        ),
        (delivered(1), "Ayu (billing) gets s4-12 of orders", "Ayu (billing) mendapat s4-12 dari orders"),
        (
            delivered(2),
            "Ayu (billing) gets s4-12 of orders, attempt 2: nobody acknowledged it before",
            "Ayu (billing) mendapat s4-12 dari orders, percobaan 2: sebelumnya tak ada yang mengakuinya",
        ),
        (
            acknowledged(Some(9)),
            "billing acknowledges s4-12 of orders; every group has, so the message goes",
            "billing mengakui s4-12 dari orders; semua grup sudah, jadi pesannya dihapus",
        ),
        (
            acknowledged(None),
            "billing acknowledges s4-12 of orders; other groups have not yet",
            "billing mengakui s4-12 dari orders; grup lain belum",
        ),
        (
            nacked(None),
            "billing gives s4-12 of orders back: it is ready again",
            "billing mengembalikan s4-12 dari orders: pesannya siap lagi",
        ),
        (
            nacked(Some(5)),
            "billing gives s4-12 of orders back and wants it again only after a delay",
            "billing mengembalikan s4-12 dari orders dan baru menginginkannya lagi setelah ditunda",
        ),
        (
            QueueFact::Extended { topic: t(), number, group: g(), visible_at_ms: 5 },
            "The consumer of s4-12 (orders, billing) asks for more time",
            "Konsumen s4-12 (orders, billing) meminta waktu tambahan",
        ),
        (
            QueueFact::RedeliveryDue { topic: t(), number, group: g(), consumer: "Ayu".into(), attempts: 1 },
            "Ayu did not acknowledge s4-12 of orders in time (attempt 1): it is ready for billing again",
            "Ayu tidak mengakui s4-12 dari orders tepat waktu (percobaan 1): pesannya siap lagi untuk billing",
        ),
        (
            dead(DeadCause::TimedOut),
            "5 deliveries of s4-12 to billing failed, the last one was not acknowledged in time: it is in orders.dead now",
            "5 pengiriman s4-12 ke billing gagal, yang terakhir tidak diakui tepat waktu: kini ia ada di orders.dead",
        ),
        (
            dead(DeadCause::Nacked),
            "5 deliveries of s4-12 to billing failed, the last one was given back: it is in orders.dead now",
            "5 pengiriman s4-12 ke billing gagal, yang terakhir dikembalikan: kini ia ada di orders.dead",
        ),
        (
            QueueFact::Redriven { topic: t(), number, group: g() },
            "s4-12 comes back from orders.dead: it waits for billing again",
            "s4-12 kembali dari orders.dead: ia menunggu billing lagi",
        ),
        (
            expired(ExpiryCause::Age),
            "s4-12 of orders goes unacknowledged: it is older than messages are kept",
            "s4-12 dari orders dihapus tanpa diakui: umurnya melewati masa simpan",
        ),
        (
            expired(ExpiryCause::Bytes),
            "s4-12 of orders goes unacknowledged: the topic has more bytes than are kept",
            "s4-12 dari orders dihapus tanpa diakui: topiknya melewati batas byte yang disimpan",
        ),
        (
            expired(ExpiryCause::DeadLetters),
            "s4-12 of orders goes unacknowledged: its group has more dead letters than are kept",
            "s4-12 dari orders dihapus tanpa diakui: grupnya melewati batas dead letter yang disimpan",
        ),
        (
            purged,
            "6 messages of orders in s4 are purged, unread",
            "6 pesan orders di s4 dibuang tanpa dibaca",
        ),
        (
            QueueFact::Freed { topic: t(), freed: 3, freed_bytes: 30 },
            "3 messages of orders in s4 go: only the deleted group had not acknowledged them",
            "3 pesan orders di s4 dihapus: hanya grup yang dihapus yang belum mengakuinya",
        ),
        (
            created(StartFrom::Earliest, 3),
            "billing begins to read orders in s4 from its first message: 3 wait",
            "billing mulai membaca orders di s4 dari pesan pertama: 3 menunggu",
        ),
        (
            created(StartFrom::Latest, 0),
            "billing begins to read orders in s4 with the next message; what is there stays for other groups",
            "billing mulai membaca orders di s4 dari pesan berikutnya; yang sudah ada tetap disimpan untuk grup lain",
        ),
        (
            QueueFact::GroupDeleted { topic: t(), group: g() },
            "billing reads orders in s4 no longer: the group was deleted",
            "billing tidak lagi membaca orders di s4: grupnya dihapus",
        ),
        (
            dead(DeadCause::HungUp),
            "5 deliveries of s4-12 to billing failed, and the next consumer hung up: it is in orders.dead now",
            "5 pengiriman s4-12 ke billing gagal, dan konsumen berikutnya memutus koneksi: kini ia ada di orders.dead",
        ),
        (
            QueueFact::Returned { topic: t(), number, group: g(), consumer: "Ayu".into(), attempts: 0 },
            "Ayu hung up before s4-12 of orders reached it: it is ready for billing again, and that was no attempt",
            "Ayu memutus koneksi sebelum s4-12 dari orders sampai: pesannya siap lagi untuk billing, dan itu bukan percobaan",
        ),
        (QueueFact::Held { topic: t(), group: g(), blocked: 1, delayed: 0 }, "", ""),
    ]
}

#[test]
fn every_queue_fact_is_told_in_both_languages() {
    for (fact, english, indonesian) in facts() {
        let fact = ServiceFact::Queue(fact);
        let fact = Fact::Service { group: GroupId(4), index: 12, n: 0, clock_ms: 5, fact };
        assert_eq!(told(&View::default(), fact), [english, indonesian]);
    }
}

#[test]
fn one_message_is_told_as_one_and_none_as_none() {
    let (t, g) = (|| TopicName::from("orders"), || SmolStr::from("billing"));
    let dead = QueueFact::DeadLettered {
        topic: t(),
        number: 12,
        key: None,
        group: g(),
        attempts: 1,
        cause: DeadCause::Nacked,
    };
    let purged = QueueFact::Purged {
        topic: t(),
        what: PurgeWhat::All,
        group: None,
        waiting: 1,
        in_flight: 0,
        dead: 0,
        delayed: 0,
        freed: 1,
        freed_bytes: 1,
    };
    let created =
        |waiting| QueueFact::GroupCreated { topic: t(), group: g(), from: StartFrom::Earliest, waiting };
    let freed = QueueFact::Freed { topic: t(), freed: 1, freed_bytes: 1 };
    for (fact, english) in [
        (
            dead,
            "1 delivery of s4-12 to billing failed, the last one was given back: it is in orders.dead now",
        ),
        (purged, "1 message of orders in s4 is purged, unread"),
        (freed, "1 message of orders in s4 goes: only the deleted group had not acknowledged it"),
        (created(0), "billing begins to read orders in s4 from its first message: none waits"),
        (created(1), "billing begins to read orders in s4 from its first message: 1 waits"),
        (created(2), "billing begins to read orders in s4 from its first message: 2 wait"),
    ] {
        let fact = ServiceFact::Queue(fact);
        let fact = Fact::Service { group: GroupId(4), index: 12, n: 0, clock_ms: 5, fact };
        assert_eq!(told(&View::default(), fact)[0], english);
    }
}

#[test]
fn leaders_of_several_shards_are_not_one_leader_several_times() {
    let mut feed = Feed::default();
    for (at, shard) in (0..).zip(1..=20) {
        let fact = Fact::RoleChanged {
            group: GroupId(shard),
            role: Role::Leader,
            term: 2,
            voted_for: None,
            leader: None,
            silent_us: None,
        };
        let event = Event { seq: at, hlc: Hlc::new(1_000_000 + at * 500, 0), wall_us: 0, fact };
        feed.push(narrate(&View::default(), &"node3".into(), &event).unwrap());
    }
    for line in feed.until(u64::MAX, 100) {
        assert_eq!(line.count, 1, "{line:?}");
    }
    let stands_for: u32 = feed.until(u64::MAX, 100).iter().map(|line| line.count + line.others).sum();
    assert_eq!(stands_for, 20);
}

#[test]
fn a_busy_queue_is_a_few_lines_that_stand_for_all() {
    let mut feed = Feed::default();
    let story: Vec<QueueFact> = facts().into_iter().map(|(fact, ..)| fact).take(6).collect();
    for at in 0..1_200_u64 {
        let fact = ServiceFact::Queue(story[at as usize % 6].clone());
        let fact = Fact::Service { group: GroupId(4), index: at, n: 0, clock_ms: 5, fact };
        let event = Event { seq: at, hlc: Hlc::new(1_000_000 + at * 500, 0), wall_us: 0, fact };
        feed.push(narrate(&View::default(), &"node3".into(), &event).unwrap());
    }
    let lines = feed.until(u64::MAX, 100);
    assert!(lines.len() < 20, "{}", lines.len());
    assert_eq!(lines.iter().map(|line| line.count + line.others).sum::<u32>(), 1_200);
}

fn table(version: u64, nodes: &[&str], replicas: &[[&str; 2]]) -> ShardTable {
    let placed = (1..).zip(replicas).map(|(shard, replicas)| PlacedShard {
        shard: GroupId(shard),
        version,
        replicas: replicas.map(NodeName::from).to_vec(),
    });
    ShardTable {
        version,
        nodes: nodes.iter().map(|name| RingNode::new(*name)).collect(),
        shards: placed.collect(),
    }
}

#[test]
fn a_new_map_says_what_moves_and_a_shard_says_who_leads_it() {
    let mut view = View::default();
    let first = table(1, &["node1", "node2"], &[["node1", "node2"], ["node2", "node1"]]);
    let second = table(2, &["node1", "node2", "node3"], &[["node1", "node3"], ["node2", "node1"]]);
    let placed = |shards: &ShardTable| Fact::ShardsPlaced {
        group: GroupId::CONTROL,
        index: 7,
        shards: Box::new(shards.clone()),
    };
    let leads = |term| Fact::RoleChanged {
        group: GroupId(2),
        role: Role::Leader,
        term,
        voted_for: None,
        leader: Some("node3".into()),
        silent_us: None,
    };
    let story = [
        (
            placed(&first),
            "The ring is laid out: 2 shards on 2 nodes",
            "Cincin telah ditata: 2 shard pada 2 node",
        ),
        (placed(&first), "", ""),
        (
            leads(1),
            "node3 leads shard s2 in term 1 in place of node2, which the ring prefers",
            "node3 memimpin shard s2 pada term 1, menggantikan node2 pilihan cincin",
        ),
        (leads(1), "", ""),
        (
            placed(&second),
            "s1 moves from node2 to node3; so far 1 of 4 replicas moved (25 %, ideal 33 %, modulo hashing 67 %)",
            "s1 pindah dari node2 ke node3; sejauh ini 1 dari 4 replika berpindah (25 %, ideal 33 %, hashing modulo 67 %)",
        ),
    ];
    for (seq, (fact, english, indonesian)) in (1..).zip(story) {
        assert_eq!(told(&view, fact.clone()), [english, indonesian]);
        view.apply(&"node3".into(), 1, &Event { seq, hlc: Hlc::new(seq, 0), wall_us: 0, fact });
    }
}
