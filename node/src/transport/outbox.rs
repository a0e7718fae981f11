//! What waits to be written on a connection: three bounded queues, the most urgent first.

use std::collections::VecDeque;

use orrery_shared::engine::host::Urgency;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::frame::Frame;

/// Bounds of the queues, in frames: elections, normal, bulk.
const FRAMES_MAX: [usize; 3] = [256, 8_192, 64];

/// Most frames and bytes that are taken at once: what is more urgent may come while they are written.
const BATCH_FRAMES_MAX: usize = 64;
const BATCH_BYTES_MAX: usize = 64 * 1024;

/// The queues of one connection.
#[derive(Default)]
pub(super) struct Outbox {
    queues: Mutex<[VecDeque<Frame>; 3]>,
    filled: Notify,
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
            if queue.len() >= FRAMES_MAX[place] {
                queue.retain(still_wanted);
            }
            if queue.len() >= FRAMES_MAX[place] {
                return Err(Full);
            }
            queue.push_back(frame);
        }
        self.filled.notify_one();
        Ok(())
    }

    /// Waits for frames and moves some into `batch`, the most urgent first.
    pub async fn take(&self, batch: &mut Vec<Frame>) {
        loop {
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
                let Some(frame) = queue.pop_front() else { break };
                bytes += frame.payload.len();
                batch.push(frame);
            }
        }
    }

    /// Removes everything.
    pub fn drain(&self) -> Vec<Frame> {
        self.queues.lock().iter_mut().flat_map(std::mem::take).collect()
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
}
