//! Which line goes first.

use std::collections::{BTreeMap, BTreeSet};

use lru::LruCache;
use serde::{Deserialize, Serialize};

use crate::Address;

/// What a full cache drops first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// What was used longest ago.
    #[default]
    Lru,
    /// What was used least often; of those, what was used longest ago.
    Lfu,
}

/// The order of the lines.
#[derive(Debug)]
pub(super) enum Order {
    /// Unbounded: the bound is in bytes too, and lines that are not written back yet may not go.
    Lru(LruCache<Address, ()>),
    Lfu(Lfu),
}

/// The same by number of uses. No kept crate does this without a capacity and with a look at who would go.
#[derive(Debug, Default)]
pub(super) struct Lfu {
    of: BTreeMap<Address, (u64, u64)>,
    order: BTreeSet<((u64, u64), Address)>,
    clock: u64,
}

impl Lfu {
    fn used(&mut self, address: &Address) {
        self.clock += 1;
        let before = self.of.get(address).copied();
        let now = (before.map_or(0, |(uses, _)| uses) + 1, self.clock);
        if let Some(before) = before {
            self.order.remove(&(before, address.clone()));
        }
        self.order.insert((now, address.clone()));
        self.of.insert(address.clone(), now);
    }
}

impl Order {
    pub(super) fn new(policy: Policy) -> Self {
        match policy {
            Policy::Lru => Order::Lru(LruCache::unbounded()),
            Policy::Lfu => Order::Lfu(Lfu::default()),
        }
    }

    /// A line was used, or is new.
    pub(super) fn used(&mut self, address: &Address) {
        match self {
            Order::Lru(lru) => {
                if lru.get(address).is_none() {
                    lru.put(address.clone(), ());
                }
            }
            Order::Lfu(lfu) => lfu.used(address),
        }
    }

    pub(super) fn remove(&mut self, address: &Address) {
        match self {
            Order::Lru(lru) => {
                lru.pop(address);
            }
            Order::Lfu(lfu) => {
                if let Some(found) = lfu.of.remove(address) {
                    lfu.order.remove(&(found, address.clone()));
                }
            }
        }
    }

    /// Panics where it does not have just these lines.
    pub(super) fn assert_consistent<'a>(&self, lines: impl ExactSizeIterator<Item = &'a Address>) {
        let (has, all): (usize, usize) = match self {
            Order::Lru(lru) => (lru.len(), lines.len()),
            Order::Lfu(lfu) => (lfu.order.len().min(lfu.of.len()), lines.len()),
        };
        assert_eq!(has, all, "the order of use has {has} lines of {all}");
        for address in lines {
            let there = match self {
                Order::Lru(lru) => lru.contains(address),
                Order::Lfu(lfu) => {
                    lfu.of.get(address).is_some_and(|found| lfu.order.contains(&(*found, address.clone())))
                }
            };
            assert!(there, "{address} is not in the order of use");
        }
    }

    /// The next one that may go.
    pub(super) fn victim(&self, may_go: impl Fn(&Address) -> bool) -> Option<Address> {
        match self {
            Order::Lru(lru) => lru.iter().rev().map(|(address, ())| address).find(|one| may_go(one)).cloned(),
            Order::Lfu(lfu) => lfu.order.iter().map(|(_, address)| address).find(|one| may_go(one)).cloned(),
        }
    }

    /// What goes last comes first.
    pub(super) fn newest_first(&self) -> Box<dyn Iterator<Item = &Address> + '_> {
        match self {
            Order::Lru(lru) => Box::new(lru.iter().map(|(address, ())| address)),
            Order::Lfu(lfu) => Box::new(lfu.order.iter().rev().map(|(_, address)| address)),
        }
    }
}
