#![allow(clippy::unwrap_used)]

use orrery_base::hlc::Hlc;
use orrery_base::ids::NodeName;
use orrery_cache::message::RecallKind;
use orrery_cache::{CacheFact, Cause, HomeFact, How, LineFact, State, Waited, Wants};

use super::*;

const SHARD: GroupId = GroupId(4);

fn event(seq: u64, fact: Fact) -> Event {
    Event { seq, hlc: Hlc::new(1_000_000 + seq * 500, 0), wall_us: 0, fact }
}

fn told(view: &View, fact: &Fact) -> [String; 2] {
    let line = narrate(view, &"node3".into(), &event(1, fact.clone()));
    line.map_or_else(Default::default, |line| line.words.map(|words| words.to_string()))
}

fn committed(deleted: bool, write_back: bool) -> Fact {
    let (address, by, preview) = ("price".into(), "node2".into(), "900".into());
    let fact = CacheFact::Committed { address, version: 12, deleted, by, write_back, preview };
    service(fact)
}

fn service(fact: CacheFact) -> Fact {
    Fact::Service { group: SHARD, index: 12, n: 0, clock_ms: 5, fact: ServiceFact::Cache(fact) }
}

fn changed(from: State, to: State, cause: Cause) -> Fact {
    line(LineFact::Changed { address: "price".into(), from, to, cause, version: 7 })
}

fn line(fact: LineFact) -> Fact {
    Fact::CacheLine { group: SHARD, fact }
}

fn home(fact: HomeFact) -> Fact {
    Fact::CacheHome { group: SHARD, fact }
}

fn recalling(wants: Wants, nodes: &[&str]) -> Fact {
    let waited = |name: &&str| Waited { node: (*name).into(), recall: RecallKind::Invalidate, gone_in_us: 9 };
    let of = nodes.iter().map(waited).collect();
    home(HomeFact::Recalling { question: 8, address: "price".into(), asker: "node5".into(), wants, of })
}

fn recalled(node: &str, how: How) -> Fact {
    home(HomeFact::Recalled { question: 8, address: "price".into(), node: node.into(), how })
}

/// Each fact, and how it is told; the empty sentence stands for none. `node3` reports them.
fn facts() -> Vec<(Fact, &'static str, &'static str)> {
    use Cause::*;
    use State::*;
    let hit = |write| line(LineFact::Hit { address: "price".into(), state: E, write });
    let held = HomeFact::Held { address: "price".into(), owner: None, sharers: Vec::new() };
    vec![
        (
            committed(false, false),
            "price = 900 is committed as version 12, written at node2",
            "price = 900 ter-commit sebagai versi 12, ditulis di node2",
        ),
        (
            committed(false, true),
            "node2 writes price = 900 back: committed as version 12",
            "node2 menulis balik price = 900: ter-commit sebagai versi 12",
        ),
        (
            committed(true, false),
            "price is deleted at node2: version 12, on a majority's disks",
            "price dihapus di node2: versi 12, di disk mayoritas",
        ),
        (
            service(CacheFact::Revoked { address: "price".into(), version: 12 }),
            "What is committed of price is version 12 now: whatever an owner that cannot be asked still has is refused",
            "Yang ter-commit dari price kini versi 12: tulisan pemilik yang tak bisa ditanya akan ditolak",
        ),
        (service(CacheFact::Begun { tenure: 3 }), "", ""),
        (service(CacheFact::Opened { tenure: 3 }), "", ""),
        (
            changed(I, E, LocalRead),
            "node3 fetches price to read it; nobody else has it: E",
            "node3 mengambil price untuk dibaca; tak ada node lain yang punya: E",
        ),
        (
            changed(I, S, LocalRead),
            "node3 fetches price to read it; others may have it too: S",
            "node3 mengambil price untuk dibaca; node lain mungkin punya juga: S",
        ),
        (
            changed(E, M, LocalWrite),
            "node3 owns price and writes it in its copy, to be committed later: E becomes M",
            "node3 memiliki price dan menulis di salinannya, di-commit nanti: E menjadi M",
        ),
        (
            changed(S, E, LocalWrite),
            "node3 wrote price, which is committed, and owns it: S becomes E",
            "node3 menulis price, sudah ter-commit, dan memilikinya: S menjadi E",
        ),
        (
            changed(S, I, Evict),
            "node3 needs the room: its copy of price goes",
            "node3 perlu tempat: salinan price miliknya dibuang",
        ),
        (
            changed(S, I, Inv),
            "node3 drops its copy of price, because somebody else writes: S becomes I",
            "node3 membuang salinan price karena ada yang menulis: S menjadi I",
        ),
        (
            changed(M, S, Fetch),
            "node3 gives price to the home and shares it from now on: M becomes S",
            "node3 memberikan price kepada home dan kini berbagi: M menjadi S",
        ),
        (
            changed(M, I, FetchInv),
            "node3 gives price up, because somebody else writes: M becomes I",
            "node3 melepas price karena ada yang menulis: M menjadi I",
        ),
        (
            changed(S, I, LeaseOut),
            "node3's lease is over: from now on it may not read its copy of price",
            "Masa pinjam node3 habis: mulai kini ia tak boleh membaca salinan price",
        ),
        (
            changed(M, E, WriteBack),
            "What node3 wrote to price is committed: M becomes E",
            "Tulisan node3 di price ter-commit: M menjadi E",
        ),
        (
            changed(I, E, Registered),
            "The home knows of node3's copy of price again: E",
            "Home mengenal lagi salinan price di node3: E",
        ),
        (
            changed(E, I, Refused),
            "The home does not know of node3's copy of price: it goes",
            "Home tidak mengenal salinan price di node3: salinan itu dibuang",
        ),
        (
            changed(S, I, Unknown),
            "Nobody knows what became of node3's write to price: its copy goes",
            "Tak ada yang tahu nasib tulisan node3 di price: salinannya dibuang",
        ),
        (
            line(LineFact::Lost { address: "price".into(), version: 7 }),
            "What node3 wrote to price is lost: it was answered as not durable",
            "Tulisan node3 di price hilang: jawabannya dulu “belum tahan lama”",
        ),
        (
            line(LineFact::Unresolved { address: "price".into(), version: 7 }),
            "price was written elsewhere: whether what node3 had written there took effect before is not known",
            "price sudah ditulis di tempat lain: tidak diketahui apakah tulisan node3 sempat berlaku sebelumnya",
        ),
        (
            changed(State::I, State::I, Cause::WriteBack),
            "What node3 wrote to price is committed, and its copy is gone",
            "Tulisan node3 di price ter-commit, dan salinannya sudah tak ada",
        ),
        (
            hit(false),
            "node3 reads price from its own copy (E), without a message",
            "node3 membaca price dari salinannya sendiri (E), tanpa pesan",
        ),
        (
            hit(true),
            "node3 writes price in its own copy (E), without a message",
            "node3 menulis price di salinannya sendiri (E), tanpa pesan",
        ),
        (
            home(HomeFact::Window { term: 3, left_us: 1_900_000 }),
            "node3 is the new home of s4's lines, and grants nothing for 1.9 s: leases of the home before may last so long",
            "node3 menjadi home baru untuk baris s4, dan 1,9 d tidak memberi apa pun: masa pinjam dari home lama bisa selama itu",
        ),
        (
            home(HomeFact::Open { term: 3 }),
            "node3 is the home of s4's lines and grants copies from now on",
            "node3 adalah home untuk baris s4 dan mulai memberi salinan",
        ),
        (
            home(HomeFact::Ended { term: 3 }),
            "node3 is the home of s4's lines no more: who holds what, the next one has to find out",
            "node3 bukan lagi home untuk baris s4: siapa memegang apa harus dicari tahu oleh penggantinya",
        ),
        (home(held), "", ""),
        (
            recalling(Wants::Read, &["node1"]),
            "node5 wants to read price: node3, its home, fetches it from node1",
            "node5 ingin membaca price: node3, home-nya, mengambilnya dari node1",
        ),
        (
            recalling(Wants::Write, &["node1", "node2"]),
            "node5 wants to write price: node3, its home, first takes the copies of node1 and node2 away",
            "node5 ingin menulis price: node3, home-nya, lebih dulu menarik salinan node1 dan node2",
        ),
    ]
}

#[test]
fn every_cache_fact_is_told_in_both_languages() {
    for (fact, english, indonesian) in facts() {
        assert_eq!(told(&View::default(), &fact), [english, indonesian]);
    }
}

#[test]
fn who_is_waited_for_is_counted() {
    let story = [
        (
            "node1",
            How::Acknowledged,
            "node1 acknowledges that its copy of price is gone: 1/6",
            "node1 mengakui bahwa salinan price sudah dibuang: 1/6",
        ),
        (
            "node2",
            How::Clean,
            "node2 gave price up and had written nothing new: 2/6",
            "node2 melepas price dan tidak menulis hal baru: 2/6",
        ),
        (
            "node4",
            How::Dirty,
            "node4 gave price up with what it wrote, which is committed first: 3/6",
            "node4 melepas price beserta tulisannya, yang di-commit lebih dulu: 3/6",
        ),
        (
            "node5",
            How::NotHeld,
            "node5 has no copy of price any more: 4/6",
            "node5 sudah tidak punya salinan price: 4/6",
        ),
        (
            "node6",
            How::LeaseOver,
            "node6 did not answer, but its lease is over: it cannot read its copy of price any more: 5/6",
            "node6 tidak menjawab, tetapi masa pinjamnya habis: ia tak bisa lagi membaca salinan price: 5/6",
        ),
        (
            "node7",
            How::Rebooted,
            "node7 was started anew and has no copy of price: 6/6",
            "node7 telah dimulai ulang dan tidak punya salinan price: 6/6",
        ),
    ];
    let mut view = View::default();
    let nodes = story.map(|(node, ..)| node);
    let begin = [home(HomeFact::Open { term: 3 }), recalling(Wants::Write, &nodes)];
    let told_next = story.iter().map(|(node, how, ..)| recalled(node, *how));
    for (seq, fact) in (1..).zip(begin.into_iter().chain(told_next)) {
        if seq > 2 {
            let (.., english, indonesian) = story[seq as usize - 3];
            assert_eq!(told(&view, &fact), [english, indonesian]);
        }
        view.apply(&NodeName::from("node3"), 1, &event(seq, fact));
    }
    // Of a question that nobody saw begin there is nothing to count.
    let unknown = told(&View::default(), &recalled("node1", How::Acknowledged));
    assert_eq!(unknown[0], "node1 acknowledges that its copy of price is gone");
}

#[test]
fn a_busy_cache_is_a_few_lines_that_stand_for_all() {
    let mut feed = Feed::default();
    let mut story: Vec<Fact> = facts().into_iter().map(|(fact, ..)| fact).collect();
    story.retain(|fact| {
        matches!(fact, Fact::CacheLine { fact: LineFact::Hit { .. } | LineFact::Changed { .. }, .. })
    });
    for at in 0..1_200 {
        let fact = story[at as usize % story.len()].clone();
        feed.push(narrate(&View::default(), &"node3".into(), &event(at, fact)).unwrap());
    }
    let lines = feed.until(u64::MAX, 100);
    assert!(lines.len() < 30, "{}", lines.len());
    assert_eq!(lines.iter().map(|line| line.count + line.others).sum::<u32>(), 1_200);
}
