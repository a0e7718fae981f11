#![allow(clippy::unwrap_used)]

use redb::backends::InMemoryBackend;

use super::*;

const G: GroupId = GroupId(3);

fn store() -> Store {
    Store::open(InMemoryBackend::new(), InMemoryBackend::new()).unwrap()
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
    assert_eq!(ends(&read_contents(&store.inner.database).unwrap().bounds), ends(&store.bounds()));
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
    store.commit(&[Write::Node { key: FORMAT_KEY, value: Bytes::from_static(&[3, 0, 0, 0]) }]).unwrap();
    let refused = check_format(&store.inner.database);
    assert!(matches!(refused, Err(StorageError::Format { found: 3, supported: 2 })), "{refused:?}");
}

/// A file in memory that can be looked at and changed.
#[derive(Clone, Debug, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Memory {
    fn of(bytes: Vec<u8>) -> Memory {
        Memory(Arc::new(Mutex::new(bytes)))
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
    }
}

impl StorageBackend for Memory {
    fn len(&self) -> std::io::Result<u64> {
        Ok(self.0.lock().unwrap().len() as u64)
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        let bytes = self.0.lock().unwrap();
        let part = bytes.get(offset as usize..).and_then(|rest| rest.get(..out.len()));
        out.copy_from_slice(part.ok_or(std::io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
    fn set_len(&self, length: u64) -> std::io::Result<()> {
        self.0.lock().unwrap().resize(length as usize, 0);
        Ok(())
    }
    fn sync_data(&self) -> std::io::Result<()> {
        Ok(())
    }
    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        let mut bytes = self.0.lock().unwrap();
        let end = offset as usize + data.len();
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[offset as usize..end].copy_from_slice(data);
        Ok(())
    }
}

/// Everything that a store tells.
fn contents(store: &Store) -> String {
    let mut all = format!("{:?}", store.node_value("boot").unwrap());
    for group in (0..3).map(GroupId) {
        let (found, log) = (store.recover(group).unwrap(), store.entries(group, 0..u64::MAX).unwrap());
        all += &format!("{found:?} {log:?}");
    }
    all
}

/// The database and the mark of a node that ended in order, or was killed; and what they hold.
fn ended(in_order: bool) -> (Vec<u8>, Vec<u8>, String) {
    let (database, mark) = (Memory::default(), Memory::default());
    let store = Store::open(database.clone(), mark.clone()).unwrap();
    let commit = |writes: &[Write]| {
        store.commit(writes).unwrap();
        store.acknowledge().unwrap();
    };
    for turn in 0..40u64 {
        let group = GroupId((turn % 3) as u16);
        let first = turn / 3 * 8;
        let entries = (first..first + 8).map(|index| (index, Bytes::from(vec![turn as u8; 90]))).collect();
        let id = Bytes::from(turn.to_le_bytes().to_vec());
        commit(&[
            Write::Entries { group, entries },
            Write::Vote { group, vote: id.clone() },
            Write::Committed { group, log_id: Some(id.clone()) },
            Write::SnapshotPointer { group, name: format!("s{turn}"), meta: id },
        ]);
    }
    commit(&[Write::Purge { group: GroupId(1), through: 9, log_id: Bytes::from_static(b"id") }]);
    commit(&[Write::Node { key: "boot", value: Bytes::from_static(b"7") }]);
    let held = contents(&store);
    if in_order {
        drop(store);
        return (database.bytes(), mark.bytes(), held);
    }
    // What redb's own end would write is not in the copies.
    (database.bytes(), mark.bytes(), held)
}

/// Opens damaged files: whether the contents are unchanged. Anything but that or a refusal fails the test.
fn opens(database: Vec<u8>, mark: Vec<u8>, held: &str, what: &str) -> bool {
    let file = Memory::of(database.clone());
    match Store::open(file.clone(), Memory::of(mark)) {
        Ok(store) => {
            assert_eq!(contents(&store), held, "{what}: other contents, and not a word");
            true
        }
        Err(refused) => {
            let text = refused.to_string();
            assert!(text.contains("move it away") || text.contains("format version"), "{what}: {text}");
            assert!(file.bytes() == database, "{what}: a refused start changed the file");
            false
        }
    }
}

#[test]
fn a_flipped_bit_anywhere_changes_nothing_or_is_refused() {
    const HEADER: usize = 320;
    // redb's own checks may panic on damage: that is a refusal here, and not worth a thousand lines.
    std::panic::set_hook(Box::new(|_| ()));
    let result = std::panic::catch_unwind(|| {
        for in_order in [true, false] {
            let (database, mark, held) = ended(in_order);
            assert!(opens(database.clone(), mark.clone(), &held, "nothing flipped"));
            let in_use = |at: usize| database[at / 4096 * 4096..].iter().take(4096).any(|byte| *byte != 0);
            let body = (HEADER..database.len()).step_by(211).filter(|at| in_use(*at));
            let (mut same, mut refused) = (0, 0);
            for at in (0..HEADER).chain(body) {
                for flip in [1u8 << (at % 8), 0xff] {
                    let mut damaged = database.clone();
                    damaged[at] ^= flip;
                    let what = format!("byte {at} xor {flip:#x}, in order: {in_order}");
                    *if opens(damaged, mark.clone(), &held, &what) { &mut same } else { &mut refused } += 1;
                }
            }
            assert!(same > 100 && refused > 100, "{same} unchanged, {refused} refused");
            for at in (0..mark.len()).step_by(3) {
                let mut damaged = mark.clone();
                damaged[at] ^= 1 << (at % 8);
                opens(database.clone(), damaged, &held, &format!("byte {at} of the mark"));
            }
        }
    });
    let _ = std::panic::take_hook();
    if let Err(why) = result {
        std::panic::resume_unwind(why);
    }
}

#[test]
fn an_older_copy_of_the_database_and_a_missing_mark_are_refused() {
    let (file, mark) = (Memory::default(), Memory::default());
    let store = Store::open(file.clone(), mark.clone()).unwrap();
    store.commit(&[entries(G, 0..3)]).unwrap();
    store.acknowledge().unwrap();
    let (old, old_mark) = (file.bytes(), mark.bytes());
    store.commit(&[entries(G, 3..4)]).unwrap();
    // Not acknowledged yet: without it, nothing is missing.
    drop(Store::open(Memory::of(old.clone()), Memory::of(old_mark)).unwrap());
    store.acknowledge().unwrap();
    let refused = Store::open(Memory::of(old), Memory::of(mark.bytes()));
    assert!(matches!(refused, Err(StorageError::Lost { found: 1, acknowledged: 2 })));
    let refused = Store::open(Memory::of(file.bytes()), Memory::default());
    assert!(matches!(refused, Err(StorageError::Damaged(_))));
}

#[test]
fn a_database_of_the_version_before_is_taken_on() {
    let (file, mark) = (Memory::default(), Memory::default());
    let store = Store::open(file.clone(), mark.clone()).unwrap();
    let transaction = store.inner.database.begin_write().unwrap();
    {
        let mut node = transaction.open_table(NODE).unwrap();
        node.insert(FORMAT_KEY, &FORMAT_BEFORE.to_le_bytes()[..]).unwrap();
        let mut rows = transaction.open_table(ROWS).unwrap();
        let mut run = Vec::new();
        rows::push_entry(&mut run, b"entry 0").unwrap();
        rows.insert(&rows::key(G, Kind::Entries, 0), &run[..]).unwrap();
    }
    transaction.commit().unwrap();
    drop(store);
    let store = Store::open(file.clone(), Memory::default()).unwrap();
    expect_log(&store, 0..1);
    store.commit(&[entries(G, 1..2)]).unwrap();
    drop(store);
    assert!(
        matches!(Store::open(file, Memory::default()), Err(StorageError::Damaged(_))),
        "it is counted now"
    );
}
