//! `cargo xtask deny`: cargo-deny with deny.toml. No part of `cargo xtask test`, because the tool takes minutes to build.

use std::time::Duration;

use anyhow::{Result, bail};

use crate::exec;
use crate::report::Outcome;
use crate::workspace::{Workspace, output};

/// Downloading the database of advisories over a slow line, or reading all crates.
const LIMIT: Duration = Duration::from_secs(5 * 60);

/// What is looked at without a network.
const CHECKS: [&str; 3] = ["licenses", "bans", "sources"];

/// Licences, versions and sources; advisories too, where their database can be had.
pub fn run(workspace: &Workspace) -> Result<Outcome> {
    if output(workspace.cargo(&["deny", "--version"])).is_err() {
        bail!(
            "cargo-deny is not installed: `cargo install cargo-deny --locked` builds it, which takes minutes"
        );
    }
    let with_advisories = exec::run(workspace.cargo(&["deny", "fetch", "db"]), LIMIT).is_ok();
    let mut checks = CHECKS.to_vec();
    if with_advisories {
        checks.push("advisories");
    }
    exec::run(workspace.cargo(&[&["deny", "--workspace", "check"], checks.as_slice()].concat()), LIMIT)?;
    Ok(Outcome::done(said(with_advisories)))
}

fn said(with_advisories: bool) -> &'static str {
    match with_advisories {
        true => "licences, versions, sources and advisories are as deny.toml wants them",
        false => {
            "licences, versions and sources are as deny.toml wants them; advisories were not checked, because their database \
             could not be downloaded"
        }
    }
}
