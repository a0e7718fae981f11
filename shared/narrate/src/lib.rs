//! One sentence for what just happened and why, in English or Indonesian.
//!
//! [`narrate`] looks at one fact and the view before it; [`Feed`] keeps the sentences and draws those
//! together that come too fast to be read.

mod cache;
#[cfg(test)]
mod cache_tests;
#[cfg(test)]
mod count_tests;
mod election;
pub mod fault;
mod feed;
mod locks;
mod process;
#[cfg(test)]
mod queue_tests;
mod queues;
mod requests;
mod ring;
#[cfg(test)]
mod tests;
mod words;

use orrery_base::ids::{GroupId, NodeName};
use orrery_event::Event;
use orrery_event::fact::{Fact, LostWhy, Message, Role};
use orrery_event::merge::GapView;
use orrery_machine::ServiceFact;
use orrery_projection::view::{Process, View};
use smol_str::{SmolStr, ToSmolStr};

use self::words::words;

pub use feed::{FEED_MAX, Feed};
pub use process::exit_cause_in_indonesian;

/// [`Line::alike`] of refusals before an election: the newest stands for all before it of the same node.
pub const UNWILLING: &str = "unwilling";

/// The languages of the dashboard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Language {
    #[default]
    English,
    Indonesian,
}

/// What a sentence is about: chooses its glyph and whether it is read aloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// Log, commit: the steady work.
    Log,
    Request,
    /// A lock granted, queued, released.
    Lock,
    /// A message published, delivered, acknowledged.
    Queue,
    /// A cache line read, written, invalidated.
    Cache,
    Link,
    /// The shard map, and who leads a shard.
    Ring,
    Election,
    /// A process ended, was stopped or came back.
    Process,
    /// A cycle of waits.
    Deadlock,
}

/// One line of the feed. Its words depend on the language only when they are asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// When, HLC microseconds.
    pub at_us: u64,
    pub node: NodeName,
    pub topic: Topic,
    /// It is about loss, refusal or failure.
    pub bad: bool,
    /// How often the very same was said; 1 for once.
    pub count: u32,
    /// How many others it stands for, which said the like of something else.
    pub others: u32,
    /// It was inserted late, or its time was moved.
    pub late: bool,
    /// Lines with the same word may be drawn together when there are too many; empty for never.
    pub alike: &'static str,
    /// The sentence, English first, Indonesian second.
    pub words: [SmolStr; 2],
}

impl Line {
    pub fn text(&self, language: Language) -> &str {
        match language {
            Language::English => &self.words[0],
            Language::Indonesian => &self.words[1],
        }
    }
}

/// What is said about a fact, before it is a [`Line`].
struct Said {
    topic: Topic,
    bad: bool,
    alike: &'static str,
    words: [SmolStr; 2],
}

impl Said {
    fn new(topic: Topic, english: String, indonesian: String) -> Said {
        Said { topic, bad: false, alike: "", words: [english.into(), indonesian.into()] }
    }

    fn bad(self) -> Said {
        Said { bad: true, ..self }
    }

    fn alike(self, alike: &'static str) -> Said {
        Said { alike, ..self }
    }
}

/// The sentence for a fact, if it deserves one. `view` is the view before it.
pub fn narrate(view: &View, node: &NodeName, event: &Event) -> Option<Line> {
    let said = say(view, node, event)?;
    let at = match &event.fact {
        Fact::NodeStarted { node, .. }
        | Fact::NodeExited { node, .. }
        | Fact::NodePaused { node }
        | Fact::NodeResumed { node } => node,
        _ => node,
    };
    Some(Line {
        at_us: event.hlc.wall_us(),
        node: at.clone(),
        topic: said.topic,
        bad: said.bad,
        count: 1,
        others: 0,
        late: false,
        alike: said.alike,
        words: said.words,
    })
}

/// The sentence for events that will never come.
pub fn narrate_gap(gap: &GapView) -> Line {
    let count = counted(gap.last.saturating_sub(gap.first) + 1, "event", "events");
    let peristiwa = gap.last.saturating_sub(gap.first) + 1;
    let node = &gap.node;
    Line {
        at_us: gap.from_us,
        node: node.clone(),
        topic: Topic::Link,
        bad: true,
        count: 1,
        others: 0,
        late: false,
        alike: "",
        words: [
            format!("{count} of {node} will never come; its newest state follows").into(),
            format!("{peristiwa} peristiwa dari {node} tidak akan datang; keadaan terbarunya menyusul")
                .into(),
        ],
    }
}

fn say(view: &View, node: &NodeName, event: &Event) -> Option<Said> {
    let now_us = event.hlc.wall_us();
    match &event.fact {
        Fact::RoleChanged { group: GroupId::CONTROL, role, term, leader, silent_us, .. } => {
            let change = election::Change { role: *role, term: *term, leader: leader.as_ref() };
            election::role(view, node, &change, *silent_us, now_us)
        }
        Fact::Sent { group: GroupId::CONTROL, body, .. } => election::asked(view, node, body),
        Fact::Received {
            group: GroupId::CONTROL,
            message,
            body: Message::VoteReply { pre, granted, .. },
        } => election::vote(view, node, &message.from, *pre, *granted),
        Fact::RoleChanged { group, role: Role::Leader, term, .. } => ring::leads(view, node, *group, *term),
        Fact::Service { group, fact: ServiceFact::Queue(fact), .. } => queues::say(*group, fact),
        Fact::Service { fact: ServiceFact::Cache(fact), .. } => cache::committed(fact),
        Fact::CacheLine { fact, .. } => cache::line(node, fact),
        Fact::CacheHome { group, fact } => cache::home(view, node, *group, fact),
        Fact::Service { group: GroupId::CONTROL, fact, .. } => locks::service(view, fact),
        Fact::ShardsPlaced { shards, .. } => ring::placed(view, shards),
        Fact::NodeStarted { .. }
        | Fact::NodeExited { .. }
        | Fact::NodePaused { .. }
        | Fact::NodeResumed { .. }
        | Fact::LinkUp { .. }
        | Fact::LinkDown { .. } => process::say(view, node, &event.fact),
        Fact::LinkFault { .. } | Fact::LinkImpaired { .. } | Fact::LinkFaultSet { .. } => {
            fault::say(view, node, &event.fact)
        }
        Fact::Lost { to, why, .. } => {
            // That a dead node hears nothing is no news, again and again.
            let dead = view.node(to).is_some_and(|node| node.process == Process::Down);
            (!dead && *why != LostWhy::Unreachable).then(|| lost(node, to, *why))
        }
        Fact::Committed { group: GroupId::CONTROL, index } => committed(view, node, *index),
        Fact::Truncated { group: GroupId::CONTROL, after } => Some(truncated(node, *after)),
        Fact::Snapshotted { group: GroupId::CONTROL, last: Some(last), bytes, installed } => {
            Some(snapshotted(node, *last, *bytes, *installed))
        }
        Fact::MembershipChanged { group: GroupId::CONTROL, index, voters, .. } => {
            // What a node finds in its log when it starts is history.
            let news = view.membership.index < *index && view.membership.voters != *voters;
            news.then(|| {
                let told = match voters.len() {
                    0 => words!["There is no voter now", "Sekarang tidak ada pemilih"],
                    1 => words!["The only voter is now {0}", "Satu-satunya pemilih sekarang {0}"],
                    _ => words!["The voters are now {0}", "Pemilihnya sekarang {0}"],
                };
                words::filled(Topic::Log, told, [&[&list(voters, "and")], &[&list(voters, "dan")]])
            })
        }
        Fact::RequestBegun { client, operation, subject, .. } => {
            Some(requests::begun(node, client, operation, subject))
        }
        Fact::RequestEnded { request, outcome, status, took_us } => {
            requests::ended(view, node, *request, (outcome, *status), *took_us)
        }
        Fact::Compared { group, index, sums } => {
            view.comparisons.differs(node, *group, *index, sums).then(|| differs(node, *group))
        }
        Fact::Burst { first, last, .. } => {
            let count = last.saturating_sub(*first) + 1;
            Some(
                words::filled(
                    Topic::Log,
                    words![
                        "{0} is busy: {1} shown as one burst",
                        "{0} sibuk: {1} peristiwa ditampilkan sebagai satu rombongan"
                    ],
                    [&[node, &counted(count, "event is", "events are")], &[node, &count.to_smolstr()]],
                )
                .alike("burst"),
            )
        }
        _ => None,
    }
}

fn differs(node: &NodeName, group: GroupId) -> Said {
    let name = |control: &str| match group {
        GroupId::CONTROL => control.to_smolstr(),
        shard => shard.to_smolstr(),
    };
    words::filled(
        Topic::Link,
        words![
            "This page showed another state of {0} than {1} has: it takes over what {1} has now",
            "Halaman ini menampilkan keadaan {0} yang bukan milik {1}: keadaan {1} sekarang diambil"
        ],
        [&[&name("the control group"), node], &[&name("grup kontrol"), node]],
    )
    .bad()
}

fn committed(view: &View, node: &NodeName, index: u64) -> Option<Said> {
    let part = view.control(node)?;
    let entry = part.entry(index)?;
    let dull = matches!(entry.what.as_str(), "blank" | "clock" | "membership");
    if part.role != Role::Leader || dull {
        return None;
    }
    let (quorum, what) = (part.quorum(), &entry.what);
    let index = index.to_smolstr();
    let (disks, disk) = match part.voters.len() {
        // Nobody said yet who votes.
        0 => ("the disks of a majority".to_owned(), "disk mayoritas".to_owned()),
        1 => ("the disk of the only node".to_owned(), "disk satu-satunya node".to_owned()),
        _ => (format!("the disks of {quorum} nodes, a majority"), format!("disk {quorum} node, mayoritas")),
    };
    Some(
        words::filled(
            Topic::Log,
            words!["Entry {0} ({1}) is on {2}: committed", "Entri {0} ({1}) ada di {2}: ter-commit"],
            [&[&index, what, &disks], &[&index, what, &disk]],
        )
        .alike("committed"),
    )
}

fn truncated(node: &NodeName, after: Option<u64>) -> Said {
    let from = after.map_or(0, |index| index + 1);
    words::said(
        Topic::Log,
        words![
            "{0} removes its entries from {1} on: they were never committed, and the new leader has others",
            "{0} menghapus entrinya mulai {1}: belum pernah ter-commit, dan pemimpin baru punya yang lain"
        ],
        &[node, &from.to_smolstr()],
    )
    .bad()
}

fn snapshotted(node: &NodeName, last: u64, bytes: u64, installed: bool) -> Said {
    let kib = bytes.div_ceil(1_024);
    let words = if installed {
        (
            format!(
                "{node} was too far behind for the log and took over the leader's snapshot up to entry {last} ({kib} KiB)"
            ),
            format!(
                "{node} tertinggal terlalu jauh dan mengambil snapshot pemimpin sampai entri {last} ({kib} KiB)"
            ),
        )
    } else {
        (
            format!("{node} wrote a snapshot up to entry {last} ({kib} KiB), so older entries can go"),
            format!("{node} menulis snapshot sampai entri {last} ({kib} KiB), jadi entri lama boleh dibuang"),
        )
    };
    Said::new(Topic::Log, words.0, words.1)
}

fn lost(node: &NodeName, to: &NodeName, why: LostWhy) -> Said {
    let (english, indonesian) = match why {
        LostWhy::Cut => ("the link is cut", "jalurnya diputus"),
        LostWhy::Unreachable => ("there is no connection", "tidak ada koneksi"),
        LostWhy::Overflow => ("its queue is full", "antreannya penuh"),
        LostWhy::TimedOut => (
            "no answer came in time, nobody knows whether it arrived",
            "tidak ada jawaban, tak ada yang tahu apakah sampai",
        ),
    };
    words::filled(
        Topic::Link,
        words!["A message from {0} to {1} is lost: {2}", "Pesan dari {0} ke {1} hilang: {2}"],
        [&[node, to, english], &[node, to, indonesian]],
    )
    .bad()
    .alike("lost")
}

/// `1.9` and `1,9`; three digits below a tenth of a second.
fn seconds(us: u64) -> [String; 2] {
    // Rounded in whole numbers: a browser need not carry the code that writes fractions.
    let text = if us < 100_000 {
        format!("0.{:03}", (us + 500) / 1_000)
    } else {
        let tenths = (us + 50_000) / 100_000;
        format!("{}.{}", tenths / 10, tenths % 10)
    };
    let comma = text.replace('.', ",");
    [text, comma]
}

/// `1 node`, `2 nodes`. Indonesian has one form for all numbers.
fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// `a`, `a and b`, `a, b and c`.
fn list<T: AsRef<str>>(names: &[T], and: &str) -> String {
    match names {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [most @ .., last] => {
            let most: Vec<&str> = most.iter().map(AsRef::as_ref).collect();
            format!("{} {and} {}", most.join(", "), last.as_ref())
        }
    }
}
