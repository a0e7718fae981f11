//! Channels that keep only the last value.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker};

use openraft::rt::{self, OptionalSend, OptionalSync};

use super::cell::{ReadCell, ReadGuard, SyncCell};

struct Watched<T> {
    value: ReadCell<T>,
    counts: SyncCell<Counts>,
    waiting: SyncCell<BTreeMap<u64, Waker>>,
}

#[derive(Default)]
struct Counts {
    version: u64,
    senders: usize,
    receivers: usize,
    next_receiver: u64,
}

impl<T> Watched<T> {
    fn changed(&self) {
        self.counts.borrow_mut().version += 1;
        self.wake_all();
    }

    fn wake_all(&self) {
        self.waiting.take().into_values().for_each(Waker::wake);
    }

    fn receiver(self: &Arc<Self>, seen: u64) -> Receiver<T> {
        let mut counts = self.counts.borrow_mut();
        counts.receivers += 1;
        counts.next_receiver += 1;
        Receiver { watched: self.clone(), seen, number: counts.next_receiver }
    }
}

/// openraft's view of these channels.
pub struct SimWatch;

pub struct Sender<T>(Arc<Watched<T>>);

/// Sees the last value and waits for the next one.
pub struct Receiver<T> {
    watched: Arc<Watched<T>>,
    seen: u64,
    number: u64,
}

impl rt::Watch for SimWatch {
    type Sender<T: OptionalSend + OptionalSync> = Sender<T>;
    type Receiver<T: OptionalSend + OptionalSync> = Receiver<T>;
    type Ref<'a, T: OptionalSend + 'a> = ReadGuard<'a, T>;

    fn channel<T: OptionalSend + OptionalSync>(first: T) -> (Sender<T>, Receiver<T>) {
        let watched = Arc::new(Watched {
            value: ReadCell::new(first),
            counts: SyncCell::new(Counts { senders: 1, ..Counts::default() }),
            waiting: SyncCell::default(),
        });
        let receiver = watched.receiver(0);
        (Sender(watched), receiver)
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.counts.borrow_mut().senders += 1;
        Sender(self.0.clone())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let last = {
            let mut counts = self.0.counts.borrow_mut();
            counts.senders -= 1;
            counts.senders == 0
        };
        if last {
            self.0.wake_all();
        }
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        self.watched.receiver(self.seen)
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.watched.counts.borrow_mut().receivers -= 1;
        self.watched.waiting.borrow_mut().remove(&self.number);
    }
}

impl<T: OptionalSend + OptionalSync> rt::WatchSender<SimWatch, T> for Sender<T> {
    fn send(&self, value: T) -> Result<(), rt::watch::SendError<T>> {
        if self.0.counts.borrow_mut().receivers == 0 {
            return Err(rt::watch::SendError(value));
        }
        let before = std::mem::replace(&mut *self.0.value.write(), value);
        self.0.changed();
        drop(before);
        Ok(())
    }

    fn send_if_modified<F: FnOnce(&mut T) -> bool>(&self, modify: F) -> bool {
        let modified = modify(&mut self.0.value.write());
        if modified {
            self.0.changed();
        }
        modified
    }

    fn borrow_watched(&self) -> ReadGuard<'_, T> {
        self.0.value.read()
    }

    fn subscribe(&self) -> Receiver<T> {
        let seen = self.0.counts.borrow_mut().version;
        self.0.receiver(seen)
    }
}

impl<T: OptionalSend + OptionalSync> rt::WatchReceiver<SimWatch, T> for Receiver<T> {
    async fn changed(&mut self) -> Result<(), rt::watch::RecvError> {
        poll_fn(|context| {
            let (version, senders) = {
                let counts = self.watched.counts.borrow_mut();
                (counts.version, counts.senders)
            };
            if self.seen != version {
                self.seen = version;
                return Poll::Ready(Ok(()));
            }
            if senders == 0 {
                return Poll::Ready(Err(rt::watch::RecvError(())));
            }
            self.watched.waiting.borrow_mut().insert(self.number, context.waker().clone());
            Poll::Pending
        })
        .await
    }

    fn borrow_watched(&self) -> ReadGuard<'_, T> {
        self.watched.value.read()
    }

    fn borrow_and_update(&mut self) -> ReadGuard<'_, T> {
        self.seen = self.watched.counts.borrow_mut().version;
        self.watched.value.read()
    }
}
