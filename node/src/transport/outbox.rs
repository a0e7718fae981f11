//! What waits to be written on a connection: three bounded queues, the most urgent first.

use std::collections::VecDeque;

use orrery_engine::host::Urgency;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::yield_now;

use super::frame::Frame;

/// Bounds of the queues, in frames: elections, normal, bulk.
const FRAMES_MAX: [usize; 3] = [256, 8_192, 64];

/// Bound of each queue in bytes, unless a frame waits alone: messages may be large.
const BYTES_MAX: usize = 64 * 1024 * 1024;

/// Most frames and bytes that are taken at once: what is more urgent may come while they are written.
const BATCH_FRAMES_MAX: usize = 64;
const BATCH_BYTES_MAX: usize = 64 * 1024;

/// The queues of one connection.
#[derive(Default)]
pub(super) struct Outbox {
    queues: Mutex<[Queue; 3]>,
    filled: Notify,
}

#[derive(Default)]
struct Queue {
    frames: VecDeque<Frame>,
    bytes: usize,
}

impl Queue {
    fn has_room(&self, frames_max: usize, bytes: usize) -> bool {
        self.frames.is_empty() || (self.frames.len() < frames_max && self.bytes + bytes <= BYTES_MAX)
    }

    fn push(&mut self, frame: Frame) {
        self.bytes += frame.payload.len();
        self.frames.push_back(frame);
    }

    fn pop(&mut self) -> Option<Frame> {
        let frame = self.frames.pop_front()?;
        self.bytes -= frame.payload.len();
        Some(frame)
    }

    fn retain(&mut self, wanted: impl Fn(&Frame) -> bool) {
        self.frames.retain(wanted);
        self.bytes = self.frames.iter().map(|frame| frame.payload.len()).sum();
    }
}

/// The queue for that urgency is full.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

fn place(urgency: Urgency) -> usize {
    match urgency {
        Urgency::Election => 0,
        Urgency::Normal => 1,
        Urgency::Bulk => 2,
    }
}

impl Outbox {
    /// Adds a frame. When its queue is full, frames that nobody waits for any more go first.
    pub fn push(&self, frame: Frame, still_wanted: impl Fn(&Frame) -> bool) -> Result<(), Full> {
        let place = place(frame.urgency);
        {
            let queue = &mut self.queues.lock()[place];
            let (frames_max, bytes) = (FRAMES_MAX[place], frame.payload.len());
            if !queue.has_room(frames_max, bytes) {
                queue.retain(still_wanted);
            }
            if !queue.has_room(frames_max, bytes) {
                return Err(Full);
            }
            queue.push(frame);
        }
        self.filled.notify_one();
        Ok(())
    }

    /// Waits for frames and moves some into `batch`, the most urgent first.
    ///
    /// The runtime runs a woken task before those that were ready already. So this yields once first: otherwise, under
    /// load, every frame would be a batch and a system call of its own.
    pub async fn take(&self, batch: &mut Vec<Frame>) {
        loop {
            yield_now().await;
            self.take_now(batch);
            if !batch.is_empty() {
                return;
            }
            self.filled.notified().await;
        }
    }

    fn take_now(&self, batch: &mut Vec<Frame>) {
        let mut queues = self.queues.lock();
        let mut bytes = 0;
        for queue in queues.iter_mut() {
            while batch.len() < BATCH_FRAMES_MAX && bytes < BATCH_BYTES_MAX {
                let Some(frame) = queue.pop() else { break };
                bytes += frame.payload.len();
                batch.push(frame);
            }
        }
    }

    pub fn drain(&self) -> Vec<Frame> {
        self.queues.lock().iter_mut().flat_map(|queue| std::mem::take(queue).frames).collect()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::frame::Kind;
    use super::*;

    fn frame(urgency: Urgency, id: u64) -> Frame {
        Frame { kind: Kind::Request, urgency, id, payload: Bytes::new() }
    }

    #[tokio::test]
    async fn the_urgent_overtakes() {
        let outbox = Outbox::default();
        for (urgency, id) in
            [(Urgency::Bulk, 1), (Urgency::Normal, 2), (Urgency::Election, 3), (Urgency::Normal, 4)]
        {
            assert_eq!(outbox.push(frame(urgency, id), |_| true), Ok(()));
        }
        let mut batch = Vec::new();
        outbox.take(&mut batch).await;
        assert_eq!(batch.iter().map(|frame| frame.id).collect::<Vec<_>>(), [3, 2, 4, 1]);
    }

    #[test]
    fn a_full_queue_says_so_and_forgets_the_unwanted_first() {
        let outbox = Outbox::default();
        for id in 0..FRAMES_MAX[2] as u64 {
            assert_eq!(outbox.push(frame(Urgency::Bulk, id), |_| true), Ok(()));
        }
        assert_eq!(outbox.push(frame(Urgency::Bulk, 999), |_| true), Err(Full));
        assert_eq!(outbox.push(frame(Urgency::Election, 999), |_| true), Ok(()), "its own queue has room");
        assert_eq!(outbox.push(frame(Urgency::Bulk, 999), |frame| frame.id != 7), Ok(()));
        assert_eq!(outbox.drain().len(), FRAMES_MAX[2] + 1);
    }

    #[tokio::test]
    async fn large_frames_fill_a_queue_too() {
        let outbox = Outbox::default();
        let half = Bytes::from(vec![0; BYTES_MAX / 2]);
        let large = |id| Frame { payload: half.clone(), ..frame(Urgency::Normal, id) };
        assert_eq!([1, 2, 3].map(|id| outbox.push(large(id), |_| true)), [Ok(()), Ok(()), Err(Full)]);
        assert_eq!(outbox.push(large(4), |frame| frame.id != 1), Ok(()), "the unwanted made room");
        let mut batch = Vec::new();
        outbox.take(&mut batch).await;
        assert_eq!(batch.iter().map(|frame| frame.id).collect::<Vec<_>>(), [2]);
        assert_eq!(outbox.push(large(5), |_| true), Ok(()), "what was taken made room");
        outbox.drain();
        let alone = Frame { payload: Bytes::from(vec![0; BYTES_MAX + 1]), ..frame(Urgency::Normal, 6) };
        assert_eq!(outbox.push(alone, |_| true), Ok(()), "it waits alone");
    }
}
