//! How often a state machine checks itself as a whole.
//!
//! A whole check looks at everything that the machine has, so one after every command would make a long run
//! quadratic. Small machines are checked after every command, larger ones after every k-th, with k in proportion to
//! their size, and very large ones not at all: a debug build would stand still for longer than its peers wait for it.

/// Items up to which a machine is checked after every command.
pub const ITEMS_MAX: usize = 64;

/// Beyond that a command pays for a look at so many items, on average.
pub const ITEMS_PAID: usize = 4;

/// Above this a machine is not checked.
pub const ITEMS_CHECKED_MAX: usize = 16_384;

/// Whether a machine of so many items is to be checked after its `nth` command.
pub fn is_due(nth: u64, items: usize) -> bool {
    // A power of two: a machine that grows by an item with each command would else be at a multiple again and again.
    let often = || nth.is_multiple_of((items / ITEMS_PAID).next_power_of_two() as u64);
    items <= ITEMS_MAX || items <= ITEMS_CHECKED_MAX && often()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_command_pays_for_is_bounded_and_small_machines_are_always_checked() {
        assert!((0..100).all(|nth| is_due(nth, 0) && is_due(nth, ITEMS_MAX)));
        for items in [ITEMS_MAX + 1, 1_000, ITEMS_CHECKED_MAX] {
            let checks = (0..100_000).filter(|nth| is_due(*nth, items)).count();
            let paid = checks * items / 100_000;
            assert!(checks > 0 && paid <= 2 * ITEMS_PAID, "{items} items: {paid} for a command");
        }
        assert!((0..100_000).all(|nth| !is_due(nth, ITEMS_CHECKED_MAX + 1)));
        // A machine that has as many items as it had commands.
        let growing = ITEMS_MAX + 1..=ITEMS_CHECKED_MAX;
        let paid: usize = growing.filter(|items| is_due(*items as u64, *items)).sum();
        assert!(paid / ITEMS_CHECKED_MAX <= 2 * ITEMS_PAID, "{paid} for {ITEMS_CHECKED_MAX} commands");
    }
}
