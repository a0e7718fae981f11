//! Random numbers that are the same on every machine.

use std::convert::Infallible;
use std::ops::Range;
use std::sync::Arc;

use super::cell::SyncCell;

/// SplitMix64 (Steele, Lea, Flood 2014): small, and identical on 32- and 64-bit targets.
#[derive(Clone, Debug)]
pub struct SplitMix(u64);

impl SplitMix {
    /// A generator whose numbers depend on the seed and on what they are for, and on nothing else.
    pub fn new(seed: u64, purpose: u64) -> Self {
        let mut rng = SplitMix(seed ^ purpose.wrapping_mul(0xd134_2543_de82_ef95));
        rng.bits();
        rng
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number of the range; its start when it is empty.
    pub fn range(&mut self, range: Range<u64>) -> u64 {
        let width = range.end.saturating_sub(range.start);
        // Widening multiply: no modulo bias worth speaking of, no loop.
        range.start + ((u128::from(self.bits()) * u128::from(width)) >> 64) as u64
    }

    /// True with a probability of `per_mille` in a thousand.
    pub fn chance(&mut self, per_mille: u64) -> bool {
        self.range(0..1000) < per_mille
    }

    /// One of the items.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.range(0..items.len() as u64) as usize)
    }
}

/// The generator of the task group (a node) that is running now: what openraft draws from.
pub struct GroupRng(pub(super) Arc<SyncCell<SplitMix>>);

impl rand_core::TryRng for GroupRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok((self.0.borrow_mut().bits() >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.0.borrow_mut().bits())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(8) {
            let bits = self.0.borrow_mut().bits().to_le_bytes();
            chunk.copy_from_slice(&bits[..chunk.len()]);
        }
        Ok(())
    }
}
