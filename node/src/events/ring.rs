//! The last events, in chunks that are serialised at most once per codec.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use axum::extract::ws::Utf8Bytes;
use bytes::Bytes;
use orrery_shared::event::Event;
use orrery_shared::event::stream::{Batch, Frame};
use orrery_shared::ids::{BootEpoch, NodeName, Sequence};

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
}

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

    /// The part after `cursor`: for a reader that comes in in the middle.
    pub fn encoded_after(&self, codec: Codec, cursor: Sequence) -> Encoded {
        if cursor < self.first {
            return self.encoded(codec);
        }
        let mut batch = self.batch.clone();
        batch.events.retain(|event| event.seq > cursor);
        Encoded::of(codec, &Frame::Batch(batch))
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
    use orrery_shared::hlc::Hlc;

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
        let Encoded::Text(text) = chunk(5, 8).encoded_after(Codec::Json, 6) else { panic!("json is text") };
        let Ok(Frame::Batch(batch)) = serde_json::from_str(&text) else { panic!("a batch") };
        assert_eq!(batch.events.iter().map(|event| event.seq).collect::<Vec<_>>(), [7, 8]);
    }
}
