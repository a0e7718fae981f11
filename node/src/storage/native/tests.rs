#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::sync::atomic::AtomicU32;

use super::*;

const G: GroupId = GroupId(0);

/// A data directory that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("orrery-{name}-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn open(&self) -> NativeDisk {
        NativeDisk::open(&self.0, Arc::new(|why| panic!("{why}"))).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn entries(range: Range<LogIndex>) -> Vec<Write> {
    let entries = range.map(|index| (index, Bytes::from(format!("entry {index}")))).collect();
    vec![Write::Entries { group: G, entries }]
}

fn submit(disk: &NativeDisk, writes: Vec<Write>) -> mpsc::Receiver<io::Result<()>> {
    let (done, answered) = mpsc::channel();
    disk.submit(writes, Box::new(move |result| done.send(result).unwrap()));
    answered
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

#[test]
fn what_was_answered_is_there_after_a_restart() {
    let folder = Folder::new("restart");
    let disk = folder.open();
    let answers: Vec<_> = (0..100).map(|index| submit(&disk, entries(index..index + 1))).collect();
    for answer in answers {
        answer.recv().unwrap().unwrap();
    }
    let hint = Write::Committed { group: G, log_id: Some(Bytes::from_static(b"c")) };
    let unanswered = submit(&disk, vec![hint]);
    drop(disk);
    unanswered.recv().unwrap().unwrap();
    let disk = folder.open();
    let found = disk.recover(G).unwrap();
    assert_eq!(found.entries, Some((0, 99)));
    assert_eq!(found.committed.as_deref(), Some(&b"c"[..]));
    assert_eq!(disk.entries(G, 98..100).unwrap()[1], (99, Bytes::from_static(b"entry 99")));
}

#[test]
fn a_second_opener_gets_a_clear_error() {
    let folder = Folder::new("lock");
    let disk = folder.open();
    let Err(refused) = NativeDisk::open(&folder.0, Arc::new(|_| ())) else { panic!("opened twice") };
    let text = refused.to_string();
    assert!(text.contains("in use by another process"), "{text}");
    assert!(text.contains(&std::process::id().to_string()), "{text}");
    drop(disk);
    folder.open();
}

async fn write(disk: &NativeDisk, name: &str, chunks: &[Bytes]) -> io::Result<()> {
    let mut file = disk.create_snapshot(G, name).await?;
    for chunk in chunks {
        file.write(chunk.clone()).await?;
    }
    file.finish().await
}

#[test]
fn snapshots_are_written_read_and_pruned() {
    let folder = Folder::new("snapshots");
    let disk = folder.open();
    let chunks = vec![Bytes::from(vec![1; 70_000]), Bytes::from_static(b"end")];
    block_on(async {
        write(&disk, "one", &chunks).await.unwrap();
        write(&disk, "two", &chunks).await.unwrap();
        assert_eq!(disk.read_snapshot(G, "one").await.unwrap(), chunks);
    });
    fs::write(folder.0.join("snapshots/control/three.part"), b"interrupted").unwrap();
    // Two of one name grow at the same time, one of them is given up; what grows is not taken for a leftover.
    block_on(async {
        let mut four = disk.create_snapshot(G, "four").await.unwrap();
        let mut again = disk.create_snapshot(G, "four").await.unwrap();
        again.write(Bytes::from_static(b"given up")).await.unwrap();
        four.write(chunks[0].clone()).await.unwrap();
        drop(again);
        disk.prune_snapshots(G, Some("two"));
        four.write(chunks[1].clone()).await.unwrap();
        four.finish().await.unwrap();
        assert_eq!(disk.read_snapshot(G, "four").await.unwrap(), chunks);
    });
    disk.prune_snapshots(G, Some("two"));
    block_on(async {
        assert_eq!(disk.read_snapshot(G, "two").await.unwrap(), chunks);
        let gone = disk.read_snapshot(G, "one").await.unwrap_err();
        assert_eq!(gone.kind(), io::ErrorKind::NotFound);
    });
    let names: Vec<_> = fs::read_dir(folder.0.join("snapshots/control")).unwrap().flatten().collect();
    assert_eq!(names.len(), 1);
}

#[test]
fn after_a_failed_write_nothing_is_answered_well() {
    let folder = Folder::new("failed");
    let (report, reported) = mpsc::channel();
    let report = Mutex::new(report);
    let failed: Failed = Arc::new(move |why| report.lock().unwrap().send(why.to_owned()).unwrap());
    let disk = NativeDisk::open(&folder.0, failed).unwrap();
    submit(&disk, entries(0..2)).recv().unwrap().unwrap();
    assert!(submit(&disk, entries(5..6)).recv().unwrap().is_err(), "a gap");
    assert!(reported.recv().unwrap().contains("the node stops"));
    assert!(submit(&disk, entries(2..3)).recv().unwrap().is_err(), "stopped");
    assert!(block_on(write(&disk, "late", &[])).is_err());
    drop(disk);
    assert!(reported.try_recv().is_err(), "reported once");
    assert_eq!(folder.open().recover(G).unwrap().entries, Some((0, 1)));
}

#[test]
fn an_interrupted_creation_is_begun_anew() {
    let folder = Folder::new("creation");
    fs::write(folder.0.join(DATABASE_NEW), [7; 5000]).unwrap();
    let disk = folder.open();
    submit(&disk, entries(0..1)).recv().unwrap().unwrap();
    assert!(!folder.0.join(DATABASE_NEW).exists());
}

#[test]
fn a_missing_or_empty_database_beside_what_a_node_left_is_refused() {
    let refused = |folder: &Folder| match NativeDisk::open(&folder.0, Arc::new(|_| ())) {
        Ok(_) => panic!("a new database was made"),
        Err(error) => error.to_string(),
    };
    let folder = Folder::new("missing");
    let disk = folder.open();
    submit(&disk, entries(0..1)).recv().unwrap().unwrap();
    block_on(write(&disk, "one", &[Bytes::from_static(b"state")])).unwrap();
    drop(disk);
    let database = folder.0.join(DATABASE);
    fs::write(&database, b"").unwrap();
    let text = refused(&folder);
    assert!(text.contains("missing or empty") && text.contains("move it away"), "{text}");
    fs::remove_file(&database).unwrap();
    assert!(refused(&folder).contains("orrery.mark"));
    fs::remove_file(folder.0.join(MARK)).unwrap();
    let text = refused(&folder);
    assert!(text.contains("snapshots") && text.contains("one"), "{text}");
    assert!(!database.exists(), "nothing was made");
    fs::remove_dir_all(folder.0.join(SNAPSHOTS)).unwrap();
    folder.open();
}
