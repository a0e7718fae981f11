//! Chromium and its driver on the PATH.

use std::path::PathBuf;

use anyhow::{Result, bail};

/// The first of `names` on the PATH; the error says what to install.
pub(super) fn program(names: &[&str], package: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    for folder in std::env::split_paths(&path) {
        for name in names {
            let file = folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
            if file.is_file() {
                return Ok(file);
            }
        }
    }
    bail!(
        "the browser tests need {} on the PATH: `apt-get install {package}`, or `cargo xtask setup`",
        names.join(" or ")
    )
}
