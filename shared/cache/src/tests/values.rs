//! What is committed.

use bytes::Bytes;
use proptest::prelude::*;

use crate::values::Step;
use crate::{CacheCommand, CacheFact, CacheReply, Saves, Stamp, TOMBSTONES_MAX, VALUE_BYTES_MAX, Values};

fn apply(values: &mut Values, index: u64, command: CacheCommand) -> (CacheReply, Vec<CacheFact>) {
    let mut step = Step { index, ..Step::default() };
    let reply = values.apply(&command, &mut step);
    (reply, step.facts)
}

fn write(address: &str, value: Option<&str>, tenure: u64) -> CacheCommand {
    CacheCommand::Write {
        address: address.into(),
        value: value.map(|value| Bytes::copy_from_slice(value.as_bytes())),
        tenure,
        by: "node1".into(),
        based_on: None,
        if_version: None,
        saves: None,
    }
}

fn begun() -> Values {
    let mut values = Values::default();
    let (reply, _) = apply(&mut values, 1, CacheCommand::Begin { tenure: 3 });
    assert_eq!(reply, CacheReply::Begun { opened: 0 });
    values
}

#[test]
fn a_version_is_the_index_that_wrote_it() {
    let mut values = begun();
    assert_eq!(apply(&mut values, 5, write("a", Some("1"), 3)).0, CacheReply::Written { version: 5 });
    assert_eq!(apply(&mut values, 9, write("a", Some("2"), 3)).0, CacheReply::Written { version: 9 });
    assert_eq!((values.version("a"), values.last_change("a"), values.last()), (Some(9), 9, 9));
    let deleted = CacheReply::Deleted { version: 11, existed: true };
    assert_eq!(apply(&mut values, 11, write("a", None, 3)).0, deleted);
    let again = CacheReply::Deleted { version: 11, existed: false };
    assert_eq!(apply(&mut values, 12, write("a", None, 3)).0, again);
    assert_eq!((values.version("a"), values.last_change("a"), values.bytes()), (None, 11, 0));
}

#[test]
fn only_the_present_tenure_writes() {
    let mut values = begun();
    let old = CacheReply::OldTenure { begun: 3 };
    for command in [
        write("a", Some("1"), 2),
        write("a", Some("1"), 4),
        CacheCommand::Open { tenure: 2 },
        CacheCommand::Revoke { address: "a".into(), tenure: 2 },
        CacheCommand::Begin { tenure: 2 },
    ] {
        assert_eq!(apply(&mut values, 2, command.clone()), (old.clone(), vec![]), "{command:?}");
    }
    assert_eq!(apply(&mut values, 3, CacheCommand::Open { tenure: 3 }).0, CacheReply::Opened);
    assert_eq!(apply(&mut values, 4, CacheCommand::Begin { tenure: 8 }).0, CacheReply::Begun { opened: 3 });
    assert_eq!(apply(&mut values, 5, write("a", Some("1"), 3)).0, CacheReply::OldTenure { begun: 8 });
    assert!(values.is_empty());
}

#[test]
fn a_late_write_back_and_a_wrong_version_are_refused() {
    let mut values = begun();
    apply(&mut values, 5, write("a", Some("1"), 3));
    let based = |based_on| {
        let saves = Some(Saves { grant: Stamp { term: 3, n: 7 }, write: 1 });
        match write("a", Some("2"), 3) {
            CacheCommand::Write { address, value, tenure, by, if_version, .. } => CacheCommand::Write {
                address,
                value,
                tenure,
                by,
                based_on: Some(based_on),
                if_version,
                saves,
            },
            other => other,
        }
    };
    assert_eq!(apply(&mut values, 6, based(4)).0, CacheReply::Stale { version: 5 });
    assert_eq!(apply(&mut values, 7, based(5)).0, CacheReply::Written { version: 7 });
    assert_eq!(values.get("a").unwrap().saved, Some(Saves { grant: Stamp { term: 3, n: 7 }, write: 1 }));
    let wanted = |version| match write("a", Some("3"), 3) {
        CacheCommand::Write { address, value, tenure, by, .. } => {
            let (based_on, if_version, saves) = (None, Some(version), None);
            CacheCommand::Write { address, value, tenure, by, based_on, if_version, saves }
        }
        other => other,
    };
    assert_eq!(apply(&mut values, 8, wanted(0)).0, CacheReply::WrongVersion { version: 7 });
    assert_eq!(apply(&mut values, 9, wanted(7)).0, CacheReply::Written { version: 9 });
    assert_eq!(values.get("a").unwrap().saved, None);
}

#[test]
fn who_loses_a_line_can_never_bring_it_back() {
    let mut values = begun();
    apply(&mut values, 5, write("a", Some("1"), 3));
    let revoke = |address: &str| CacheCommand::Revoke { address: address.into(), tenure: 3 };
    assert_eq!(apply(&mut values, 6, revoke("a")).0, CacheReply::Revoked { version: 6 });
    assert_eq!(values.get("a").unwrap().value, "1");
    assert_eq!(apply(&mut values, 7, revoke("b")).0, CacheReply::Revoked { version: 7 });
    assert_eq!((values.last_change("a"), values.last_change("b"), values.last_change("c")), (6, 7, 0));
}

#[test]
fn bounds_refuse_and_change_nothing() {
    let mut values = begun();
    let long = "x".repeat(VALUE_BYTES_MAX + 1);
    for command in [write("a", Some(&long), 3), write("", Some("1"), 3), write("a\n", Some("1"), 3)] {
        assert!(matches!(apply(&mut values, 2, command).0, CacheReply::Full { .. }));
    }
    let most = "x".repeat(VALUE_BYTES_MAX);
    let fits = (64 << 20) / (VALUE_BYTES_MAX + 4);
    for n in 0..fits {
        let command = write(&format!("{n:04}"), Some(&most), 3);
        assert!(matches!(apply(&mut values, 3 + n as u64, command).0, CacheReply::Written { .. }), "{n}");
    }
    assert!(matches!(apply(&mut values, 900, write("more", Some(&most), 3)).0, CacheReply::Full { .. }));
    assert!(matches!(apply(&mut values, 901, write("0000", Some(&most), 3)).0, CacheReply::Written { .. }));
}

#[test]
fn the_oldest_tombstones_go_and_leave_a_floor() {
    let mut values = begun();
    for n in 0..=TOMBSTONES_MAX as u64 {
        let address = format!("a{n}");
        apply(&mut values, 10 + 2 * n, write(&address, Some("1"), 3));
        apply(&mut values, 11 + 2 * n, write(&address, None, 3));
    }
    assert_eq!(
        (values.last_change("a0"), values.last_change("a1"), values.last_change("never")),
        (11, 13, 11)
    );
}

proptest! {
    /// A snapshot of any state is that state.
    #[test]
    fn records_restore_the_values(writes in prop::collection::vec((0u8..20, prop::option::of(0u32..99)), 0..80)) {
        let mut values = begun();
        for (n, (address, value)) in writes.iter().enumerate() {
            let text = value.map(|value| value.to_string());
            apply(&mut values, 2 + n as u64, write(&format!("a{address}"), text.as_deref(), 3));
        }
        let mut again = Values::default();
        for record in values.records() {
            again.restore(record).unwrap();
        }
        prop_assert_eq!(again, values);
    }
}

#[test]
fn a_cache_that_was_never_used_leaves_nothing_in_a_snapshot() {
    assert_eq!(Values::default().records().count(), 0);
}
