//! The last events, in chunks that are serialised at most once per codec and choice.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use axum::extract::ws::Utf8Bytes;
use bytes::Bytes;
use orrery_shared::event::Event;
use orrery_shared::event::stream::{Batch, Frame};
use orrery_shared::ids::{BootEpoch, NodeName, Sequence};
use parking_lot::Mutex;

use super::chosen::{CHOICES_MAX, Chosen};

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

/// Consecutive events. `first..=last` is what they stand for: a burst stands for many sequences.
pub(super) struct Chunk {
    pub first: Sequence,
    pub last: Sequence,
    batch: Batch,
    json: OnceLock<Encoded>,
    postcard: OnceLock<Encoded>,
    /// What readers see that chose less; the oldest go first.
    parts: Mutex<Vec<Part>>,
}

/// A chunk for one choice and codec; none where nothing of it was chosen.
struct Part {
    choice: u64,
    codec: Codec,
    encoded: Option<Encoded>,
}

/// Choices that are in use at one time have room, each in both codecs.
const PARTS_MAX: usize = CHOICES_MAX * 2;

impl Chunk {
    pub fn new(
        node: NodeName,
        boot: BootEpoch,
        first: Sequence,
        last: Sequence,
        events: Vec<Event>,
    ) -> Chunk {
        debug_assert!(first <= last, "empty chunk");
        Chunk {
            first,
            last,
            batch: Batch { node, boot, events },
            json: OnceLock::new(),
            postcard: OnceLock::new(),
            parts: Mutex::default(),
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
        once.get_or_init(|| Encoded::of(codec, &Frame::Batch(self.batch.clone()))).clone()
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
            parts.remove(0);
        }
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

/// A bounded number of events; the oldest chunks go first.
pub(super) struct Ring {
    chunks: VecDeque<Arc<Chunk>>,
    events: usize,
    events_max: usize,
    /// Last sequence that is in, or was.
    head: Sequence,
}

impl Ring {
    pub fn new(events_max: usize) -> Ring {
        Ring { chunks: VecDeque::new(), events: 0, events_max, head: 0 }
    }

    /// Adds the next chunk.
    pub fn push(&mut self, chunk: Chunk) {
        debug_assert!(chunk.first > self.head, "sequences go forward");
        self.head = chunk.last;
        self.events += chunk.len();
        self.chunks.push_back(Arc::new(chunk));
        while self.events > self.events_max && self.chunks.len() > 1 {
            if let Some(oldest) = self.chunks.pop_front() {
                self.events -= oldest.len();
            }
        }
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

    /// The chunks with events after `cursor`, at most `max`; none when some of them are not kept any more.
    pub fn after(&self, cursor: Sequence, max: usize) -> Option<Vec<Arc<Chunk>>> {
        if cursor + 1 < self.tail() {
            return None;
        }
        let start = self.chunks.partition_point(|chunk| chunk.last <= cursor);
        Some(self.chunks.iter().skip(start).take(max).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use orrery_shared::event::Fact;
    use orrery_shared::event::choice::{Choice, Detail};
    use orrery_shared::hlc::Hlc;
    use orrery_shared::ids::GroupId;

    use super::super::chosen::Choices;
    use super::*;

    fn chunk(first: Sequence, last: Sequence) -> Chunk {
        let event =
            |seq| Event { seq, hlc: Hlc(seq), wall_us: 0, fact: Fact::Started { version: "".into() } };
        Chunk::new("a".into(), 1, first, last, (first..=last).map(event).collect())
    }

    #[test]
    fn the_oldest_go_and_a_cursor_before_them_is_a_gap() {
        let mut ring = Ring::new(10);
        assert_eq!((ring.tail(), ring.head()), (1, 0));
        assert!(ring.after(0, 9).is_some_and(|chunks| chunks.is_empty()));
        for start in [1, 5, 9, 13] {
            ring.push(chunk(start, start + 3));
        }
        assert_eq!((ring.tail(), ring.head()), (9, 16));
        assert!(ring.after(7, 9).is_none());
        let firsts =
            |cursor| ring.after(cursor, 9).map(|list| list.iter().map(|c| c.first).collect::<Vec<_>>());
        assert_eq!(firsts(8), Some(vec![9, 13]));
        assert_eq!(firsts(10), Some(vec![9, 13]));
        assert_eq!(firsts(12), Some(vec![13]));
        assert_eq!(firsts(16), Some(vec![]));
        ring.cut(20);
        assert!(ring.after(16, 9).is_none());
        assert_eq!((ring.tail(), ring.head()), (21, 20));
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
        let chunk = Chunk::new("a".into(), 1, 1, 3, vec![started, link(2), link(3)]);
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
