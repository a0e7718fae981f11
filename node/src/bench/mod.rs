//! Measuring: `orrery bench`.

use anyhow::{Result, bail};

use crate::cli::BenchLockArgs;

/// `orrery bench lock`
pub async fn run_lock(_: BenchLockArgs) -> Result<()> {
    bail!("not measured yet")
}
