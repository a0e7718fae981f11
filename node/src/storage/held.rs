//! A file whose changes stay in memory until it was found sound.
//!
//! redb repairs while it opens: where the last commit does not verify, it goes back to the one before and writes that
//! down. That is right after a power cut, when the last commit was never acknowledged, and wrong after damage, when it
//! was. Only after the opening it is known which of the two happened. So nothing that an opening writes reaches the
//! file before: a refused start leaves the folder as it was, and every later start refuses as well.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

/// A file in front of which changes wait for [`Held::release`]. Clones are the same file.
#[derive(Debug)]
pub(super) struct Held<B>(Arc<Inner<B>>);

impl<B> Clone for Held<B> {
    fn clone(&self) -> Self {
        Held(self.0.clone())
    }
}

#[derive(Debug)]
struct Inner<B> {
    file: B,
    released: AtomicBool,
    /// In the order in which they came. An opening makes a few of them.
    changes: Mutex<Vec<Change>>,
}

#[derive(Debug)]
enum Change {
    Write { offset: u64, bytes: Vec<u8> },
    Length(u64),
    Sync,
}

impl<B: StorageBackend> Held<B> {
    pub(super) fn new(file: B) -> Self {
        Held(Arc::new(Inner { file, released: AtomicBool::new(false), changes: Mutex::default() }))
    }

    /// Makes the changes, in their order and with their syncs between them: a crash within is one that the opening
    /// itself could have met. What comes later is not held.
    pub(super) fn release(&self) -> io::Result<()> {
        let mut changes = self.changes();
        for change in changes.drain(..) {
            match change {
                Change::Write { offset, bytes } => self.0.file.write(offset, &bytes)?,
                Change::Length(length) => self.0.file.set_len(length)?,
                Change::Sync => self.0.file.sync_data()?,
            }
        }
        self.0.released.store(true, Ordering::Release);
        Ok(())
    }

    fn changes(&self) -> MutexGuard<'_, Vec<Change>> {
        self.0.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a change; gives it back where nothing is held any more.
    fn hold(&self, change: Change) -> Option<Change> {
        if self.0.released.load(Ordering::Acquire) {
            return Some(change);
        }
        let mut changes = self.changes();
        if self.0.released.load(Ordering::Acquire) {
            return Some(change);
        }
        changes.push(change);
        None
    }

    fn length(&self, changes: &[Change]) -> io::Result<u64> {
        let file = self.0.file.len()?;
        Ok(changes.iter().fold(file, |length, change| match change {
            Change::Write { offset, bytes } => length.max(offset + bytes.len() as u64),
            Change::Length(length) => *length,
            Change::Sync => length,
        }))
    }
}

impl<B: StorageBackend> StorageBackend for Held<B> {
    fn len(&self) -> io::Result<u64> {
        if self.0.released.load(Ordering::Acquire) {
            return self.0.file.len();
        }
        self.length(&self.changes())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if self.0.released.load(Ordering::Acquire) {
            return self.0.file.read(offset, out);
        }
        let changes = self.changes();
        let end = offset.checked_add(out.len() as u64).ok_or(io::ErrorKind::UnexpectedEof)?;
        if end > self.length(&changes)? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        out.fill(0);
        let present = self.0.file.len()?.clamp(offset, end) - offset;
        self.0.file.read(offset, &mut out[..present as usize])?;
        for change in changes.iter() {
            match change {
                Change::Write { offset: at, bytes } => {
                    let (from, to) = ((*at).max(offset), (at + bytes.len() as u64).min(end));
                    if from < to {
                        out[(from - offset) as usize..(to - offset) as usize]
                            .copy_from_slice(&bytes[(from - at) as usize..(to - at) as usize]);
                    }
                }
                Change::Length(length) if *length < end => {
                    out[(*length).max(offset).saturating_sub(offset) as usize..].fill(0);
                }
                Change::Length(_) | Change::Sync => {}
            }
        }
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        match self.hold(Change::Length(length)) {
            None => Ok(()),
            Some(_) => self.0.file.set_len(length),
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        match self.hold(Change::Sync) {
            None => Ok(()),
            Some(_) => self.0.file.sync_data(),
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        // Every write of a node comes here: no copy where nothing is held.
        if self.0.released.load(Ordering::Acquire) {
            return self.0.file.write(offset, data);
        }
        match self.hold(Change::Write { offset, bytes: data.to_vec() }) {
            None => Ok(()),
            Some(_) => self.0.file.write(offset, data),
        }
    }

    fn close(&self) -> io::Result<()> {
        self.0.file.close()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use redb::backends::InMemoryBackend;

    use super::*;

    fn contents(file: &impl StorageBackend) -> Vec<u8> {
        let mut bytes = vec![0; file.len().unwrap() as usize];
        file.read(0, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn changes_are_seen_at_once_and_reach_the_file_when_released() {
        let file = Arc::new(InMemoryBackend::new());
        file.set_len(8).unwrap();
        file.write(0, b"abcdefgh").unwrap();
        let held = Held::new(Shared(file.clone()));
        held.set_len(10).unwrap();
        held.write(2, b"XYZ").unwrap();
        held.set_len(4).unwrap();
        held.set_len(6).unwrap();
        held.sync_data().unwrap();
        assert_eq!(contents(&held), b"abXY\0\0");
        assert!(held.read(5, &mut [0; 2]).is_err(), "behind the end");
        assert_eq!(contents(&*file), b"abcdefgh", "the file is untouched");
        held.release().unwrap();
        assert_eq!(contents(&*file), b"abXY\0\0");
        held.write(0, b"!").unwrap();
        assert_eq!(contents(&*file), b"!bXY\0\0");
        assert_eq!(contents(&held), b"!bXY\0\0");
    }

    #[derive(Debug)]
    struct Shared(Arc<InMemoryBackend>);

    impl StorageBackend for Shared {
        fn len(&self) -> io::Result<u64> {
            self.0.len()
        }
        fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
            self.0.read(offset, out)
        }
        fn set_len(&self, length: u64) -> io::Result<()> {
            self.0.set_len(length)
        }
        fn sync_data(&self) -> io::Result<()> {
            self.0.sync_data()
        }
        fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
            self.0.write(offset, data)
        }
    }
}
