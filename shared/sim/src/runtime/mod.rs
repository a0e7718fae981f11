//! A deterministic runtime on virtual time, as openraft's `AsyncRuntime`. No thread, no real clock, no
//! randomness of the operating system.

mod cell;
mod executor;
mod join;
mod mpsc;
mod mutex;
mod oneshot;
mod rng;
mod time;
mod watch;

use std::fmt;
use std::future::Future;
use std::time::Duration;

use openraft::rt::{AsyncRuntime, OptionalSend};

pub use cell::SyncCell;
pub use executor::{Entered, Sim, TaskGroup, WORLD};
pub use join::{SimJoin, TaskKilled};
pub use mpsc::SimMpsc;
pub use mutex::SimMutex;
pub use oneshot::SimOneshot;
pub use rng::{GroupRng, SplitMix};
pub use time::{Elapsed, SimInstant, SimSleep, SimTimeout};
pub use watch::SimWatch;

/// The simulation as a runtime. Its functions act on the simulation that the thread is inside of; a spawned
/// task belongs to the group of the task that spawned it.
pub struct SimRuntime(Sim);

impl fmt::Debug for SimRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimRuntime")
    }
}

impl AsyncRuntime for SimRuntime {
    type JoinError = TaskKilled;
    type JoinHandle<T: OptionalSend + 'static> = SimJoin<T>;
    type Sleep = SimSleep;
    type Instant = SimInstant;
    type TimeoutError = Elapsed;
    type Timeout<R, T: Future<Output = R> + OptionalSend> = SimTimeout<T>;
    type ThreadLocalRng = GroupRng;
    type Mpsc = SimMpsc;
    type Watch = SimWatch;
    type Oneshot = SimOneshot;
    type Mutex<T: OptionalSend + 'static> = SimMutex<T>;

    fn spawn<T>(future: T) -> SimJoin<T::Output>
    where
        T: Future + OptionalSend + 'static,
        T::Output: OptionalSend + 'static,
    {
        let core = executor::current();
        core.spawn(core.running(), future)
    }

    fn sleep(duration: Duration) -> SimSleep {
        SimSleep::until(SimInstant(executor::current().now_ns.get()) + duration)
    }

    fn sleep_until(deadline: SimInstant) -> SimSleep {
        SimSleep::until(deadline)
    }

    fn timeout<R, F: Future<Output = R> + OptionalSend>(duration: Duration, future: F) -> SimTimeout<F> {
        SimTimeout::new(future, Self::sleep(duration))
    }

    fn timeout_at<R, F: Future<Output = R> + OptionalSend>(deadline: SimInstant, future: F) -> SimTimeout<F> {
        SimTimeout::new(future, SimSleep::until(deadline))
    }

    fn is_panic(_: &TaskKilled) -> bool {
        // A panic of a task is a panic of the whole simulation.
        false
    }

    fn thread_rng() -> GroupRng {
        let core = executor::current();
        GroupRng(core.rng(core.running()))
    }

    fn new(_threads: usize) -> Self {
        SimRuntime(Sim::new(0))
    }

    fn block_on<F, T>(&mut self, future: F) -> T
    where
        F: Future<Output = T>,
    {
        self.0.block_on(future)
    }
}
