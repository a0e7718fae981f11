//! Signals and memos that hold their values behind a pointer.
//!
//! Leptos' own are generic in what they hold, and a browser downloads their code once for each type. These are thin
//! over one kind of signal and one kind of memo, so a new type costs next to nothing.

use std::any::Any;
use std::marker::PhantomData;
use std::sync::Arc;

use leptos::prelude::{self, Get as _, GetUntracked as _, Set as _, Signal, Track as _};

type Held = Arc<dyn Any + Send + Sync>;

/// What a memo gives after what it gave before.
trait Next: Send + Sync {
    fn next(&self, before: Option<&Held>) -> Held;
}

/// By what a memo knows that its value is the same.
trait Same: Send + Sync {
    fn same(&self, a: &Held, b: &Held) -> bool;
}

struct By<T>(fn(&T, &T) -> bool);

impl<T: Send + Sync + 'static> Same for By<T> {
    fn same(&self, a: &Held, b: &Held) -> bool {
        self.0(of(a), of(b))
    }
}

struct Gives<T, F> {
    value: F,
    kind: PhantomData<fn() -> T>,
}

impl<T: Send + Sync + 'static, F: Fn(Option<&T>) -> T + Send + Sync> Next for Gives<T, F> {
    fn next(&self, before: Option<&Held>) -> Held {
        Arc::new((self.value)(before.map(of)))
    }
}

/// What one of these holds has the type that it was made with.
const OF_ITS_TYPE: &str = "a signal only ever holds values of its own type";

fn of<T: 'static>(held: &Held) -> &T {
    held.downcast_ref().expect(OF_ITS_TYPE)
}

/// A value that knows when another one is the same.
#[derive(Clone)]
struct Compared {
    value: Held,
    same: Arc<dyn Same>,
}

impl PartialEq for Compared {
    fn eq(&self, other: &Self) -> bool {
        self.same.same(&self.value, &other.value)
    }
}

/// A value that follows others. `Copy`, like Leptos' own.
pub struct Memo<T> {
    inner: prelude::Memo<Compared>,
    kind: PhantomData<fn() -> T>,
}

impl<T> Clone for Memo<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Memo<T> {}

impl<T: Send + Sync + 'static> Memo<T> {
    /// What `value` gives, again whenever something that it read has changed; told only where it differs.
    pub fn new(value: impl Fn(Option<&T>) -> T + Send + Sync + 'static) -> Self
    where
        T: PartialEq,
    {
        Self::new_by(value, T::eq)
    }

    /// The same with a comparison of one's own.
    pub fn new_by(value: impl Fn(Option<&T>) -> T + Send + Sync + 'static, same: fn(&T, &T) -> bool) -> Self {
        let next = Gives { value, kind: PhantomData };
        Memo { inner: follow(Box::new(next), Arc::new(By(same))), kind: PhantomData }
    }

    pub fn get(&self) -> T
    where
        T: Clone,
    {
        of::<T>(&self.inner.get().value).clone()
    }

    /// The value; not tracked.
    pub fn get_untracked(&self) -> T
    where
        T: Clone,
    {
        of::<T>(&self.inner.get_untracked().value).clone()
    }

    /// The value; not tracked. None after its owner has gone.
    pub fn try_get_untracked(&self) -> Option<T>
    where
        T: Clone,
    {
        self.inner.try_get_untracked().map(|held| of::<T>(&held.value).clone())
    }

    /// Something of the value; tracked.
    pub fn with<R>(&self, read: impl FnOnce(&T) -> R) -> R {
        read(of(&self.inner.get().value))
    }

    /// Something of the value; not tracked.
    pub fn with_untracked<R>(&self, read: impl FnOnce(&T) -> R) -> R {
        read(of(&self.inner.get_untracked().value))
    }
}

fn follow(next: Box<dyn Next>, same: Arc<dyn Same>) -> prelude::Memo<Compared> {
    prelude::Memo::new(move |before: Option<&Compared>| Compared {
        value: next.next(before.map(|before| &before.value)),
        same: same.clone(),
    })
}

/// A value that is set. `Copy`, like Leptos' own.
pub struct RwSignal<T> {
    inner: prelude::RwSignal<Held>,
    kind: PhantomData<fn() -> T>,
}

impl<T> Clone for RwSignal<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for RwSignal<T> {}

impl<T: Clone + Send + Sync + 'static> RwSignal<T> {
    /// A signal that begins with this value.
    pub fn new(value: T) -> Self {
        RwSignal { inner: prelude::RwSignal::new(Arc::new(value)), kind: PhantomData }
    }

    pub fn get(&self) -> T {
        of::<T>(&self.inner.get()).clone()
    }

    /// The value; not tracked.
    pub fn get_untracked(&self) -> T {
        of::<T>(&self.inner.get_untracked()).clone()
    }

    /// The value; not tracked. None after its owner has gone.
    pub fn try_get_untracked(&self) -> Option<T> {
        self.inner.try_get_untracked().map(|held| of::<T>(&held).clone())
    }

    /// Something of the value; tracked.
    pub fn with<R>(&self, read: impl FnOnce(&T) -> R) -> R {
        read(of(&self.inner.get()))
    }

    /// Something of the value; not tracked.
    pub fn with_untracked<R>(&self, read: impl FnOnce(&T) -> R) -> R {
        read(of(&self.inner.get_untracked()))
    }

    /// Follows it without reading it.
    pub fn track(&self) {
        self.inner.track();
    }

    /// Sets it and tells everybody who read it.
    pub fn set(&self, value: T) {
        self.inner.set(Arc::new(value));
    }

    /// Changes it and tells everybody who read it; nothing after its owner has gone.
    pub fn update(&self, change: impl FnOnce(&mut T)) {
        let Some(mut value) = self.try_get_untracked() else { return };
        change(&mut value);
        self.set(value);
    }
}

/// The end of a signal at which it is read and not set.
pub struct ReadSignal<T>(RwSignal<T>);

impl<T> Clone for ReadSignal<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for ReadSignal<T> {}

impl<T: Clone + Send + Sync + 'static> ReadSignal<T> {
    pub fn get(&self) -> T {
        self.0.get()
    }

    /// The value; not tracked.
    pub fn get_untracked(&self) -> T {
        self.0.get_untracked()
    }

    /// Something of the value; tracked.
    pub fn with<R>(&self, read: impl FnOnce(&T) -> R) -> R {
        self.0.with(read)
    }

    /// Something of the value; not tracked.
    pub fn with_untracked<R>(&self, read: impl FnOnce(&T) -> R) -> R {
        self.0.with_untracked(read)
    }
}

impl<T> RwSignal<T> {
    /// Its end for readers.
    pub fn read_only(self) -> ReadSignal<T> {
        ReadSignal(self)
    }
}

impl<T: Clone + Send + Sync + 'static> From<RwSignal<T>> for Signal<T> {
    fn from(signal: RwSignal<T>) -> Signal<T> {
        Signal::derive(move || signal.get())
    }
}
