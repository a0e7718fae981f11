//! demo
use anyhow::{Result, bail};

use crate::cli::DemoArgs;

/// `orrery demo`
pub async fn run(_: DemoArgs) -> Result<()> {
    bail!("soon")
}
