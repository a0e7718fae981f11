//! A shard's lease clock as a register that only grows: clients write it, read it, and must see what was acknowledged.

use std::collections::BTreeMap;

use orrery_base::ids::{GroupId, LeaseMs};

/// What is known of all shards.
#[derive(Default)]
pub struct Registers {
    shards: BTreeMap<GroupId, Register>,
    /// Writes that were acknowledged.
    pub written: u64,
}

#[derive(Default)]
struct Register {
    /// The highest value that anybody asked to write.
    asked: LeaseMs,
    /// The highest one that was acknowledged.
    acknowledged: LeaseMs,
}

impl Registers {
    /// A value that nobody wrote yet, which somebody asks to write now.
    pub fn next(&mut self, shard: GroupId) -> LeaseMs {
        let register = self.shards.entry(shard).or_default();
        register.asked += 1;
        register.asked
    }

    /// A write was acknowledged.
    pub fn acknowledged(&mut self, shard: GroupId, value: LeaseMs) {
        self.written += 1;
        let register = self.shards.entry(shard).or_default();
        register.acknowledged = register.acknowledged.max(value);
    }

    /// The highest value that a read which begins now must show at least.
    pub fn least(&self, shard: GroupId) -> LeaseMs {
        self.shards.get(&shard).map_or(0, |register| register.acknowledged)
    }

    /// A linearizable read, for which [`Registers::least`] was `least` when it began, showed this value.
    pub fn read(&self, shard: GroupId, least: LeaseMs, value: LeaseMs) -> Result<(), String> {
        let asked = self.shards.get(&shard).map_or(0, |register| register.asked);
        if value < least {
            return Err(format!(
                "a read of {shard} shows {value}; {least} was acknowledged before it was asked for"
            ));
        }
        if value > asked {
            return Err(format!("a read of {shard} shows {value}, which nobody wrote"));
        }
        Ok(())
    }
}
