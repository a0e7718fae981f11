//! A mutex that tasks wait for.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::ops::{Deref, DerefMut};
use std::task::{Poll, Waker};

use openraft::rt::{self, OptionalSend};

use super::cell::SyncCell;

/// The value lies in its guard while it is locked.
pub struct SimMutex<T> {
    value: SyncCell<Option<Box<T>>>,
    waiting: SyncCell<VecDeque<Waker>>,
}

pub struct Guard<'a, T> {
    value: Option<Box<T>>,
    mutex: &'a SimMutex<T>,
}

impl<T: OptionalSend + 'static> rt::Mutex<T> for SimMutex<T> {
    type Guard<'a> = Guard<'a, T>;

    fn new(value: T) -> Self {
        SimMutex { value: SyncCell::new(Some(Box::new(value))), waiting: SyncCell::default() }
    }

    fn lock(&self) -> impl Future<Output = Guard<'_, T>> + OptionalSend {
        poll_fn(move |context| match self.value.take() {
            Some(value) => Poll::Ready(Guard { value: Some(value), mutex: self }),
            None => {
                self.waiting.borrow_mut().push_back(context.waker().clone());
                Poll::Pending
            }
        })
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        self.value.as_ref().expect("a guard has its value until it is dropped")
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.value.as_mut().expect("a guard has its value until it is dropped")
    }
}

impl<T> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        self.mutex.value.replace(self.value.take());
        self.mutex.waiting.take().into_iter().for_each(Waker::wake);
    }
}
