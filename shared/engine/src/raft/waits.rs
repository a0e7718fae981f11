//! Who waits until an index is applied on this replica.

use std::collections::BTreeMap;

use openraft::AsyncRuntime;
use openraft::async_runtime::{Oneshot, OneshotSender};
use orrery_base::ids::LogIndex;

type Sender<R> = <<R as AsyncRuntime>::Oneshot as Oneshot>::Sender<()>;
/// Resolves once; to an error only when the group is gone.
pub type Receiver<R, T> = <<R as AsyncRuntime>::Oneshot as Oneshot>::Receiver<T>;

/// The registry. Every method is called under the state machine's lock.
pub struct Waits<R: AsyncRuntime> {
    waiting: BTreeMap<LogIndex, Vec<Sender<R>>>,
}

impl<R: AsyncRuntime> Default for Waits<R> {
    fn default() -> Self {
        Waits { waiting: BTreeMap::new() }
    }
}

impl<R: AsyncRuntime> Waits<R> {
    /// Resolves when `index` is applied.
    pub fn add(&mut self, index: LogIndex, applied: Option<LogIndex>) -> Receiver<R, ()> {
        let (sender, receiver) = R::Oneshot::channel();
        if applied >= Some(index) {
            // Its receiver is right here.
            let _ = sender.send(());
        } else {
            self.waiting.entry(index).or_default().push(sender);
        }
        receiver
    }

    /// `index` is applied.
    pub fn applied(&mut self, index: LogIndex) {
        while let Some(entry) = self.waiting.first_entry() {
            if *entry.key() > index {
                return;
            }
            for sender in entry.remove() {
                // Who gave up does not listen any more.
                let _ = sender.send(());
            }
        }
    }
}
