//! The histograms in which openraft counts its own batches, in a few hundred bytes.
//!
//! The crate of this name on crates.io computes tables for sixteen resolutions at the first use: 26 MB that stay in
//! memory, of which openraft reads 2 KB. A node of Orrery should need less than 40 MB in all, so the workspace
//! puts this one in its place (`[patch.crates-io]`). It has what openraft calls, and nothing else.
//!
//! Buckets are log-linear: four to each power of two, so that a reported percentile is at most a quarter too low. They
//! are computed, not looked up.

use std::fmt;
use std::marker::PhantomData;

/// Buckets to each power of two, as a number of bits.
const FINE_BITS: u32 = 2;
const FINE: u64 = 1 << FINE_BITS;
/// For every `u64`: the values below [`FINE`], then [`FINE`] for each further bit.
const BUCKETS: usize = ((u64::BITS - FINE_BITS + 1) as usize) << FINE_BITS;

/// How often which values were recorded. Grows to the largest value's bucket, at most 2 KB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram<T = ()> {
    counts: Vec<u64>,
    samples: u64,
    slot: PhantomData<T>,
}

impl<T> Default for Histogram<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Histogram<T> {
    /// Nothing recorded.
    #[must_use]
    pub fn new() -> Self {
        Histogram { counts: Vec::new(), samples: 0, slot: PhantomData }
    }

    /// One more of this value.
    pub fn record(&mut self, value: u64) {
        self.record_n(value, 1);
    }

    /// So many more of this value.
    pub fn record_n(&mut self, value: u64, count: u64) {
        let bucket = bucket_of(value);
        if bucket >= self.counts.len() {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] += count;
        self.samples += count;
    }

    /// Values recorded.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.samples
    }

    /// The usual percentiles, each as the least value of its bucket; 0 when nothing was recorded.
    #[must_use]
    pub fn percentile_stats(&self) -> PercentileStats {
        let at = |permille: u64| self.at_permille(permille);
        PercentileStats {
            samples: self.samples,
            p0_1: at(1),
            p1: at(10),
            p5: at(50),
            p10: at(100),
            p50: at(500),
            p90: at(900),
            p99: at(990),
            p99_9: at(999),
        }
    }

    fn at_permille(&self, permille: u64) -> u64 {
        let rank = (u128::from(self.samples) * u128::from(permille)).div_ceil(1000).max(1);
        let mut seen = 0_u128;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += u128::from(*count);
            if seen >= rank {
                return least_of(bucket);
            }
        }
        0
    }
}

fn bucket_of(value: u64) -> usize {
    if value < FINE {
        return value as usize;
    }
    let shift = value.ilog2() - FINE_BITS;
    ((u64::from(shift) << FINE_BITS) + (value >> shift)) as usize
}

fn least_of(bucket: usize) -> u64 {
    debug_assert!(bucket < BUCKETS, "there is no value for it");
    let bucket = bucket as u64;
    if bucket < FINE {
        return bucket;
    }
    let shift = (bucket >> FINE_BITS) - 1;
    (FINE + (bucket & (FINE - 1))) << shift
}

/// Percentiles of a [`Histogram`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PercentileStats {
    /// Values recorded.
    pub samples: u64,
    /// One in a thousand values is at most this.
    pub p0_1: u64,
    /// One in a hundred.
    pub p1: u64,
    /// One in twenty.
    pub p5: u64,
    /// One in ten.
    pub p10: u64,
    /// Half of them.
    pub p50: u64,
    /// Nine in ten.
    pub p90: u64,
    /// 99 in a hundred.
    pub p99: u64,
    /// 999 in a thousand.
    pub p99_9: u64,
}

impl fmt::Display for PercentileStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PercentileStats { samples, p50, p90, p99, .. } = self;
        write!(f, "{samples} values, half up to {p50}, 90 % up to {p90}, 99 % up to {p99}")
    }
}

/// Several histograms in words, one a line.
#[derive(Clone, Debug, Default)]
pub struct AsciiChart {
    rows: Vec<(String, PercentileStats)>,
}

impl AsciiChart {
    /// No rows.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more row.
    #[must_use]
    pub fn add<T>(mut self, name: &str, histogram: Histogram<T>) -> Self {
        self.rows.push((name.to_owned(), histogram.percentile_stats()));
        self
    }

    /// Every row has its details already.
    #[must_use]
    pub fn detailed(self) -> Self {
        self
    }
}

impl fmt::Display for AsciiChart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, stats) in &self.rows {
            writeln!(f, "{name}: {stats}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_in_order_and_begin_where_they_say() {
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
        for bucket in 0..BUCKETS {
            let least = least_of(bucket);
            assert_eq!(bucket_of(least), bucket);
            if bucket > 0 {
                assert_eq!(bucket_of(least - 1), bucket - 1, "below {least}");
            }
        }
    }

    #[test]
    fn a_bucket_is_at_most_a_quarter_wide() {
        for value in (0..64).map(|bit| 1_u64 << bit).chain([1000, 12_345, u64::MAX]) {
            let least = least_of(bucket_of(value));
            assert!(least <= value && value - least <= value / 4, "{value}: {least}");
        }
    }

    #[test]
    fn percentiles_of_known_values() {
        let mut histogram = Histogram::<()>::new();
        assert_eq!(histogram.percentile_stats().p50, 0);
        for value in [1, 1, 2, 3, 1000] {
            histogram.record(value);
        }
        let stats = histogram.percentile_stats();
        assert_eq!((histogram.total(), stats.samples), (5, 5));
        assert_eq!((stats.p0_1, stats.p10, stats.p50, stats.p90), (1, 1, 2, 896));
        let chart = AsciiChart::new().add("batch", histogram).detailed().to_string();
        assert_eq!(chart, "batch: 5 values, half up to 2, 90 % up to 896, 99 % up to 896\n");
    }
}
