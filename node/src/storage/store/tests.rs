#![allow(clippy::unwrap_used)]

use redb::backends::InMemoryBackend;

use super::*;

const G: GroupId = GroupId(3);

fn store() -> Store {
    Store::open(InMemoryBackend::new()).unwrap()
}

fn entries(group: GroupId, range: Range<LogIndex>) -> Write {
    Write::Entries { group, entries: range.map(|index| (index, entry(index))).collect() }
}

fn entry(index: LogIndex) -> Bytes {
    Bytes::from(format!("entry {index}"))
}

fn purge(through: LogIndex) -> Write {
    Write::Purge { group: G, through, log_id: Bytes::from(format!("id {through}")) }
}

fn expect_log(store: &Store, range: Range<LogIndex>) {
    let found = store.entries(G, 0..1_000_000).unwrap();
    assert_eq!(found, range.clone().map(|index| (index, entry(index))).collect::<Vec<_>>());
    let bounds = (!range.is_empty()).then(|| (range.start, range.end - 1));
    assert_eq!(store.recover(G).unwrap().entries, bounds);
    let ends = |bounds: &BTreeMap<GroupId, Bounds>| {
        let bounds = bounds.get(&G).copied().unwrap_or_default();
        (bounds.first, bounds.next)
    };
    assert_eq!(ends(&read_bounds(&store.inner.database).unwrap()), ends(&store.bounds()));
}

#[test]
fn runs_are_split_cut_and_purged_at_any_index() {
    for cut in (0u64..500).step_by(7) {
        let store = store();
        store.commit(&[entries(G, 0..250)]).unwrap();
        store.commit(&[entries(G, 250..251), entries(G, 251..500)]).unwrap();
        expect_log(&store, 0..500);
        store.commit(&[Write::TruncateAfter { group: G, after: cut.checked_sub(1) }]).unwrap();
        expect_log(&store, 0..cut);
        store.commit(&[entries(G, cut..cut + 3)]).unwrap();
        expect_log(&store, 0..cut + 3);
        store.commit(&[purge(cut)]).unwrap();
        expect_log(&store, cut + 1..cut + 3);
        store.commit(&[Write::TruncateAfter { group: G, after: Some(cut) }]).unwrap();
        expect_log(&store, 0..0);
        store
            .commit(&[entries(G, cut + 1..cut + 2), purge(cut + 9), entries(G, cut + 10..cut + 12)])
            .unwrap();
        expect_log(&store, cut + 10..cut + 12);
    }
}

/// Rows of entries that are on the disk, of all groups.
fn rows_present(store: &Store) -> usize {
    let transaction = store.inner.database.begin_read().unwrap();
    let rows = transaction.open_table(ROWS).unwrap();
    let keys = rows.iter().unwrap().map(|row| rows::parse_key(row.unwrap().0.value()).1);
    keys.filter(|kind| *kind == Kind::Entries as u8).count()
}

#[test]
fn rows_of_purged_entries_go_bit_by_bit_and_never_count() {
    let store = store();
    let many = SWEEP_ROWS_MAX as u64 * 3;
    for index in 0..many {
        store.commit(&[entries(G, index..index + 1), entries(GroupId(4), index..index + 1)]).unwrap();
    }
    let vote = |group| Write::Vote { group, vote: Bytes::from_static(b"v") };
    // Also through more than there is: a snapshot was installed.
    let through = many + 10;
    let other = Write::Purge { group: GroupId(4), through: many - 2, log_id: Bytes::new() };
    store.commit(&[purge(through), other]).unwrap();
    let mut left = rows_present(&store);
    assert_eq!(left as u64, many * 2 - SWEEP_ROWS_MAX as u64, "not all at once");
    expect_log(&store, 0..0);
    store.commit(&[entries(G, through + 1..through + 3)]).unwrap();
    expect_log(&store, through + 1..through + 3);
    while left > 2 {
        store.commit(&[vote(G)]).unwrap();
        expect_log(&store, through + 1..through + 3);
        assert_eq!(store.entries(GroupId(4), 0..through).unwrap().len(), 1);
        let now = rows_present(&store);
        assert!(now < left, "they go with whatever is written");
        left = now;
    }
    store.commit(&[vote(G)]).unwrap();
    assert!(store.bounds().values().all(|bounds| !bounds.stale), "nothing is looked for any more");
    store.commit(&[purge(through + 1)]).unwrap();
    store.commit(&[Write::TruncateAfter { group: G, after: Some(through + 1) }]).unwrap();
    expect_log(&store, 0..0);
    assert_eq!(rows_present(&store), 1, "a row that was cut down to purged entries goes too");
}

#[test]
fn reads_any_part_of_the_log() {
    let store = store();
    store.commit(&[entries(G, 0..400), purge(20)]).unwrap();
    for (from, to) in [(0, 400), (21, 22), (150, 151), (399, 400), (100, 300), (390, 500)] {
        let found: Vec<u64> = store.entries(G, from..to).unwrap().iter().map(|(index, _)| *index).collect();
        assert_eq!(found, (from.max(21)..to.min(400)).collect::<Vec<_>>());
    }
}

#[test]
fn a_gap_is_refused_and_changes_nothing() {
    let store = store();
    store.commit(&[entries(G, 0..3)]).unwrap();
    let vote = Write::Vote { group: G, vote: Bytes::from_static(b"v") };
    let refused = store.commit(&[vote, entries(G, 4..5)]);
    assert!(matches!(refused, Err(StorageError::Gap { first: 4, expected: 3, .. })), "{refused:?}");
    assert_eq!(store.recover(G).unwrap().vote, None);
    expect_log(&store, 0..3);
    assert!(store.commit(&[entries(G, 2..3)]).is_err(), "an entry that is there is never replaced");
}

#[test]
fn groups_and_kinds_do_not_meet() {
    let store = store();
    let other = GroupId(4);
    store
        .commit(&[
            entries(G, 0..2),
            entries(other, 0..5),
            entries(G, 2..4),
            Write::Vote { group: G, vote: Bytes::from_static(b"v1") },
            Write::Vote { group: G, vote: Bytes::from_static(b"v2") },
            Write::Committed { group: G, log_id: Some(Bytes::from_static(b"c1")) },
            Write::Committed { group: other, log_id: Some(Bytes::from_static(b"o1")) },
            Write::Committed { group: G, log_id: Some(Bytes::from_static(b"c2")) },
            Write::SnapshotPointer { group: G, name: "file".into(), meta: Bytes::from_static(b"m") },
            purge(0),
            Write::Node { key: "boot", value: Bytes::from_static(b"7") },
        ])
        .unwrap();
    let found = store.recover(G).unwrap();
    assert_eq!(found.vote.as_deref(), Some(&b"v2"[..]));
    assert_eq!(found.committed.as_deref(), Some(&b"c2"[..]));
    assert_eq!(found.purged.as_deref(), Some(&b"id 0"[..]));
    assert_eq!(found.snapshot, Some(("file".into(), Bytes::from_static(b"m"))));
    assert_eq!(found.entries, Some((1, 3)));
    let found = store.recover(other).unwrap();
    assert_eq!((found.vote, found.snapshot), (None, None));
    assert_eq!(found.committed.as_deref(), Some(&b"o1"[..]));
    assert_eq!(store.entries(other, 0..9).unwrap().len(), 5);
    assert_eq!(store.node_value("boot").unwrap().as_deref(), Some(&b"7"[..]));
    assert_eq!(store.node_value("none").unwrap(), None);

    store.commit(&[Write::Committed { group: G, log_id: None }]).unwrap();
    assert_eq!(store.recover(G).unwrap().committed, None);
}

#[test]
fn another_format_version_is_refused() {
    let store = store();
    store.commit(&[Write::Node { key: FORMAT_KEY, value: Bytes::from_static(&[2, 0, 0, 0]) }]).unwrap();
    let refused = check_format(&store.inner.database);
    assert!(matches!(refused, Err(StorageError::Format { found: 2, supported: 1 })), "{refused:?}");
}
