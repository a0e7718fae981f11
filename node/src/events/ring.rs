//! The last events, in chunks that are serialised at most once per codec and choice.
//!
//! Bounded in events and in bytes, those of what was serialised included, and those of chunks that a slow reader still holds.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use axum::extract::ws::Utf8Bytes;
use bytes::Bytes;
use orrery_base::ids::{BootEpoch, NodeName, Sequence};
use orrery_event::Event;
use orrery_event::stream::{Batch, Frame};
use parking_lot::Mutex;

use super::chosen::{CHOICES_MAX, Chosen};
use super::weight;

/// How a stream is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    Json,
    Postcard,
}

/// A frame as it goes over the wire.
#[derive(Clone, Debug)]
pub(super) enum Encoded {
    Text(Utf8Bytes),
    Binary(Bytes),
}

impl Encoded {
    pub fn bytes(&self) -> usize {
        match self {
            Encoded::Text(text) => text.len(),
            Encoded::Binary(bytes) => bytes.len(),
        }
    }

    /// Writes one frame.
    pub fn of(codec: Codec, frame: &Frame) -> Encoded {
        match codec {
            Codec::Json => {
                let text = serde_json::to_string(frame).expect("frames have string keys only");
                Encoded::Text(text.into())
            }
            Codec::Postcard => {
                let bytes = postcard::to_stdvec(frame).expect("frames have known lengths only");
                Encoded::Binary(bytes.into())
            }
        }
    }
}

/// What comes after a cursor.
pub(super) enum Next {
    Nothing,
    /// These events: one chunk at a time, so that a reader that does not read holds one.
    Chunk(Arc<Chunk>),
}

/// Consecutive events. `first..=last` is what they stand for: a burst stands for many sequences.
pub(super) struct Chunk {
    pub first: Sequence,
    pub last: Sequence,
    batch: Batch,
    json: OnceLock<Encoded>,
    postcard: OnceLock<Encoded>,
    /// The chunk as readers get it that chose less than everything; the oldest parts go first.
    parts: Mutex<Vec<Part>>,
    share: Share,
}

/// What one chunk has of the bytes that all chunks of a ring take.
struct Share {
    all: Arc<AtomicUsize>,
    own: AtomicUsize,
}

impl Share {
    fn add(&self, bytes: usize) {
        self.own.fetch_add(bytes, Ordering::Relaxed);
        self.all.fetch_add(bytes, Ordering::Relaxed);
    }

    fn take(&self, bytes: usize) {
        self.own.fetch_sub(bytes, Ordering::Relaxed);
        self.all.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.all.fetch_sub(*self.own.get_mut(), Ordering::Relaxed);
    }
}

/// A chunk for one choice and codec; none where nothing of it was chosen.
struct Part {
    choice: u64,
    codec: Codec,
    encoded: Option<Encoded>,
}

impl Part {
    fn bytes(&self) -> usize {
        self.encoded.as_ref().map_or(0, Encoded::bytes)
    }
}

/// Choices that are in use at one time have room, each in both codecs.
const PARTS_MAX: usize = CHOICES_MAX * 2;

impl Chunk {
    /// Consecutive events that end with `last`, of a ring whose chunks take `all` bytes.
    pub fn new(
        node: NodeName,
        boot: BootEpoch,
        (first, last): (Sequence, Sequence),
        events: Vec<Event>,
        all: Arc<AtomicUsize>,
    ) -> Chunk {
        debug_assert!(first <= last, "empty chunk");
        let share = Share { all, own: AtomicUsize::new(0) };
        share.add(events.iter().map(weight::of).sum());
        Chunk {
            first,
            last,
            batch: Batch { node, boot, events },
            json: OnceLock::new(),
            postcard: OnceLock::new(),
            parts: Mutex::default(),
            share,
        }
    }

    pub fn len(&self) -> usize {
        self.batch.events.len()
    }

    /// The whole chunk, serialised by the first reader that asks.
    pub fn encoded(&self, codec: Codec) -> Encoded {
        let once = match codec {
            Codec::Json => &self.json,
            Codec::Postcard => &self.postcard,
        };
        // The batch is moved nowhere: a frame borrows nothing, so one clone is made per codec, not per reader.
        let encode = || {
            let encoded = Encoded::of(codec, &Frame::Batch(self.batch.clone()));
            self.share.add(encoded.bytes());
            encoded
        };
        once.get_or_init(encode).clone()
    }

    /// What a reader chose of it, serialised by the first one with that choice.
    fn part(&self, chosen: &Chosen, codec: Codec) -> Option<Encoded> {
        let mut parts = self.parts.lock();
        let same = parts.iter().find(|part| part.choice == chosen.number() && part.codec == codec);
        if let Some(part) = same {
            return part.encoded.clone();
        }
        let encoded = self.written(codec, |event| chosen.choice().takes(&event.fact));
        if parts.len() >= PARTS_MAX {
            self.share.take(parts.remove(0).bytes());
        }
        self.share.add(encoded.as_ref().map_or(0, Encoded::bytes));
        parts.push(Part { choice: chosen.number(), codec, encoded: encoded.clone() });
        encoded
    }

    /// The events that fit, as a frame of their own; none where there are none.
    fn written(&self, codec: Codec, fits: impl Fn(&Event) -> bool) -> Option<Encoded> {
        let Batch { node, boot, events } = &self.batch;
        let events: Vec<Event> = events.iter().filter(|event| fits(event)).cloned().collect();
        let batch = Batch { node: node.clone(), boot: *boot, events };
        (!batch.events.is_empty()).then(|| Encoded::of(codec, &Frame::Batch(batch)))
    }

    /// What a reader gets that has everything up to `cursor`, which may be in the middle; none where nothing of the rest
    /// was chosen.
    pub fn encoded_after(&self, chosen: &Chosen, codec: Codec, cursor: Sequence) -> Option<Encoded> {
        if cursor >= self.first {
            return self.written(codec, |event| event.seq > cursor && chosen.choice().takes(&event.fact));
        }
        if chosen.is_everything() { Some(self.encoded(codec)) } else { self.part(chosen, codec) }
    }
}

/// A bounded number of events and bytes; the oldest chunks go first.
pub(super) struct Ring {
    chunks: VecDeque<Arc<Chunk>>,
    events: usize,
    events_max: usize,
    /// Of all chunks, those too that only readers hold.
    bytes: Arc<AtomicUsize>,
    bytes_max: usize,
    /// Last sequence that is in, or was.
    head: Sequence,
}

impl Ring {
    pub fn new(events_max: usize, bytes_max: usize) -> Ring {
        let bytes = Arc::default();
        Ring { chunks: VecDeque::new(), events: 0, events_max, bytes, bytes_max, head: 0 }
    }

    /// Adds the next events, which end with the last one's sequence.
    pub fn push(&mut self, node: &NodeName, boot: BootEpoch, events: Vec<Event>) {
        let Some(last) = events.last().map(|event| event.seq) else { return };
        debug_assert!(last > self.head, "sequences go forward");
        let chunk = Chunk::new(node.clone(), boot, (self.head + 1, last), events, self.bytes.clone());
        self.head = last;
        self.events += chunk.len();
        self.chunks.push_back(Arc::new(chunk));
        self.trim();
    }

    /// Lets go of what is over a bound, but of the newest chunk.
    fn trim(&mut self) {
        let over = |ring: &Ring| ring.events > ring.events_max || ring.bytes() > ring.bytes_max;
        while over(self) && self.chunks.len() > 1 {
            if let Some(oldest) = self.chunks.pop_front() {
                self.events -= oldest.len();
            }
        }
    }

    /// Bytes of everything that is kept here or by a reader.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Forgets everything up to `head`: events are missing.
    pub fn cut(&mut self, head: Sequence) {
        self.chunks.clear();
        self.events = 0;
        self.head = head;
    }

    pub fn head(&self) -> Sequence {
        self.head
    }

    /// First sequence that is still kept; one after the head when nothing is.
    pub fn tail(&self) -> Sequence {
        self.chunks.front().map_or(self.head + 1, |chunk| chunk.first)
    }

    /// The first chunk with events after `cursor`; none when some of them are not kept any more.
    pub fn after(&mut self, cursor: Sequence) -> Option<Next> {
        // Frames that were serialised for readers since then count, too.
        self.trim();
        if cursor + 1 < self.tail() {
            return None;
        }
        let start = self.chunks.partition_point(|chunk| chunk.last <= cursor);
        Some(self.chunks.get(start).map_or(Next::Nothing, |chunk| Next::Chunk(chunk.clone())))
    }
}

#[cfg(test)]
mod tests {
    use orrery_base::hlc::Hlc;
    use orrery_base::ids::GroupId;
    use orrery_event::Fact;
    use orrery_event::choice::{Choice, Detail};
    use orrery_event::fact::EntrySummary;

    use super::super::chosen::Choices;
    use super::*;

    fn event(seq: Sequence) -> Event {
        Event { seq, hlc: Hlc(seq), wall_us: 0, fact: Fact::Started { version: "".into() } }
    }

    fn chunk(first: Sequence, last: Sequence) -> Chunk {
        Chunk::new("a".into(), 1, (first, last), (first..=last).map(event).collect(), Arc::default())
    }

    fn push(ring: &mut Ring, first: Sequence, last: Sequence) {
        ring.push(&"a".into(), 1, (first..=last).map(event).collect());
    }

    /// First sequence of what comes after a cursor: 0 where there is nothing yet, none where something is gone.
    fn after(ring: &mut Ring, cursor: Sequence) -> Option<Sequence> {
        ring.after(cursor).map(|next| match next {
            Next::Nothing => 0,
            Next::Chunk(chunk) => chunk.first,
        })
    }

    #[test]
    fn the_oldest_go_and_a_cursor_before_them_is_a_gap() {
        let mut ring = Ring::new(10, usize::MAX);
        assert_eq!((ring.tail(), ring.head()), (1, 0));
        assert_eq!(after(&mut ring, 0), Some(0));
        for start in [1, 5, 9, 13] {
            push(&mut ring, start, start + 3);
        }
        assert_eq!((ring.tail(), ring.head()), (9, 16));
        assert_eq!(after(&mut ring, 7), None);
        for (cursor, first) in [(8, 9), (10, 9), (12, 13), (16, 0)] {
            assert_eq!(after(&mut ring, cursor), Some(first), "after {cursor}");
        }
        ring.cut(20);
        assert_eq!(after(&mut ring, 16), None);
        assert_eq!((ring.tail(), ring.head()), (21, 20));
    }

    /// 32,768 events may be 32,768 tables of everything: what counts is what they take, as events and as text.
    #[test]
    fn the_bytes_are_bounded_those_too_that_were_serialised_and_those_that_a_reader_holds() {
        let large = |seq| {
            let what = "x".repeat(1_000);
            let entries = vec![EntrySummary { index: 1, term: 1, what: what.into() }; 10];
            Event {
                fact: Fact::Appended { group: GroupId::CONTROL, entries, first: 1, last: 10 },
                ..event(seq)
            }
        };
        let everything = Choices::new().choose(Choice::default()).expect("always there");
        let mut ring = Ring::new(1_000_000, 100_000);
        let mut held = Vec::new();
        for seq in 1..=50 {
            ring.push(&"a".into(), 1, vec![large(seq)]);
            let Some(Next::Chunk(chunk)) = ring.after(seq - 1) else { panic!("it was pushed") };
            assert!(chunk.encoded_after(&everything, Codec::Json, seq - 1).is_some());
            if seq <= 3 {
                held.push(chunk);
            }
        }
        assert!(ring.tail() > 30, "what was serialised is not counted: {}", ring.tail());
        assert!(ring.bytes() <= 100_000 + 25_000, "{}", ring.bytes());
        let before = ring.bytes();
        drop(held);
        assert!(ring.bytes() + 3 * 20_000 <= before, "what a reader held is not given back");
        ring.cut(60);
        assert_eq!(ring.bytes(), 0);
    }

    #[test]
    fn a_reader_in_the_middle_gets_the_rest() {
        let everything = Choices::new().choose(Choice::default()).expect("always there");
        assert_eq!(sequences(chunk(5, 8).encoded_after(&everything, Codec::Json, 6)), [7, 8]);
    }

    fn sequences(encoded: Option<Encoded>) -> Vec<Sequence> {
        let Some(Encoded::Text(text)) = encoded else { panic!("json is text") };
        let Ok(Frame::Batch(batch)) = serde_json::from_str(&text) else { panic!("a batch") };
        batch.events.iter().map(|event| event.seq).collect()
    }

    #[test]
    fn readers_with_one_choice_share_what_was_written_and_others_are_not_touched() {
        let link = |seq| Event {
            fact: Fact::LinkUp { peer: "b".into() },
            ..chunk(seq, seq).batch.events[0].clone()
        };
        let started = chunk(1, 1).batch.events[0].clone();
        let chunk = Chunk::new("a".into(), 1, (1, 3), vec![started, link(2), link(3)], Arc::default());
        let choices = Choices::new();
        let choose = |detail| choices.choose(Choice { detail, ..Choice::default() }).expect("there is room");
        let (services, everything) = (choose(Detail::Services), choose(Detail::All));
        let text = |chosen: &Chosen| match chunk.encoded_after(chosen, Codec::Json, 0) {
            Some(Encoded::Text(text)) => text,
            other => panic!("{other:?}"),
        };
        let (one, two) = (text(&services), text(&choose(Detail::Services)));
        assert_eq!(one.as_ptr(), two.as_ptr(), "written once");
        assert_eq!(sequences(Some(Encoded::Text(one))), [1]);
        assert_eq!(text(&everything).as_ptr(), text(&everything).as_ptr());
        assert_eq!(sequences(Some(Encoded::Text(text(&everything)))), [1, 2, 3]);
        let links = chunk.encoded_after(&services, Codec::Json, 1);
        assert!(links.is_none(), "nothing of the rest was chosen");
    }

    #[test]
    fn what_is_kept_for_choices_is_bounded() {
        let chunk = chunk(1, 3);
        let choices = Choices::new();
        for id in 0..40 {
            let choice = Choice { groups: Some([GroupId(id)].into()), ..Choice::default() };
            let chosen = choices.choose(choice).expect("the one before is gone");
            assert_eq!(sequences(chunk.encoded_after(&chosen, Codec::Json, 0)), [1, 2, 3]);
        }
        assert_eq!(chunk.parts.lock().len(), PARTS_MAX);
    }
}
