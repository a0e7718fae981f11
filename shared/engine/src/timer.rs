//! openraft's timers, seen and held from outside.
//!
//! openraft asks its runtime for randomness where it draws an election time-out, and for sleep where it ticks; those
//! calls can be told apart from others by the source file that they come from (they are `#[track_caller]`). So openraft
//! runs on a thin runtime around the host's: all it adds is that a task knows its group's [`Timers`], that a draw in such
//! a task is reported, that a tick waits for the next line of a grid that all groups of a node share, and that answers of
//! peers are waited for as long as their links take.

use std::cell::RefCell;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use openraft::{AsyncRuntime, Instant, OptionalSend};
use orrery_base::ids::NodeId;
use rand::{Rng, TryRng};

/// Where openraft draws election time-outs.
const DRAWN_IN: &str = "engine_config.rs";

/// Where openraft sleeps between two ticks.
const TICKED_IN: &str = "tick.rs";

/// Where openraft waits for answers to heartbeats and to requests for votes: for its tick's or its shortest time-out, however
/// long the way is.
const ANSWERED_IN: [&str; 2] = ["worker.rs", "raft_core.rs"];

/// Hears the raw random number of each draw.
pub type Sink = Arc<dyn Fn(u64) + Send + Sync>;

/// What a group's tasks know of its timers.
#[derive(Clone)]
pub struct Timers {
    pub drawn: Sink,
    /// From the time that openraft wants to sleep between two ticks to the time that it sleeps.
    pub tick: Arc<dyn Fn(Duration) -> Duration + Send + Sync>,
    /// How long an answer to a heartbeat or a request for a vote is waited for at least: the links know better when it is lost.
    pub answer: Duration,
}

thread_local! {
    /// Of the task that runs now.
    static TIMERS: RefCell<Option<Timers>> = const { RefCell::new(None) };
}

/// The moments at which everything of one node that only looks after time wakes up, openraft's ticks first of all.
///
/// openraft ticks about five times in a heartbeat, in each group. A node needs no more than two: the second tick
/// after a heartbeat finds the next due, and an election is at most one tick late. And groups that tick at the same
/// moments wake an idle node once for all of them.
#[derive(Clone, Copy, Debug)]
pub struct Grid {
    period_us: u64,
    phase_us: u64,
}

impl Grid {
    /// A node's, for this heartbeat. Each node has a phase of its own: nodes of one machine share its clock, and time-outs
    /// that end at the same moments would collide more often. Steps of the golden ratio lie apart however many they are.
    pub fn new(heartbeat: Duration, node: NodeId) -> Self {
        // Just over a half: a heartbeat that is due at the tick itself would wait for one more.
        let period_us = (heartbeat.as_micros() as u64 * 9 / 16).max(1);
        let step = node.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        Grid { period_us, phase_us: period_us.saturating_mul(step) >> 32 }
    }

    /// Time to sleep at `now_us` for a wish of `wish`, so that it ends at one of the moments. A wish of less than a
    /// microsecond counts as one: where time moves only while everybody sleeps, a ticker that does not sleep never ends.
    pub fn sleep(self, now_us: u64, wish: Duration) -> Duration {
        let now_us = now_us.saturating_add(self.phase_us);
        let due_us = now_us.saturating_add(wish.as_nanos().div_ceil(1_000) as u64);
        Duration::from_micros(due_us.div_ceil(self.period_us).saturating_mul(self.period_us) - now_us)
    }
}

/// What was drawn from `min..max` with this random number: the upper half of the product, as `rand` does it. (With
/// a chance of less than 1 in 10^16 it draws once more; then this is one too low.)
pub fn drawn(random: u64, min: u64, max: u64) -> u64 {
    min + ((u128::from(random) * u128::from(max - min)) >> 64) as u64
}

/// Runs a future, and everything that it spawns on [`Traced`], with these timers.
pub struct Scoped<F> {
    timers: Option<Timers>,
    future: Pin<Box<F>>,
}

impl<F> Scoped<F> {
    pub fn new(timers: Timers, future: F) -> Self {
        Scoped { timers: Some(timers), future: Box::pin(future) }
    }
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let before = TIMERS.with(|timers| timers.replace(self.timers.clone()));
        let polled = self.future.as_mut().poll(context);
        TIMERS.with(|timers| timers.replace(before));
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
        let timers = TIMERS.with(|timers| timers.borrow().clone());
        R::spawn(Scoped { timers, future: Box::pin(future) })
    }

    #[track_caller]
    fn sleep(duration: Duration) -> Self::Sleep {
        R::sleep(duration)
    }

    #[track_caller]
    fn sleep_until(deadline: Self::Instant) -> Self::Sleep {
        if Location::caller().file().ends_with(TICKED_IN)
            && let Some(timers) = TIMERS.with(|timers| timers.borrow().clone())
        {
            let now = R::Instant::now();
            let wish = if deadline > now { deadline - now } else { Duration::ZERO };
            return R::sleep_until(now + (timers.tick)(wish));
        }
        R::sleep_until(deadline)
    }

    #[track_caller]
    fn timeout<T, F: Future<Output = T> + OptionalSend>(
        duration: Duration,
        future: F,
    ) -> Self::Timeout<T, F> {
        // Not in the closure: it has another caller.
        let caller = Location::caller().file();
        let waits = ANSWERED_IN.iter().any(|file| caller.ends_with(file));
        let answer = if waits { TIMERS.with(|timers| Some(timers.borrow().as_ref()?.answer)) } else { None };
        R::timeout(answer.map_or(duration, |answer| duration.max(answer)), future)
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
        let timers = if election { TIMERS.with(|timers| timers.borrow().clone()) } else { None };
        let sink = timers.map(|timers| timers.drawn);
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
    #[allow(clippy::disallowed_methods)]
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

    #[test]
    fn sleeps_end_on_the_grid() {
        let (ms, grid) = (Duration::from_millis, Grid { period_us: 24_000, phase_us: 0 });
        for (now_ms, wish, slept) in
            [(0, 8, 24), (24, 8, 24), (30, 8, 18), (30, 18, 18), (30, 19, 42), (48, 0, 0)]
        {
            assert_eq!(grid.sleep(now_ms * 1_000, ms(wish)), ms(slept), "{now_ms} {wish}");
        }
        assert_eq!(grid.sleep(48_000, Duration::from_nanos(1)), ms(24), "a moment is not nothing");
        let later = Grid { phase_us: 5_000, ..grid };
        assert_eq!(later.sleep(19_000, ms(8)), ms(24), "its moments are 19 ms, 43 ms, ...");
    }

    #[test]
    fn neighbours_wake_apart() {
        let mut grids: Vec<Grid> =
            (1..=5).map(|id| Grid::new(Duration::from_millis(44), NodeId(id))).collect();
        assert!(grids.iter().all(|grid| grid.period_us == 24_750 && grid.phase_us < 24_750), "{grids:?}");
        grids.sort_unstable_by_key(|grid| grid.phase_us);
        assert!(grids.windows(2).all(|pair| pair[1].phase_us - pair[0].phase_us > 2_000), "{grids:?}");
    }

    /// openraft's own runtime suite: the wrapper changes nothing.
    #[test]
    fn the_traced_runtime_conforms() {
        openraft::rt::testing::Suite::<Traced<TokioRuntime>>::test_all();
    }
}
