//! Instants, sleeps and time-outs on the virtual clock.

use std::fmt;
use std::future::Future;
use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use openraft::rt;

use super::executor::{Core, current};

/// Virtual nanoseconds since the simulation's beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SimInstant(pub u64);

fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Add<Duration> for SimInstant {
    type Output = Self;
    fn add(self, duration: Duration) -> Self {
        SimInstant(self.0.saturating_add(ns(duration)))
    }
}

impl AddAssign<Duration> for SimInstant {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl Sub<Duration> for SimInstant {
    type Output = Self;
    fn sub(self, duration: Duration) -> Self {
        SimInstant(self.0.saturating_sub(ns(duration)))
    }
}

impl SubAssign<Duration> for SimInstant {
    fn sub_assign(&mut self, duration: Duration) {
        *self = *self - duration;
    }
}

impl Sub for SimInstant {
    type Output = Duration;
    fn sub(self, other: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(other.0))
    }
}

impl rt::Instant for SimInstant {
    fn now() -> Self {
        SimInstant(current().now_ns.get())
    }
}

/// Resolves at a moment of the virtual clock.
pub struct SimSleep {
    core: Arc<Core>,
    at_ns: u64,
    timer: Option<(u64, u64)>,
}

impl SimSleep {
    pub(super) fn until(at: SimInstant) -> Self {
        SimSleep { core: current(), at_ns: at.0, timer: None }
    }

    fn clear(&mut self) {
        if let Some(timer) = self.timer.take() {
            self.core.timers.borrow_mut().remove(&timer);
        }
    }
}

impl Future for SimSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.clear();
        if self.core.now_ns.get() >= self.at_ns {
            return Poll::Ready(());
        }
        let timer = (self.at_ns, self.core.next_number());
        self.core.timers.borrow_mut().insert(timer, context.waker().clone());
        self.timer = Some(timer);
        Poll::Pending
    }
}

impl Drop for SimSleep {
    fn drop(&mut self) {
        self.clear();
    }
}

/// The time was over first.
#[derive(Debug)]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time is over")
    }
}

/// A future with an end.
pub struct SimTimeout<F> {
    future: Pin<Box<F>>,
    sleep: SimSleep,
}

impl<F> SimTimeout<F> {
    pub(super) fn new(future: F, sleep: SimSleep) -> Self {
        SimTimeout { future: Box::pin(future), sleep }
    }
}

impl<F: Future> Future for SimTimeout<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(output) = self.future.as_mut().poll(context) {
            return Poll::Ready(Ok(output));
        }
        Pin::new(&mut self.sleep).poll(context).map(|()| Err(Elapsed))
    }
}
