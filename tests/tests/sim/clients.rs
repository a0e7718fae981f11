//! The check of what clients believe bites.

use orrery_lock::Holder;
use orrery_tests::sim::checks::Clients;
use smol_str::SmolStr;

fn holder(name: &str) -> Holder {
    Holder { client: name.into(), session: None }
}

#[test]
fn a_wrong_flag_is_not_a_double_grant() {
    let mut clients = Clients::default();
    let (printer, ayu, budi) = (SmolStr::from("printer"), holder("Ayu"), holder("Budi"));
    clients.told(&printer, &ayu, (5, false), Some(3)).expect("a grant above what was known");
    clients.told(&printer, &ayu, (5, true), Some(5)).expect("its own, and it is said");
    let wrong = clients.told(&printer, &ayu, (5, false), Some(5)).expect_err("its own, called new");
    assert!(wrong.starts_with("wrong flag"), "{wrong}");
    let double = clients.told(&printer, &budi, (5, false), Some(3)).expect_err("another's token");
    assert!(double.starts_with("double grant"), "{double}");
    let old = clients.told(&printer, &budi, (4, false), Some(5)).expect_err("older than what is known");
    assert!(old.starts_with("double grant"), "{old}");
    // What it asked for earlier may have been granted before others were.
    clients.told(&printer, &budi, (3, false), None).expect("an earlier request of its own");
}
