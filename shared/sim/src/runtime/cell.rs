//! Interior mutability for code that runs on one thread but must be `Send + Sync` for openraft.

use std::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// A `RefCell` that is `Sync`. Nothing ever waits for it: the simulator is one thread, so a lock that is
/// taken already means that code called itself while it held the value, and that is a bug.
#[derive(Default, Debug)]
pub struct SyncCell<T>(Mutex<T>);

impl<T> SyncCell<T> {
    /// A cell with a value.
    pub const fn new(value: T) -> Self {
        SyncCell(Mutex::new(value))
    }

    /// The value, until the guard goes.
    pub fn borrow_mut(&self) -> MutexGuard<'_, T> {
        self.0.try_lock().expect("one thread, never borrowed twice at once")
    }

    /// Puts a value in and returns the one before.
    pub fn replace(&self, value: T) -> T {
        std::mem::replace(&mut *self.borrow_mut(), value)
    }
}

impl<T: Copy> SyncCell<T> {
    pub fn get(&self) -> T {
        *self.borrow_mut()
    }

    pub fn set(&self, value: T) {
        *self.borrow_mut() = value;
    }
}

impl<T: Default> SyncCell<T> {
    /// Takes the value out and leaves the default.
    pub fn take(&self) -> T {
        std::mem::take(&mut *self.borrow_mut())
    }
}

/// The same with many readers at once, as a watch channel needs it.
#[derive(Debug)]
pub(super) struct ReadCell<T>(RwLock<T>);

/// A value that is being read.
pub type ReadGuard<'a, T> = RwLockReadGuard<'a, T>;

impl<T> ReadCell<T> {
    pub(super) fn new(value: T) -> Self {
        ReadCell(RwLock::new(value))
    }

    pub(super) fn read(&self) -> ReadGuard<'_, T> {
        self.0.try_read().expect("one thread, never written while it is read")
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, T> {
        self.0.try_write().expect("one thread, never written while it is read")
    }
}
