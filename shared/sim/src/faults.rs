//! What links and disks do to what passes through them.

use std::ops::Range;

/// What a link does to a message. Requests and answers are messages of their own.
#[derive(Clone, Debug)]
pub struct LinkFaults {
    /// How long it travels, microseconds. The spread reorders messages.
    pub delay_us: Range<u64>,
    /// How many in a thousand take long,
    pub slow_per_mille: u64,
    /// and how long, microseconds.
    pub slow_us: Range<u64>,
    /// How many in a thousand are lost.
    pub loss_per_mille: u64,
    /// How many requests in a thousand arrive twice.
    pub duplicate_per_mille: u64,
}

impl LinkFaults {
    /// Links that work.
    pub const NONE: LinkFaults = LinkFaults {
        delay_us: 100..1_000,
        slow_per_mille: 0,
        slow_us: 0..1,
        loss_per_mille: 0,
        duplicate_per_mille: 0,
    };
}

/// How slow a disk is.
#[derive(Clone, Debug)]
pub struct DiskFaults {
    /// How long a sync takes, microseconds.
    pub sync_us: Range<u64>,
    /// How many syncs in a thousand hang,
    pub hang_per_mille: u64,
    /// and for how long, microseconds.
    pub hang_us: Range<u64>,
}

impl DiskFaults {
    /// A disk that works.
    pub const NONE: DiskFaults = DiskFaults { sync_us: 200..1_000, hang_per_mille: 0, hang_us: 0..1 };
}
