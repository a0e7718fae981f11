//! Join handles.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::cell::SyncCell;

struct State<T> {
    output: Option<T>,
    waker: Option<Waker>,
    gone: bool,
}

/// Marks the task as gone, however it ends.
struct Guard<T>(Arc<SyncCell<State<T>>>);

impl<T> Drop for Guard<T> {
    fn drop(&mut self) {
        let waker = {
            let mut state = self.0.borrow_mut();
            state.gone = true;
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Resolves to a task's output. Dropping it lets the task go on.
pub struct SimJoin<T>(Arc<SyncCell<State<T>>>);

/// A handle and the future that reports to it.
pub(super) fn pair<T: Send + 'static>(
    future: impl Future<Output = T> + Send + 'static,
) -> (SimJoin<T>, impl Future<Output = ()> + Send + 'static) {
    let state = Arc::new(SyncCell::new(State { output: None, waker: None, gone: false }));
    let guard = Guard(state.clone());
    let task = async move {
        let output = future.await;
        guard.0.borrow_mut().output = Some(output);
        drop(guard);
    };
    (SimJoin(state), task)
}

impl<T> Future for SimJoin<T> {
    type Output = Result<T, TaskKilled>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.0.borrow_mut();
        if let Some(output) = state.output.take() {
            return Poll::Ready(Ok(output));
        }
        if state.gone {
            return Poll::Ready(Err(TaskKilled));
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

/// The task was killed with its group.
#[derive(Debug)]
pub struct TaskKilled;

impl fmt::Display for TaskKilled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the task was killed")
    }
}
