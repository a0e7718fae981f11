//! How often a state machine checks itself as a whole.
//!
//! A whole check looks at everything that the machine has, so one after every command would make a long run quadratic.
//! Small machines are checked after every command, larger ones after every k-th, with k in proportion to their size.

/// Items up to which a machine is checked after every command.
pub const ITEMS_MAX: usize = 64;

/// Beyond that a command pays for a look at so many items, on average.
pub const ITEMS_PAID: usize = 4;

/// Whether a machine of so many items is to be checked after its `nth` command.
pub fn is_due(nth: u64, items: usize) -> bool {
    items <= ITEMS_MAX || nth.is_multiple_of((items / ITEMS_PAID) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_command_pays_for_is_bounded_and_small_machines_are_always_checked() {
        assert!((0..100).all(|nth| is_due(nth, 0) && is_due(nth, ITEMS_MAX)));
        for items in [ITEMS_MAX + 1, 1_000, 10_000, 100_000] {
            let checks = (0..100_000).filter(|nth| is_due(*nth, items)).count();
            let paid = checks * items / 100_000;
            assert!(checks > 0 && paid <= 2 * ITEMS_PAID, "{items} items: {paid} for a command");
        }
    }
}
