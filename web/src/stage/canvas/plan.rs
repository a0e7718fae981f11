//! What the canvas draws at one moment: each message's place on its chord. Pure, and a function of the view
//! clock alone: `(t - sent) / (received - sent)`.

use orrery_base::ids::{GroupId, NodeName};
use orrery_base::sorted::SortedMap;
use orrery_cache::message::{AskKind, RecallKind};
use orrery_event::fact::{Message, Role};
use orrery_projection::view::{Flight, FlightEnd, View};
use smol_str::SmolStr;

use crate::math::exp;
use crate::request::client_of;
use crate::store::runtime::Painting;
use crate::ui::Layers;

/// How long the trail of a message that arrived glows, seconds of the reader.
pub const GLOW_S: f64 = 0.3;
/// A message whose end is not known yet is drawn as if it took this long for most of its way.
const TYPICAL_US: f64 = 250.0;
/// A lost message dies half-way within this time, however late its sender gives it up.
const LOST_US: f64 = 400.0;
/// Most messages of one shape that are drawn on one chord and in all; more are counted beside the last one.
const ALIKE_MAX: u32 = 5;
const SPRITES_MAX: usize = 160;
/// A pulse of coalesced heartbeats takes this long to cross, microseconds of the view clock.
const PULSE_US: u64 = 500_000;
/// Slower than this, single messages are shown and the pulse is not.
const PULSE_RATE_MIN: f64 = 0.2;
/// Part of the chord that a trail covers.
const TRAIL: f64 = 0.3;

/// The shape of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shape {
    /// RequestVote; `pre` is the question before it.
    Vote {
        pre: bool,
    },
    /// AppendEntries with so many entries.
    Append(u32),
    /// The same in a shard: messages of queues, and what became of them.
    Letters(u32),
    Beat,
    /// An answer: granted or matched, or refused.
    Reply(bool),
    Snapshot,
    /// The leader hands over.
    Transfer,
    /// A client's request on its way to the leader.
    Request,
    Answer,
    /// A client's request to a shard on its way to the leader.
    Letter,
    LetterAnswer,
    /// ReadIndex.
    Read,
    ReadReply,
    /// A node asks the home of a cache line.
    Ask(AskKind),
    /// Its answer: the line, or not.
    Line(bool),
    /// A home takes a copy away or fetches it.
    Recall(RecallKind),
    /// Its answer; with a value that is not committed yet.
    Recalled(bool),
}

impl Shape {
    /// The shape of a message.
    pub fn of(body: &Message, group: GroupId) -> Shape {
        let shard = group != GroupId::CONTROL;
        match body {
            Message::Vote { pre, .. } => Shape::Vote { pre: *pre },
            Message::VoteReply { granted, .. } => Shape::Reply(*granted),
            Message::Append { entries: 0, .. } => Shape::Beat,
            Message::Append { entries, .. } if shard => Shape::Letters(*entries),
            Message::Append { entries, .. } => Shape::Append(*entries),
            Message::AppendReply { success, .. } => Shape::Reply(*success),
            Message::Snapshot { .. } => Shape::Snapshot,
            Message::SnapshotReply { .. } => Shape::Reply(true),
            Message::TransferLeader { .. } => Shape::Transfer,
            Message::Forward { .. } if shard => Shape::Letter,
            Message::ForwardReply { .. } if shard => Shape::LetterAnswer,
            Message::Forward { .. } => Shape::Request,
            Message::ForwardReply { .. } => Shape::Answer,
            Message::ReadIndex => Shape::Read,
            Message::ReadIndexReply { .. } => Shape::ReadReply,
            Message::CacheAsk { ask, .. } => Shape::Ask(*ask),
            Message::CacheAnswer { done, .. } => Shape::Line(*done),
            Message::CacheRecall { recall, .. } => Shape::Recall(*recall),
            Message::CacheRecalled { dirty, .. } => Shape::Recalled(*dirty),
        }
    }

    /// Alike messages are counted together, whatever they carry.
    fn class(self) -> Shape {
        match self {
            Shape::Append(_) => Shape::Append(1),
            Shape::Letters(_) => Shape::Letters(1),
            other => other,
        }
    }
}

/// One thing to draw. Places are parts of the way, from 0 to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Sprite {
    /// Index of the sender on the circle.
    pub from: usize,
    /// Index of the receiver.
    pub to: usize,
    pub shape: Shape,
    pub head: f64,
    /// Where its trail ends.
    pub tail: f64,
    /// From 1 (whole) to 0 (gone).
    pub alpha: f64,
    pub lost: bool,
    /// It stands for so many.
    pub count: u32,
    /// What is written beside it; empty for nothing.
    pub label: SmolStr,
    /// Order of its send among those that are drawn, from 1: for standing arrows.
    pub number: u32,
}

impl Sprite {
    /// Whether the number that it stands for is written beside it. Heartbeats are one pulse, whatever they stand for.
    pub fn counted_beside(&self) -> bool {
        let counts_itself = matches!(self.shape, Shape::Append(_) | Shape::Letters(_));
        self.count > 1 && !counts_itself && self.shape != Shape::Beat
    }
}

/// Everything that moves at this moment. `glow_us` is [`GLOW_S`] on the view clock.
pub fn sprites(painting: &Painting<'_>, glow_us: u64, labels: bool, layers: Layers) -> Vec<Sprite> {
    let (view, at_ns) = (painting.view, painting.at_ns);
    let mut planned = Vec::new();
    // A lost one is seen to die a little longer than a trail glows.
    let after_us = (glow_us * 2).max(LOST_US as u64 * 3);
    for flight in painting.recording.flights.at(at_ns / 1_000, after_us) {
        if !drawn(flight, layers) {
            continue;
        }
        if let Some(sprite) = sprite(view, flight, at_ns, glow_us, labels) {
            planned.push(sprite);
        }
    }
    let mut planned = thin(planned);
    if painting.clock.rate > PULSE_RATE_MIN && layers.consensus {
        planned.extend(pulses(view, at_ns / 1_000));
    }
    for (number, sprite) in (1..).zip(&mut planned) {
        sprite.number = number;
    }
    planned
}

/// Whether the layer of a message is on.
fn drawn(flight: &Flight, layers: Layers) -> bool {
    let shard = flight.group != GroupId::CONTROL;
    match flight.body {
        Message::CacheAsk { .. }
        | Message::CacheAnswer { .. }
        | Message::CacheRecall { .. }
        | Message::CacheRecalled { .. } => layers.cache,
        // A shard's log has the messages of its queues and the values of its lines.
        Message::Append { .. } | Message::AppendReply { .. } if shard => layers.queue || layers.cache,
        _ if shard => layers.queue,
        Message::Forward { .. } | Message::ForwardReply { .. } => layers.locks,
        _ => layers.consensus,
    }
}

fn place(view: &View, name: &NodeName) -> Option<usize> {
    view.order.iter().position(|other| other == name)
}

fn sprite(view: &View, flight: &Flight, at_ns: u64, glow_us: u64, labels: bool) -> Option<Sprite> {
    let (from, to) = (place(view, &flight.from)?, place(view, &flight.to)?);
    let age_us = (at_ns as f64 - flight.sent_us as f64 * 1_000.0) / 1_000.0;
    if age_us < 0.0 || from == to {
        return None;
    }
    let glow_us = glow_us as f64;
    let (head, tail, alpha, lost) = match flight.end {
        Some(FlightEnd::Received { at_us }) => {
            let whole_us = at_us.saturating_sub(flight.sent_us) as f64;
            if age_us < whole_us {
                let head = age_us / whole_us.max(0.001);
                (head, (head - TRAIL).max(0.0), 1.0, false)
            } else {
                // It has arrived: the trail follows it in.
                let after = if glow_us > 0.0 { (age_us - whole_us) / glow_us } else { 0.0 };
                if after > 1.0 {
                    return None;
                }
                let trail = if whole_us < glow_us { 1.0 } else { TRAIL };
                (1.0, 1.0 - trail * (1.0 - after), 1.0 - after, false)
            }
        }
        Some(FlightEnd::Lost { at_us, .. }) => {
            let known_us = at_us.saturating_sub(flight.sent_us) as f64;
            let way = (age_us / known_us.clamp(1.0, LOST_US)).min(1.0);
            let after_us = (age_us - known_us.min(LOST_US)).max(0.0);
            let fade = glow_us.max(LOST_US) * 2.0;
            if after_us > fade {
                return None;
            }
            let head = 0.5 * way;
            (head, (head - TRAIL).max(0.0), 1.0 - after_us / fade, way >= 1.0)
        }
        None => {
            let way = 1.0 - exp(-age_us / TYPICAL_US);
            let head = 0.92 * way;
            (head, (head - TRAIL * (1.0 - way)).max(0.0), if way > 0.99 { 0.55 } else { 1.0 }, false)
        }
    };
    let label = if labels { label(&flight.body) } else { SmolStr::default() };
    let shape = Shape::of(&flight.body, flight.group);
    Some(Sprite { from, to, shape, head, tail, alpha, lost, count: 1, label, number: 0 })
}

fn label(body: &Message) -> SmolStr {
    match body {
        Message::Vote { term, .. } => format!("T{term}").into(),
        Message::Forward { what, client } => forwarded(what, client_of(client)),
        Message::ForwardReply { outcome } => outcome.clone(),
        Message::CacheAsk { address, .. } | Message::CacheRecall { address, .. } => address.clone(),
        _ => SmolStr::default(),
    }
}

/// What is asked, and for whom, where it does not say so itself.
fn forwarded(what: &SmolStr, client: &str) -> SmolStr {
    if client.is_empty() || what.split(' ').any(|word| word == client) {
        return what.clone();
    }
    format!("{client}: {what}").into()
}

/// Keeps the newest alike messages of each chord and says how many it stands for.
fn thin(planned: Vec<Sprite>) -> Vec<Sprite> {
    let mut seen: SortedMap<(usize, usize, Shape), u32> = SortedMap::default();
    let mut kept: Vec<Sprite> = Vec::new();
    // Newest first, so that the newest are those that stay.
    for sprite in planned.into_iter().rev() {
        let key = (sprite.from, sprite.to, sprite.shape.class());
        let count = seen.get_or_default(&key);
        *count += 1;
        if *count <= ALIKE_MAX && kept.len() < SPRITES_MAX {
            kept.push(sprite);
        } else if let Some(last) =
            kept.iter_mut().rev().find(|other| (other.from, other.to, other.shape.class()) == key)
        {
            last.count += 1;
        }
    }
    kept.reverse();
    kept
}

/// One ring for all heartbeats of a second on a link, from who wears the crown: the pulse is the control group's.
fn pulses(view: &View, at_us: u64) -> impl Iterator<Item = Sprite> + '_ {
    let crowned = |name: &NodeName| view.control(name).is_some_and(|part| part.role == Role::Leader);
    let links = view.links.iter().filter(move |((from, _), _)| crowned(from));
    links.filter_map(move |((from, to), link)| {
        let beats = link.beats;
        let age_us = at_us.checked_sub(beats.at_us)?;
        if beats.sent == 0 || age_us >= PULSE_US {
            return None;
        }
        let head = age_us as f64 / PULSE_US as f64;
        let answered = beats.answered > 0;
        Some(Sprite {
            from: place(view, from)?,
            to: place(view, to)?,
            shape: Shape::Beat,
            head: if answered { head } else { head * 0.5 },
            tail: if answered { (head - 0.12).max(0.0) } else { 0.0 },
            alpha: 0.8 * (1.0 - head * head),
            lost: !answered && head > 0.8,
            count: beats.sent,
            label: SmolStr::default(),
            number: 0,
        })
    })
}

#[cfg(test)]
mod tests {
    use orrery_base::hlc::Hlc;
    use orrery_event::Fact;
    use orrery_event::fact::{LostWhy, MessageId};
    use orrery_event::merge::{Item, Placed};
    use orrery_event::{Event, Stamp};

    use super::*;
    use crate::clock::ClockState;
    use crate::store::recording::Recording;

    fn placed(node: &str, seq: u64, us: u64, fact: Fact) -> Placed {
        let stamp = Stamp { hlc: Hlc::new(us, 0), node: node.into(), boot: 1, seq };
        let item = Item::Event(Event { seq, hlc: stamp.hlc, wall_us: us, fact });
        Placed { stamp, item, late: false, adjusted: false }
    }

    fn id() -> MessageId {
        MessageId { from: "node1".into(), boot: 1, number: 1 }
    }

    fn recording(end: Option<Fact>) -> Recording {
        let body = Message::Append { term: 1, previous: None, entries: 3, commit: None };
        let started = |node: &str| placed(node, 1, 1_000, Fact::Started { version: "1".into() });
        let sent = Fact::Sent { message: id(), group: GroupId::CONTROL, to: "node2".into(), body };
        let mut all = vec![started("node1"), started("node2"), placed("node1", 2, 10_000, sent)];
        all.extend(end.map(|fact| placed("node2", 2, 10_200, fact)));
        let mut recording = Recording::default();
        recording.extend(all, |_, _, _| {});
        recording
    }

    fn received() -> Fact {
        let body = Message::Append { term: 1, previous: None, entries: 3, commit: None };
        Fact::Received { message: id(), group: GroupId::CONTROL, body }
    }

    fn at(recording: &mut Recording, us: f64, rate: f64) -> Vec<Sprite> {
        let at_ns = (us * 1_000.0) as u64;
        recording.view_at(at_ns / 1_000);
        let clock = ClockState { rate, playing: true, ..ClockState::default() };
        let painting = Painting { recording, clock, at_ns, view: recording.shown() };
        sprites(&painting, (GLOW_S * rate * 1e6) as u64, false, Layers::ALL)
    }

    #[test]
    fn its_place_is_a_function_of_the_view_clock() {
        let mut recording = recording(Some(received()));
        for (us, head) in [(10_000.0, 0.0), (10_050.0, 0.25), (10_100.5, 0.5025), (10_199.0, 0.995)] {
            let sprites = at(&mut recording, us, 0.000_2);
            assert_eq!(sprites.len(), 1, "{us}");
            assert!((sprites[0].head - head).abs() < 1e-6, "{us}: {}", sprites[0].head);
            assert_eq!(sprites[0].shape, Shape::Append(3));
        }
        assert!(at(&mut recording, 9_999.0, 0.000_2).is_empty());
        assert!(at(&mut recording, 10_400.0, 0.000_2).is_empty(), "its trail is gone");
    }

    #[test]
    fn in_real_time_the_whole_chord_glows_for_a_moment() {
        let mut recording = recording(Some(received()));
        let sprites = at(&mut recording, 10_200.0 + 150_000.0, 1.0);
        assert_eq!(sprites.len(), 1);
        assert!((sprites[0].head, sprites[0].lost) == (1.0, false));
        assert!((0.4..0.6).contains(&sprites[0].alpha) && (0.4..0.6).contains(&sprites[0].tail));
    }

    #[test]
    fn a_shards_entries_are_envelopes_of_the_queues_layer() {
        let append = Message::Append { term: 1, previous: None, entries: 2, commit: None };
        let sent = Fact::Sent { message: id(), group: GroupId(3), to: "node2".into(), body: append };
        let started = |node: &str| placed(node, 1, 1_000, Fact::Started { version: "1".into() });
        let mut recording = Recording::default();
        let all = vec![started("node1"), started("node2"), placed("node1", 2, 10_000, sent)];
        recording.extend(all, |_, _, _| {});
        recording.view_at(10_100);
        let clock = ClockState { rate: 0.001, playing: true, ..ClockState::default() };
        let painting = Painting { recording: &recording, clock, at_ns: 10_100_000, view: recording.shown() };
        let drawn = |layers: Layers| sprites(&painting, 300, false, layers);
        assert_eq!(drawn(Layers::ALL).len(), 1);
        assert_eq!(drawn(Layers::ALL)[0].shape, Shape::Letters(2));
        let without = Layers { queue: false, cache: false, ..Layers::ALL };
        assert!(drawn(without).is_empty());
    }

    #[test]
    fn an_invalidation_is_a_barred_cross_of_the_caches_layer() {
        let body = Message::CacheRecall { recall: RecallKind::Invalidate, address: "price".into() };
        let sent = Fact::Sent { message: id(), group: GroupId(3), to: "node2".into(), body };
        let started = |node: &str| placed(node, 1, 1_000, Fact::Started { version: "1".into() });
        let mut recording = Recording::default();
        let all = vec![started("node1"), started("node2"), placed("node1", 2, 10_000, sent)];
        recording.extend(all, |_, _, _| {});
        recording.view_at(10_100);
        let clock = ClockState { rate: 0.001, playing: true, ..ClockState::default() };
        let painting = Painting { recording: &recording, clock, at_ns: 10_100_000, view: recording.shown() };
        let drawn = |layers: Layers| sprites(&painting, 300, true, layers);
        let shown = drawn(Layers { consensus: false, locks: false, queue: false, cache: true });
        let shown: Vec<_> = shown.iter().map(|sprite| (sprite.shape, sprite.label.as_str())).collect();
        assert_eq!(shown, [(Shape::Recall(RecallKind::Invalidate), "price")]);
        assert!(drawn(Layers { cache: false, ..Layers::ALL }).is_empty());
    }

    #[test]
    fn a_lost_message_dies_half_way() {
        let lost =
            Fact::Lost { message: id(), group: GroupId::CONTROL, to: "node2".into(), why: LostWhy::Cut };
        let mut recording = recording(Some(lost));
        let sprites = at(&mut recording, 10_300.0, 0.000_2);
        assert!((sprites[0].head - 0.5).abs() < 1e-9 && sprites[0].lost);
    }

    #[test]
    fn one_that_nobody_heard_of_again_waits_before_its_receiver() {
        let mut recording = recording(None);
        let sprites = at(&mut recording, 200_000.0, 0.01);
        assert!((0.85..0.95).contains(&sprites[0].head) && sprites[0].alpha < 1.0);
    }

    #[test]
    fn too_many_alike_are_counted() {
        let mut recording = Recording::default();
        let mut all: Vec<Placed> = ["node1", "node2"]
            .map(|node| placed(node, 1, 1_000, Fact::Started { version: "1".into() }))
            .to_vec();
        for number in 0..50 {
            let message = MessageId { number, ..id() };
            let body = Message::Append { term: 1, previous: None, entries: 1, commit: None };
            let sent = Fact::Sent { message, group: GroupId::CONTROL, to: "node2".into(), body };
            all.push(placed("node1", 2 + number, 10_000 + number, sent));
        }
        recording.extend(all, |_, _, _| {});
        let sprites = at(&mut recording, 10_100.0, 0.01);
        assert_eq!(sprites.len() as u32, ALIKE_MAX);
        assert_eq!(sprites.iter().map(|sprite| sprite.count).sum::<u32>(), 50);
    }

    #[test]
    fn who_asks_is_named_once() {
        for (what, client, label) in [
            ("acquire printer Citra", "Citra", "acquire printer Citra"),
            ("publish orders", "Ayu", "Ayu: publish orders"),
            ("read price", "", "read price"),
            ("acquire Citras-printer Budi", "Citra", "Citra: acquire Citras-printer Budi"),
        ] {
            assert_eq!(forwarded(&what.into(), client), label);
        }
    }

    #[test]
    fn heartbeats_carry_no_number_anywhere() {
        let mut recording = recording(None);
        let sprite = at(&mut recording, 150_000.0, 0.01).remove(0);
        for head in [0.1, 0.5, 0.9, 1.0] {
            for (shape, count, expected) in [
                (Shape::Beat, 1, false),
                (Shape::Beat, 7, false),
                (Shape::Append(7), 7, false),
                (Shape::Reply(true), 7, true),
                (Shape::Vote { pre: true }, 2, true),
            ] {
                let sprite = Sprite { shape, count, head, ..sprite.clone() };
                assert_eq!(sprite.counted_beside(), expected, "{shape:?} of {count} at {head}");
            }
        }
    }

    #[test]
    fn heartbeats_come_from_the_crown_only() {
        let beats = |node: &str, peer: &str| {
            let fact =
                Fact::Heartbeats { peer: peer.into(), sent: 9, answered: 9, received: 9, round_trip_us: 400 };
            placed(node, 3, 100_000, fact)
        };
        let leads = |node: &str, role: Role| {
            let (voted_for, leader, silent_us) = (None, Some("node1".into()), None);
            let group = GroupId::CONTROL;
            placed(node, 2, 2_000, Fact::RoleChanged { group, role, term: 1, voted_for, leader, silent_us })
        };
        let mut recording = Recording::default();
        let mut all: Vec<Placed> = ["node1", "node2"]
            .map(|node| placed(node, 1, 1_000, Fact::Started { version: "1".into() }))
            .to_vec();
        all.extend([leads("node1", Role::Leader), leads("node2", Role::Follower)]);
        all.extend([beats("node1", "node2"), beats("node2", "node1")]);
        recording.extend(all, |_, _, _| {});
        let shown: Vec<_> = at(&mut recording, 200_000.0, 1.0)
            .into_iter()
            .map(|sprite| (sprite.from, sprite.to, sprite.shape, sprite.counted_beside()))
            .collect();
        assert_eq!(shown, [(0, 1, Shape::Beat, false)]);
    }
}
