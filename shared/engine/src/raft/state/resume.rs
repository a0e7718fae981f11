//! What a leader says of the group's whole state: when it begins to lead, and when the shard map changed.

use orrery_base::ids::{GroupId, LogIndex};
use orrery_cache::Values;
use orrery_event::sums::Sums;
use orrery_event::{Fact, sums};

use super::{Inner, Shared, StateMachine};
use crate::host::Host;

impl<H: Host> StateMachine<H> {
    /// Says between two facts what the group has, for readers to compare with. Only a leader has told all of it.
    pub fn tell_sums(&self) {
        let Shared { host, group, .. } = &*self.shared;
        let (machine, index) = {
            let mut inner = self.inner();
            let Some(applied) = inner.applied.filter(|_| inner.leading.is_some() && host.records()) else {
                return;
            };
            if inner.shown_in_part && !inner.machine.locks().counts().beyond() {
                // Who has a part lacks what is left of the rest.
                inner.shown_in_part = false;
                host.emit(Fact::locks_resumed(*group, inner.machine.locks().shown(Some(applied.index))));
            }
            // Facts are told under this lock: the fork has all of them up to here, and none after.
            host.emit(Fact::Comparing { group: *group, index: applied.index });
            (inner.machine.clone(), applied.index)
        };
        let sums = match machine.queue() {
            None => Sums { locks: sums::of_locks(&machine.locks().shown(Some(index))), ..Sums::default() },
            Some(queues) => Sums {
                locks: None,
                queues: sums::of_queues(&queues.view(Some(index))),
                values: machine.values().and_then(|values| sums::of_values(&values.view(Some(index)))),
            },
        };
        host.emit(Fact::Compared { group: *group, index, sums });
    }

    /// A new leader's first words: the state, then what happened in the last seconds.
    pub(super) fn resume(&self, inner: &mut Inner<H>) {
        let Shared { host, group, resend_us, .. } = &*self.shared;
        let Some(applied) = inner.applied else { return };
        let index = applied.index;
        match inner.machine.queue() {
            None => {
                inner.shown_in_part = inner.machine.locks().counts().beyond();
                host.emit(Fact::locks_resumed(*group, inner.machine.locks().shown(Some(index))));
                self.tell_map(inner, index);
            }
            Some(queues) => {
                let queues = Box::new(queues.view(Some(index)));
                host.emit(Fact::QueuesResumed { group: *group, index, queues });
                let values = inner.machine.values().filter(|values| **values != Values::default());
                if let Some(values) = values {
                    let values = Box::new(values.view(Some(index)));
                    host.emit(Fact::CachesResumed { group: *group, index, values });
                }
            }
        }
        // Counted from the last one, however long there was no leader: the old one may have died on it.
        let Some(newest_us) = inner.recent.back().map(|recent| recent.at_us) else { return };
        for recent in inner.recent.iter().filter(|recent| recent.at_us + resend_us >= newest_us) {
            host.emit(Fact::Service {
                group: *group,
                index: recent.index,
                n: recent.n,
                clock_ms: recent.clock_ms,
                fact: recent.fact.clone(),
            });
        }
    }

    /// The shard map changed with that entry.
    pub(super) fn map_moved(&self, inner: &Inner<H>, index: LogIndex) {
        self.shared.map_changed.notify();
        if inner.leading.is_some() && self.shared.host.records() {
            self.tell_map(inner, index);
        }
    }

    fn tell_map(&self, inner: &Inner<H>, index: LogIndex) {
        let record = inner.machine.cluster();
        if record.map().version > 0 {
            let shards = Box::new(record.shard_table());
            self.shared.host.emit(Fact::ShardsPlaced { group: GroupId::CONTROL, index, shards });
        }
    }
}
