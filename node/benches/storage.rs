//! What one durable batch costs: entries packed into runs (the store) beside a row for each entry.
//!
//! `cargo bench -p orrery --bench storage [-- FOLDER]`: the folder should be on the disk that nodes use.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use orrery::storage::{CACHE_BYTES, Store};
use orrery_base::ids::GroupId;
use orrery_engine::host::Write;
use redb::backends::FileBackend;
use redb::{Builder, TableDefinition};

const COMMITS: u64 = 300;
const ENTRY_BYTES: usize = 120;

fn main() -> Result<()> {
    let folder = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let folder = folder.map_or_else(std::env::temp_dir, PathBuf::from);
    println!("batch   packed p50 ms   p99 ms   cpu us   a row each p50 ms   p99 ms   cpu us");
    for batch in [1, 16, 128] {
        let path = folder.join(format!("orrery-bench-{}.redb", std::process::id()));
        let packed = packed(&path, batch)?;
        let rows = a_row_each(&path, batch)?;
        println!(
            "{batch:5}   {:13.2}   {:6.2}   {:6.0}   {:17.2}   {:6.2}   {:6.0}",
            packed.0, packed.1, packed.2, rows.0, rows.1, rows.2
        );
    }
    Ok(())
}

/// p50 ms, p99 ms, CPU microseconds for each commit.
type Cost = (f64, f64, f64);

fn packed(path: &PathBuf, batch: u64) -> Result<Cost> {
    let file = std::fs::File::options().read(true).write(true).create(true).truncate(true).open(path)?;
    let store = Store::open(FileBackend::new(file)?, redb::backends::InMemoryBackend::new())?;
    let entry = Bytes::from(vec![7; ENTRY_BYTES]);
    let cost = measure(|turn| {
        let entries = (turn * batch..(turn + 1) * batch).map(|index| (index, entry.clone())).collect();
        Ok(store.commit(&[Write::Entries { group: GroupId(0), entries }])?)
    });
    std::fs::remove_file(path)?;
    cost
}

fn a_row_each(path: &PathBuf, batch: u64) -> Result<Cost> {
    const TABLE: TableDefinition<u64, &[u8]> = TableDefinition::new("rows");
    let database = Builder::new().set_cache_size(CACHE_BYTES).create(path)?;
    let cost = measure(|turn| {
        let transaction = database.begin_write()?;
        {
            let mut table = transaction.open_table(TABLE)?;
            for index in turn * batch..(turn + 1) * batch {
                table.insert(index, &[7; ENTRY_BYTES][..])?;
            }
        }
        Ok(transaction.commit()?)
    });
    std::fs::remove_file(path)?;
    cost
}

fn measure(mut commit: impl FnMut(u64) -> Result<()>) -> Result<Cost> {
    let cpu = cpu_time();
    let mut took = Vec::new();
    for turn in 0..COMMITS {
        let begun = Instant::now();
        commit(turn)?;
        took.push(begun.elapsed());
    }
    took.sort_unstable();
    let ms = |at: usize| took[at].as_secs_f64() * 1e3;
    let cpu = match (cpu, cpu_time()) {
        (Ok(before), Ok(after)) => (after - before).as_secs_f64() * 1e6 / COMMITS as f64,
        _ => f64::NAN,
    };
    Ok((ms(took.len() / 2), ms(took.len() * 99 / 100), cpu))
}

/// User and system time of this process, where /proc has it (in ticks of 10 ms).
fn cpu_time() -> Result<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().context("no fields")?.split_whitespace().collect();
    let ticks = |at: usize| -> Result<u64> { Ok(fields.get(at).context("too short")?.parse()?) };
    Ok(Duration::from_millis(10 * (ticks(11)? + ticks(12)?)))
}
