//! The disk under the benchmark: that it is one, and how long it takes to sync.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};
use hdrhistogram::Histogram;

const SYNCS: usize = 200;
const BYTES: usize = 4_096;

/// Prints the file system and its sync time; refuses one that is only memory.
pub fn report(folder: &Path) -> Result<()> {
    let kind = file_system(folder);
    ensure!(
        !matches!(kind.as_deref(), Some("tmpfs" | "ramfs")),
        "{} is on {}: memory, not a disk; choose another folder with --data",
        folder.display(),
        kind.unwrap_or_default()
    );
    let path = folder.join("sync-probe");
    let mut file = File::create(&path)?;
    let mut times = Histogram::<u64>::new(3)?;
    let page = [0x5a_u8; BYTES];
    for _ in 0..SYNCS {
        file.write_all(&page)?;
        let began = Instant::now();
        file.sync_data()?;
        times.saturating_record(u64::try_from(began.elapsed().as_micros())?);
    }
    drop(file);
    fs::remove_file(&path)?;
    println!(
        "disk: {} ({}), {SYNCS} appends of {BYTES} bytes with fdatasync: p50 {:.2} ms, p99 {:.2} ms",
        folder.display(),
        kind.as_deref().unwrap_or("file system unknown"),
        times.value_at_quantile(0.5) as f64 / 1e3,
        times.value_at_quantile(0.99) as f64 / 1e3
    );
    Ok(())
}

/// The type of the file system, where the system has a list of its mounts.
fn file_system(folder: &Path) -> Option<String> {
    let mounts = fs::read_to_string("/proc/mounts").ok()?;
    mounts
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            let (_, place, kind) = (words.next()?, words.next()?, words.next()?);
            folder.starts_with(place).then(|| (place.len(), kind.to_owned()))
        })
        .max_by_key(|(length, _)| *length)
        .map(|(_, kind)| kind)
}
