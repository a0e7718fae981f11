//! What a node counts of its cache.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// The rate is over this many seconds.
const RATE_S: u64 = 60;

/// What a node counted since its boot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Stats {
    /// Requests of clients (reads, writes, deletions) that were answered here at once.
    pub hits: u64,
    /// Those that needed a home, or waited for somebody who asked one; a durable write always does.
    pub misses: u64,
    /// Copies that came from what was committed.
    pub fills_from_home: u64,
    /// Copies that another owner gave up.
    pub fills_from_owner: u64,
    /// Copies that a home took away.
    pub invalidations_received: u64,
    /// Writes that were written back.
    pub write_backs: u64,
    /// Copies that went because there was no more room.
    pub evictions: u64,
    /// Writes that were answered as not durable and are lost.
    pub lost: u64,
    /// Leases that were renewed.
    pub renewals: u64,
    /// Copies now.
    pub lines: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Hits of all since the boot, 0 to 1; none without any.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub hit_rate: Option<f64>,
    /// The same over the last minute.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub hit_rate_1m: Option<f64>,
}

/// What became of writes that no home knew any more, since the node's boot. Not among the figures of [`Stats`], which are
/// recorded in streams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LateWrites {
    /// Writes that were answered as not durable and that no home knew for a time: offered to one, based on the version before
    /// them, until it took or refused them.
    pub offered: u64,
    /// Writes that were answered as not durable, received by a home, and overwritten before it was known what became of them.
    pub unresolved: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counted {
    pub hits: u64,
    pub misses: u64,
    pub fills_from_home: u64,
    pub fills_from_owner: u64,
    pub invalidations_received: u64,
    pub write_backs: u64,
    pub evictions: u64,
    pub lost: u64,
    pub renewals: u64,
    pub late: LateWrites,
    /// Second, hits and misses in it; at most [`RATE_S`].
    recent: VecDeque<(u64, u64, u64)>,
}

impl Counted {
    pub(super) fn looked(&mut self, hit: bool, now_us: u64) {
        let second = now_us / 1_000_000;
        if self.recent.back().is_none_or(|(at, _, _)| *at != second) {
            self.recent.push_back((second, 0, 0));
        }
        while self.recent.len() as u64 > RATE_S {
            self.recent.pop_front();
        }
        let last = self.recent.back_mut();
        if hit {
            self.hits += 1;
            last.into_iter().for_each(|(_, hits, _)| *hits += 1);
        } else {
            self.misses += 1;
            last.into_iter().for_each(|(_, _, misses)| *misses += 1);
        }
    }

    pub(super) fn stats(&self, now_us: u64, lines: usize, bytes: u64) -> Stats {
        let rate = |hits: u64, misses: u64| (hits + misses > 0).then(|| hits as f64 / (hits + misses) as f64);
        let since = (now_us / 1_000_000).saturating_sub(RATE_S);
        let recent = self.recent.iter().filter(|(second, _, _)| *second > since || since == 0);
        let (hits, misses) = recent.fold((0, 0), |sum, (_, hits, misses)| (sum.0 + hits, sum.1 + misses));
        Stats {
            hits: self.hits,
            misses: self.misses,
            fills_from_home: self.fills_from_home,
            fills_from_owner: self.fills_from_owner,
            invalidations_received: self.invalidations_received,
            write_backs: self.write_backs,
            evictions: self.evictions,
            lost: self.lost,
            renewals: self.renewals,
            lines: lines as u64,
            bytes,
            hit_rate: rate(self.hits, self.misses),
            hit_rate_1m: rate(hits, misses),
        }
    }
}
