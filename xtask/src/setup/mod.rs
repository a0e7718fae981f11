//! What the builds and the tests need and a bare machine lacks.
//!
//! Each part first looks whether the thing is there; only then does it install, and it says what it does.

mod apt;
mod components;
mod debian_std;
pub mod system;
mod wasm;

use std::time::Duration;

use anyhow::{Result, bail};

use crate::exec;
use crate::report::{Outcome, Report};
use crate::workspace::Workspace;

pub use wasm::rustc_version;

/// Downloading the crates of Cargo.lock over a slow line.
const FETCH_LIMIT: Duration = Duration::from_secs(20 * 60);

/// A part of the set-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The standard library of WebAssembly.
    Wasm,
    /// The crates of Cargo.lock.
    Crates,
    /// rustfmt and clippy.
    Components,
    /// Chromium and its driver.
    Browser,
}

/// What building the dashboard and the node needs.
pub const FOR_BUILDS: [Part; 2] = [Part::Wasm, Part::Crates];

/// What the checks need.
pub const FOR_TESTS: [Part; 4] = [Part::Wasm, Part::Crates, Part::Components, Part::Browser];

/// Makes sure that these parts are there. Fails at the first one that cannot be had.
pub fn ensure(workspace: &Workspace, report: &mut Report, parts: &[Part]) -> Result<()> {
    for part in parts {
        match part {
            Part::Wasm => need(report, "wasm target", || wasm::ensure(workspace)),
            Part::Crates => need(report, "crates", || {
                exec::run(workspace.cargo(&["fetch", "--locked", "--quiet"]), FETCH_LIMIT)?;
                Ok(Outcome::done("as in Cargo.lock"))
            }),
            Part::Components => need(report, "rustfmt and clippy", || components::ensure(workspace)),
            Part::Browser => need(report, "browser", system::ensure_browser),
        }?;
    }
    Ok(())
}

fn need(report: &mut Report, name: &str, body: impl FnOnce() -> Result<Outcome>) -> Result<()> {
    if !report.step(name, "cargo xtask setup", body) {
        bail!("the set-up cannot go on without: {name}");
    }
    Ok(())
}
