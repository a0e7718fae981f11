//! Leases over leaders that come and go.

use orrery_tests::sim::leases::{Going, LENGTH_MS, entries, last, status_clock};

#[test]
fn leases_end_although_leaders_hand_over_every_four_seconds() {
    for seed in 1..=3 {
        let lasted = last(seed, Going::HandsOver).expect("it ends");
        println!("seed {seed}: {lasted:?}");
        let length_us = LENGTH_MS * 1_000;
        // Nothing but the time without a leader, some milliseconds around each hand-over, and the slack of an expiry.
        let most_us = length_us + lasted.leaderless_us + 300_000;
        assert!((length_us - 50_000..most_us).contains(&lasted.lock_us), "{lasted:?}");
    }
}

#[test]
fn leases_end_although_leaders_freeze_every_four_seconds() {
    for seed in 1..=3 {
        let lasted = last(seed, Going::Freezes).expect("it ends");
        println!("seed {seed}: {lasted:?}");
        let length_us = LENGTH_MS * 1_000;
        // Each lost leader takes at most a second of the clock with it, and the cluster is without one for less than that.
        let most_us = length_us + 3 * 2_000_000;
        for lasted_us in [lasted.lock_us, lasted.delay_us, lasted.visibility_us] {
            assert!((length_us - 50_000..most_us).contains(&lasted_us), "{lasted:?}");
        }
    }
}

#[test]
fn the_clock_costs_an_entry_a_second_while_something_runs_and_nothing_else() {
    let [idle, held, after] = entries(1, 60_000, 20).expect("it is held");
    println!("entries in 20 s: idle {idle}, held {held}, released {after}");
    assert_eq!((idle, after), (0, 0));
    assert!((18..=22).contains(&held), "{held}");
    // A short lease is over soon, and never writes more often than ten times a second.
    let [_, held, _] = entries(1, 500, 20).expect("it was held");
    assert!(held <= 8, "{held}");
}

#[test]
fn the_status_shows_the_leaders_clock() {
    for late_ms in status_clock(1, 700).expect("it is held") {
        assert!(late_ms <= 30, "{late_ms}");
    }
}
