//! The runtime on virtual time.

use std::sync::Arc;
use std::time::Duration;

use openraft::rt::AsyncRuntime as _;
use orrery_sim::runtime::{Sim, SimRuntime, SyncCell};

/// The suite that openraft ships for runtimes.
#[test]
fn conforms_to_openraft() {
    openraft::rt::testing::Suite::<SimRuntime>::test_all();
}

#[test]
fn a_paused_group_stands_still_while_its_clock_goes_on() {
    let sim = Sim::new(1);
    let log = Arc::new(SyncCell::new(Vec::new()));
    let (seen, clock) = (log.clone(), sim.clone());
    let ticking = sim.spawn_in(1, async move {
        loop {
            SimRuntime::sleep(Duration::from_millis(10)).await;
            seen.borrow_mut().push(clock.now_us() / 1_000);
        }
    });
    sim.block_on(async {
        SimRuntime::sleep(Duration::from_millis(25)).await;
        sim.pause(1);
        SimRuntime::sleep(Duration::from_millis(50)).await;
        sim.resume(1);
        SimRuntime::sleep(Duration::from_millis(15)).await;
        sim.kill(1);
        SimRuntime::sleep(Duration::from_millis(100)).await;
        assert!(ticking.await.is_err(), "killed");
    });
    assert_eq!(log.take(), [10, 20, 75, 85]);
}
