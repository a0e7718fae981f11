//! Bounded channels with many senders.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::sync::{Arc, Weak};
use std::task::{Poll, Waker};

use openraft::rt::{self, OptionalSend};

use super::cell::SyncCell;

struct Channel<T> {
    queue: VecDeque<T>,
    capacity: usize,
    senders: usize,
    receiver_alive: bool,
    receiver: Option<Waker>,
    /// Senders that wait for room.
    waiting: VecDeque<Waker>,
}

type Shared<T> = Arc<SyncCell<Channel<T>>>;

/// openraft's view of these channels.
pub struct SimMpsc;

/// Sends; waits while the channel is full.
pub struct Sender<T>(Shared<T>);
pub struct Receiver<T>(Shared<T>);
/// A sender that does not keep the channel open.
pub struct WeakSender<T>(Weak<SyncCell<Channel<T>>>);

impl rt::Mpsc for SimMpsc {
    type Sender<T: OptionalSend> = Sender<T>;
    type Receiver<T: OptionalSend> = Receiver<T>;
    type WeakSender<T: OptionalSend> = WeakSender<T>;

    fn channel<T: OptionalSend>(buffer: usize) -> (Sender<T>, Receiver<T>) {
        let channel = Arc::new(SyncCell::new(Channel {
            queue: VecDeque::new(),
            capacity: buffer.max(1),
            senders: 1,
            receiver_alive: true,
            receiver: None,
            waiting: VecDeque::new(),
        }));
        (Sender(channel.clone()), Receiver(channel))
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.borrow_mut().senders += 1;
        Sender(self.0.clone())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut channel = self.0.borrow_mut();
        channel.senders -= 1;
        if channel.senders == 0
            && let Some(receiver) = channel.receiver.take()
        {
            receiver.wake();
        }
    }
}

impl<T> Clone for WeakSender<T> {
    fn clone(&self) -> Self {
        WeakSender(self.0.clone())
    }
}

impl<T: OptionalSend> rt::MpscWeakSender<SimMpsc, T> for WeakSender<T> {
    fn upgrade(&self) -> Option<Sender<T>> {
        let channel = self.0.upgrade()?;
        {
            let mut open = channel.borrow_mut();
            if open.senders == 0 {
                return None;
            }
            open.senders += 1;
        }
        Some(Sender(channel))
    }
}

impl<T: OptionalSend> rt::MpscSender<SimMpsc, T> for Sender<T> {
    fn send(&self, message: T) -> impl Future<Output = Result<(), rt::SendError<T>>> + OptionalSend {
        let mut message = Some(message);
        poll_fn(move |context| {
            let mut channel = self.0.borrow_mut();
            if channel.receiver_alive && channel.queue.len() >= channel.capacity {
                channel.waiting.push_back(context.waker().clone());
                return Poll::Pending;
            }
            let message = message.take().expect("not polled again after it was ready");
            if !channel.receiver_alive {
                return Poll::Ready(Err(rt::SendError(message)));
            }
            channel.queue.push_back(message);
            if let Some(receiver) = channel.receiver.take() {
                receiver.wake();
            }
            Poll::Ready(Ok(()))
        })
    }

    fn downgrade(&self) -> WeakSender<T> {
        WeakSender(Arc::downgrade(&self.0))
    }
}

impl<T> Channel<T> {
    fn pop(&mut self) -> Option<T> {
        let message = self.queue.pop_front()?;
        // All of them: one may have been cancelled. They are woken in the order in which they waited.
        self.waiting.drain(..).for_each(Waker::wake);
        Some(message)
    }
}

impl<T: OptionalSend> rt::MpscReceiver<T> for Receiver<T> {
    fn recv(&mut self) -> impl Future<Output = Option<T>> + OptionalSend {
        poll_fn(|context| {
            let mut channel = self.0.borrow_mut();
            if let Some(message) = channel.pop() {
                return Poll::Ready(Some(message));
            }
            if channel.senders == 0 {
                return Poll::Ready(None);
            }
            channel.receiver = Some(context.waker().clone());
            Poll::Pending
        })
    }

    fn try_recv(&mut self) -> Result<T, rt::TryRecvError> {
        let mut channel = self.0.borrow_mut();
        match channel.pop() {
            Some(message) => Ok(message),
            None if channel.senders == 0 => Err(rt::TryRecvError::Disconnected),
            None => Err(rt::TryRecvError::Empty),
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let queue = {
            let mut channel = self.0.borrow_mut();
            channel.receiver_alive = false;
            channel.waiting.drain(..).for_each(Waker::wake);
            std::mem::take(&mut channel.queue)
        };
        // Outside of the borrow: messages may hold senders of this very channel.
        drop(queue);
    }
}
