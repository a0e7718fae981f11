//! Programs of the system: the browser of the tests, etcd as the benchmark's peer.
//!
//! Installed by apt where there is apt and we are root; elsewhere the message says what to install.

use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::exec;
use crate::report::Outcome;
use crate::workspace::{on_path, output};

const INSTALL_LIMIT: Duration = Duration::from_secs(20 * 60);
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];
const DRIVERS: [&str; 1] = ["chromedriver"];

pub fn ensure_browser() -> Result<Outcome> {
    ensure(
        &[&BROWSERS, &DRIVERS],
        // without a font, a small system draws no text at all
        &["chromium", "chromium-driver", "fonts-liberation", "fonts-dejavu-core"],
        "install Chromium and a chromedriver of the same version, and put both on the PATH \
         (Debian: chromium chromium-driver; macOS: brew install --cask chromium chromedriver)",
    )
}

/// etcd, for the figures beside Orrery's own.
pub fn ensure_etcd() -> Result<Outcome> {
    ensure(&[&["etcd"]], &["etcd-server"], "install etcd and put it on the PATH (Debian: etcd-server)")
}

fn ensure(wanted: &[&[&str]], packages: &[&str], advice: &str) -> Result<Outcome> {
    let may_install = on_path("apt-get").is_some() && is_root();
    ensure_if(may_install, wanted, packages, advice)
}

/// `wanted` has, for each program, the names under which it may be found.
fn ensure_if(may_install: bool, wanted: &[&[&str]], packages: &[&str], advice: &str) -> Result<Outcome> {
    if let Some(found) = find(wanted) {
        return Ok(Outcome::done(found));
    }
    if !may_install {
        bail!("{advice}");
    }
    exec::run(apt(&["--quiet", "update"]), INSTALL_LIMIT)?;
    let mut install = apt(&["--quiet", "--yes", "install", "--no-install-recommends"]);
    install.args(packages);
    exec::run(install, INSTALL_LIMIT)?;
    match find(wanted) {
        Some(found) => Ok(Outcome::done(format!("{found} (installed now)"))),
        None => {
            bail!("apt installed {}, but the programs are not on the PATH; {advice}", packages.join(", "))
        }
    }
}

fn apt(arguments: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
    // etcd's package would start a server of its own at once
    command.env("RUNLEVEL", "1");
    command
}

fn find(wanted: &[&[&str]]) -> Option<String> {
    let found: Option<Vec<String>> = wanted
        .iter()
        .map(|names| names.iter().find_map(|name| on_path(name)).map(|path| path.display().to_string()))
        .collect();
    found.map(|paths| paths.join(", "))
}

fn is_root() -> bool {
    let mut id = Command::new("id");
    id.arg("-u");
    cfg!(unix) && output(id).is_ok_and(|text| text.trim() == "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_of_a_program_will_do_but_every_program_is_needed() {
        assert!(find(&[&["no-such-browser", "cargo"]]).is_some());
        assert!(find(&[&["cargo"], &["no-such-driver"]]).is_none());
    }

    #[test]
    fn what_is_missing_is_explained_and_not_guessed() {
        let error =
            ensure_if(false, &[&["no-such-program"]], &["none"], "install it").expect_err("not there");
        assert_eq!(error.to_string(), "install it");
    }
}
