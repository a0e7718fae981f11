//! The election time-out that openraft draws, seen from outside.
//!
//! openraft asks its runtime for randomness where it draws one, and that call can be told apart from others by the
//! source file that it comes from (`thread_rng` is `#[track_caller]`). So openraft runs on a thin runtime around
//! the host's: all it adds is that a task knows its group, and that a draw in such a task is reported.

use std::cell::RefCell;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use openraft::{AsyncRuntime, OptionalSend};
use rand::{Rng, TryRng};

/// Where openraft draws election time-outs.
const DRAWN_IN: &str = "engine_config.rs";

/// Hears the raw random number of each draw.
pub type Sink = Arc<dyn Fn(u64) + Send + Sync>;

thread_local! {
    /// Of the task that runs now.
    static SINK: RefCell<Option<Sink>> = const { RefCell::new(None) };
}

/// What was drawn from `min..max` with this random number: the upper half of the product, as `rand` does it. (With
/// a chance of less than 1 in 10^16 it draws once more; then this is one too low.)
pub fn drawn(random: u64, min: u64, max: u64) -> u64 {
    min + ((u128::from(random) * u128::from(max - min)) >> 64) as u64
}

/// Runs a future, and everything that it spawns on [`Traced`], with a sink.
pub struct Scoped<F> {
    sink: Option<Sink>,
    future: Pin<Box<F>>,
}

impl<F> Scoped<F> {
    /// With this sink.
    pub fn new(sink: Sink, future: F) -> Self {
        Scoped { sink: Some(sink), future: Box::pin(future) }
    }
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let before = SINK.with(|sink| sink.replace(self.sink.clone()));
        let polled = self.future.as_mut().poll(context);
        SINK.with(|sink| sink.replace(before));
        polled
    }
}

/// The host's runtime, as openraft sees it.
pub struct Traced<R>(R);

impl<R> fmt::Debug for Traced<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Traced")
    }
}

impl<R: AsyncRuntime> AsyncRuntime for Traced<R> {
    type JoinError = R::JoinError;
    type JoinHandle<T: OptionalSend + 'static> = R::JoinHandle<T>;
    type Sleep = R::Sleep;
    type Instant = R::Instant;
    type TimeoutError = R::TimeoutError;
    type Timeout<T, F: Future<Output = T> + OptionalSend> = R::Timeout<T, F>;
    type ThreadLocalRng = TracedRng<R::ThreadLocalRng>;
    type Mpsc = R::Mpsc;
    type Watch = R::Watch;
    type Oneshot = R::Oneshot;
    type Mutex<T: OptionalSend + 'static> = R::Mutex<T>;

    #[track_caller]
    fn spawn<T>(future: T) -> Self::JoinHandle<T::Output>
    where
        T: Future + OptionalSend + 'static,
        T::Output: OptionalSend + 'static,
    {
        let sink = SINK.with(|sink| sink.borrow().clone());
        R::spawn(Scoped { sink, future: Box::pin(future) })
    }

    #[track_caller]
    fn sleep(duration: Duration) -> Self::Sleep {
        R::sleep(duration)
    }

    #[track_caller]
    fn sleep_until(deadline: Self::Instant) -> Self::Sleep {
        R::sleep_until(deadline)
    }

    #[track_caller]
    fn timeout<T, F: Future<Output = T> + OptionalSend>(
        duration: Duration,
        future: F,
    ) -> Self::Timeout<T, F> {
        R::timeout(duration, future)
    }

    #[track_caller]
    fn timeout_at<T, F: Future<Output = T> + OptionalSend>(
        deadline: Self::Instant,
        future: F,
    ) -> Self::Timeout<T, F> {
        R::timeout_at(deadline, future)
    }

    fn is_panic(error: &Self::JoinError) -> bool {
        R::is_panic(error)
    }

    #[track_caller]
    fn thread_rng() -> Self::ThreadLocalRng {
        let election = Location::caller().file().ends_with(DRAWN_IN);
        let sink = if election { SINK.with(|sink| sink.borrow().clone()) } else { None };
        TracedRng { inner: R::thread_rng(), sink }
    }

    fn new(threads: usize) -> Self {
        Traced(R::new(threads))
    }

    fn block_on<F, T>(&mut self, future: F) -> T
    where
        F: Future<Output = T>,
    {
        self.0.block_on(future)
    }
}

/// Random numbers; the first one is reported where it is an election's.
pub struct TracedRng<G> {
    inner: G,
    sink: Option<Sink>,
}

impl<G: Rng> TryRng for TracedRng<G> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.inner.next_u32())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let random = self.inner.next_u64();
        if let Some(sink) = self.sink.take() {
            sink(random);
        }
        Ok(random)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.inner.fill_bytes(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use openraft_rt_tokio::TokioRuntime;
    use rand::RngExt;

    use super::*;

    #[test]
    fn the_draw_is_known_from_its_random_number() {
        let mut inner = rand::rng();
        for _ in 0..1_000 {
            let heard = Arc::new(Mutex::new(0));
            let sink: Sink = {
                let heard = heard.clone();
                Arc::new(move |random| *heard.lock().expect("no panic") = random)
            };
            let mut rng = TracedRng { inner: &mut inner, sink: Some(sink) };
            let value = rng.random_range(132..220u64);
            assert_eq!(drawn(*heard.lock().expect("no panic"), 132, 220), value);
        }
    }

    /// openraft's own runtime suite: the wrapper changes nothing.
    #[test]
    fn the_traced_runtime_conforms() {
        openraft::rt::testing::Suite::<Traced<TokioRuntime>>::test_all();
    }
}
