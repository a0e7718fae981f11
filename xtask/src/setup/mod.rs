//! What the builds and the tests need and a bare machine lacks.
//!
//! Each part first looks whether the thing is there; only then does it install, and it says what it does.

mod apt;
mod components;
mod debian_std;
pub mod system;
pub mod tools;
mod wasm;

use std::time::Duration;

use anyhow::{Result, bail};

use crate::exec;
use crate::report::{Outcome, Report};
use crate::workspace::Workspace;

pub use tools::Tools;
pub use wasm::rustc_version;

/// Downloading the crates of Cargo.lock over a slow line.
const FETCH_LIMIT: Duration = Duration::from_secs(20 * 60);

/// Everything that building the dashboard and the node needs. Fails at the first thing that cannot be had.
pub fn for_builds(workspace: &Workspace, report: &mut Report) -> Result<Tools> {
    need(report, "wasm target", || wasm::ensure(workspace))?;
    need(report, "crates", || {
        exec::run(workspace.cargo(&["fetch", "--locked", "--quiet"]), FETCH_LIMIT)?;
        Ok(Outcome::done("as in Cargo.lock"))
    })?;
    let tools = Tools::new(workspace)?;
    need(report, tools::TRUNK.name, || tools::ensure(workspace, &tools::TRUNK, tools::TRUNK_VERSION))?;
    need(report, tools::WASM_BINDGEN.name, || {
        tools::ensure(workspace, &tools::WASM_BINDGEN, &tools.wasm_bindgen_version)
    })?;
    Ok(tools)
}

/// What only the checks need: rustfmt, clippy, the browser.
pub fn for_tests(workspace: &Workspace, report: &mut Report) -> Result<()> {
    need(report, "rustfmt and clippy", || components::ensure(workspace))?;
    need(report, "browser", system::ensure_browser)
}

fn need(report: &mut Report, name: &str, body: impl FnOnce() -> Result<Outcome>) -> Result<()> {
    if !report.step(name, "cargo xtask setup", body) {
        bail!("the set-up cannot go on without: {name}");
    }
    Ok(())
}
