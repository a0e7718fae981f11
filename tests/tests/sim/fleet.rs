//! The seeds of a day.

use orrery_tests::sim::fleet::{SEEDS_OF_A_DAY, first_seed_of, today};

#[test]
fn days_have_seeds_of_their_own() {
    let (one, next) = (first_seed_of(20_000), first_seed_of(20_001));
    assert!(one > 1_000_000 && next - one == SEEDS_OF_A_DAY, "{one} {next}");
    assert!(today() > 20_000, "this was written later");
}
