//! Many worlds with faults: no read is stale, and what is lost stays lost.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::world::{Faults, NO_FAULTS, World, limits};
use crate::Broken;
use crate::node::{Limits, Policy};

fn run(seed: u64, mut world: World, test: impl FnOnce(&mut World)) -> World {
    let ran = catch_unwind(AssertUnwindSafe(|| test(&mut world)));
    if let Err(why) = ran {
        for line in &world.trace {
            eprintln!("{line}");
        }
        eprintln!("seed {seed} at {} us; ORRERY_CACHE_SEED={seed} shows what led to it", world.now);
        std::panic::resume_unwind(why);
    }
    world
}

/// `ORRERY_CACHE_SEED` runs one world, and shows what led to its failure; `ORRERY_CACHE_SEEDS` runs so many.
fn seeds(default: u64) -> std::ops::Range<u64> {
    #[allow(clippy::disallowed_methods)]
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    match number("ORRERY_CACHE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("ORRERY_CACHE_SEEDS").unwrap_or(default),
    }
}

#[test]
fn without_faults_everything_is_answered_and_nothing_is_lost() {
    for seed in seeds(5) {
        let world = World::new(seed, NO_FAULTS, limits(), 3, 6);
        let world = run(seed, world, |world| world.run(5_000_000));
        let counts = world.counts;
        assert_eq!((counts.given_up, counts.unknown), (0, 0), "{counts:?}");
        assert_eq!((world.oracle.hidden, world.oracle.losses()), (0, 0));
        world.check_fates();
        assert!(counts.hits > 100 && counts.reads > 100 && counts.written_back > 100, "{counts:?}");
    }
}

/// What a seed means.
fn of_seed(seed: u64) -> Faults {
    Faults {
        lost: seed % 4 * 3,
        repeated: seed % 3 * 5,
        delay_us: [2_000, 20_000, 80_000][seed as usize % 3],
        late: seed % 5,
        every_us: [300_000, 1_000_000, 3_000_000][seed as usize / 3 % 3],
        unaware: seed.is_multiple_of(2),
    }
}

#[test]
fn every_rule_that_is_broken_on_purpose_is_found() {
    let kept = Broken::default();
    // Homes that hear late that others took over; and slow messages, or lost ones and time enough for others to write.
    let slow = Faults { lost: 0, repeated: 0, delay_us: 80_000, late: 4, every_us: 300_000, unaware: true };
    let lossy = Faults { lost: 12, delay_us: 2_000, late: 0, every_us: 1_000_000, ..slow };
    // What an owner brings home comes after it was given up.
    let slow_and_lossy = Faults { lost: 12, ..slow };
    let rules = [
        (slow, Broken { lease_from_receipt: true, ..kept }),
        (lossy, Broken { grants_unconfirmed: true, ..kept }),
        (slow, Broken { sharers_ignored: true, ..kept }),
        (slow_and_lossy, Broken { stale_write_back: true, ..kept }),
        (slow_and_lossy, Broken { late_offer: true, ..kept }),
    ];
    for (faults, broken) in rules {
        let holds = |seed: &u64| {
            let mut world = World::new(*seed, faults, Limits { broken, ..limits() }, 2, 3);
            catch_unwind(AssertUnwindSafe(|| world.run(12_000_000))).is_ok()
        };
        let found = seeds(2_000).find(|seed| !holds(seed));
        assert!(found.is_some(), "no seed finds {broken:?}");
        eprintln!("seed {found:?} finds {broken:?}");
    }
}

#[test]
fn no_read_is_stale_under_faults() {
    for seed in seeds(21) {
        let faults = of_seed(seed);
        let small = Limits { lines_max: 2, policy: Policy::Lfu, ..limits() };
        let limits = if seed % 7 == 0 { small } else { limits() };
        run(seed, World::new(seed, faults, limits, 2, 3), |world| {
            world.run(12_000_000);
            // Then it heals, and everything is answered again.
            world.faults = NO_FAULTS;
            world.nodes.iter_mut().for_each(|node| node.cut = false);
            world.run(8_000_000);
            let before = world.counts;
            world.run(2_000_000);
            assert_eq!(world.counts.given_up, before.given_up, "{}", world.waiting());
            assert!(world.counts.written > before.written, "{:?}", world.counts);
            world.check_fates();
        });
    }
}
