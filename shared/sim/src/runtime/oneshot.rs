//! Channels for one value.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use openraft::rt::{self, OptionalSend};

use super::cell::SyncCell;

struct State<T> {
    value: Option<T>,
    sender_alive: bool,
    receiver_alive: bool,
    waker: Option<Waker>,
}

/// openraft's view of these channels.
pub struct SimOneshot;

pub struct Sender<T>(Arc<SyncCell<State<T>>>);

/// Resolves to the value.
pub struct Receiver<T>(Arc<SyncCell<State<T>>>);

/// The sender went without sending.
#[derive(Debug)]
pub struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the sender is gone")
    }
}

impl std::error::Error for Closed {}

impl rt::Oneshot for SimOneshot {
    type Sender<T: OptionalSend> = Sender<T>;
    type Receiver<T: OptionalSend> = Receiver<T>;
    type ReceiverError = Closed;

    fn channel<T: OptionalSend>() -> (Sender<T>, Receiver<T>) {
        let state = Arc::new(SyncCell::new(State {
            value: None,
            sender_alive: true,
            receiver_alive: true,
            waker: None,
        }));
        (Sender(state.clone()), Receiver(state))
    }
}

impl<T: OptionalSend> rt::OneshotSender<T> for Sender<T> {
    fn send(self, value: T) -> Result<(), T> {
        let mut state = self.0.borrow_mut();
        if !state.receiver_alive {
            return Err(value);
        }
        state.value = Some(value);
        // Dropping the sender wakes the receiver.
        Ok(())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = self.0.borrow_mut();
        state.sender_alive = false;
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let value = {
            let mut state = self.0.borrow_mut();
            state.receiver_alive = false;
            state.value.take()
        };
        drop(value);
    }
}

impl<T> Future for Receiver<T> {
    type Output = Result<T, Closed>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.0.borrow_mut();
        if let Some(value) = state.value.take() {
            return Poll::Ready(Ok(value));
        }
        if !state.sender_alive {
            return Poll::Ready(Err(Closed));
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }
}
