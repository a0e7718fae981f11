//! rustfmt and clippy: a toolchain of rustup's minimal profile has neither.

use std::time::Duration;

use anyhow::{Result, bail};

use crate::exec;
use crate::report::Outcome;
use crate::workspace::{Workspace, on_path, output};

const RUSTUP_LIMIT: Duration = Duration::from_secs(120);
const COMPONENTS: [(&str, &str); 2] = [("rustfmt", "fmt"), ("clippy", "clippy")];

/// Makes sure that `cargo fmt` and `cargo clippy` run.
pub fn ensure(workspace: &Workspace) -> Result<Outcome> {
    let missing = missing(workspace);
    if missing.is_empty() {
        return Ok(Outcome::done("installed"));
    }
    if on_path("rustup").is_some() {
        let mut command = workspace.command("rustup");
        command.args(["component", "add"]).args(&missing);
        exec::run(command, RUSTUP_LIMIT)?;
        if self::missing(workspace).is_empty() {
            return Ok(Outcome::done("added by rustup"));
        }
    }
    bail!("install {} of the same version as rustc", missing.join(" and "))
}

fn missing(workspace: &Workspace) -> Vec<&'static str> {
    let runs = |command: &str| output(workspace.cargo(&[command, "--version"])).is_ok();
    COMPONENTS.into_iter().filter(|(_, command)| !runs(command)).map(|(component, _)| component).collect()
}
