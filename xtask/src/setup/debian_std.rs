//! Builds the standard library for wasm from Debian's `rust-src`, where rustup does not reach its server.
//!
//! A machine in an offline classroom has a Debian mirror and nothing else. The source package of exactly rustc's
//! version is compiled by that rustc, and the result is put where `rustup target add` would have put it: after that,
//! cargo and trunk see an ordinary installed target.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::apt::Apt;
use super::wasm::TARGET;
use crate::exec;
use crate::workspace::Workspace;

/// Suites that keep several versions of the compiler.
const SUITES: [&str; 2] = ["trixie-backports", "sid"];
const PACKAGE: &str = "rust-src";
const BUILD_LIMIT: Duration = Duration::from_secs(15 * 60);

/// Builds the library of rustc `version` and moves it to `destination`, which is complete or absent afterwards.
pub fn install(workspace: &Workspace, version: &str, destination: &Path) -> Result<()> {
    let scratch = Scratch::new(&workspace.cache, version)?;
    let apt = Apt::new(&scratch.0)?;
    apt.read_suites(&SUITES)?;
    let versions = apt.versions(PACKAGE)?;
    let Some(package_version) = versions.iter().find(|candidate| is_of(candidate, version)) else {
        bail!("the mirror has no {PACKAGE} of version {version}, only: {}", versions.join(", "));
    };
    let package = apt.download(PACKAGE, package_version)?;
    let unpacked = scratch.0.join("unpacked");
    let mut command = Command::new("dpkg");
    command.arg("-x").args([&package, &unpacked]);
    exec::run(command, BUILD_LIMIT)?;
    let source = unpacked.join("usr").join("src").join(format!("rustc-{version}"));
    let libraries = build(workspace, &source, &scratch.0.join("target"))?;
    put(&libraries, destination)
}

fn build(workspace: &Workspace, source: &Path, target: &Path) -> Result<PathBuf> {
    let mut command = workspace.cargo(&[
        "build",
        "--release",
        "--quiet",
        "--target",
        TARGET,
        "--no-default-features",
        "--features",
        "panic-unwind compiler-builtins-mem",
    ]);
    command
        .current_dir(source.join("library").join("sysroot"))
        .env("CARGO_TARGET_DIR", target)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("__CARGO_DEFAULT_LIB_METADATA", "stablestd")
        .env("RUSTFLAGS", "-Cembed-bitcode=yes -Zforce-unstable-if-unmarked -Cpanic=abort")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("RUSTC_WRAPPER");
    exec::run(command, BUILD_LIMIT).context("the standard library does not build")?;
    Ok(target.join(TARGET).join("release").join("deps"))
}

/// Copies beside the destination and renames, so that an interrupted copy is never taken for a library.
fn put(libraries: &Path, destination: &Path) -> Result<()> {
    let parent = destination.parent().context("the library has a folder above it")?;
    let partial = parent.join(format!("lib.partial-{}", std::process::id()));
    let explain = || format!("cannot write to {}", parent.display());
    fs::create_dir_all(&partial).with_context(explain)?;
    let mut copied = 0;
    for entry in fs::read_dir(libraries)?.flatten() {
        if entry.path().extension() == Some(OsStr::new("rlib")) {
            fs::copy(entry.path(), partial.join(entry.file_name())).with_context(explain)?;
            copied += 1;
        }
    }
    if copied == 0 {
        bail!("the build left no libraries in {}", libraries.display());
    }
    if destination.exists() {
        fs::remove_dir_all(destination).with_context(explain)?;
    }
    fs::rename(&partial, destination).with_context(explain)
}

/// True if a Debian version packages exactly this upstream version: "1.95.0+dfsg1-2~bpo13+1" is of "1.95.0".
fn is_of(debian: &str, upstream: &str) -> bool {
    debian
        .strip_prefix(upstream)
        .is_some_and(|rest| rest.chars().next().is_none_or(|next| matches!(next, '+' | '-' | '~')))
}

/// A folder that is removed with everything in it.
struct Scratch(PathBuf);

impl Scratch {
    fn new(cache: &Path, version: &str) -> Result<Self> {
        let folder = cache.join(format!("wasm-std-{version}-{}", std::process::id()));
        fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exactly_this_compiler_will_do() {
        assert!(is_of("1.95.0+dfsg1-2~bpo13+1", "1.95.0"));
        assert!(is_of("1.95.0-1", "1.95.0"));
        assert!(is_of("1.95.0", "1.95.0"));
        for other in ["1.95.01-1", "1.95.1+dfsg1-1", "11.95.0-1", "1.95-1"] {
            assert!(!is_of(other, "1.95.0"), "{other}");
        }
    }

    #[test]
    fn libraries_appear_at_once_and_nothing_else_does() {
        let scratch = Scratch::new(&std::env::temp_dir(), "test-put").expect("a temporary folder");
        let built = scratch.0.join("deps");
        fs::create_dir_all(&built).expect("a temporary folder");
        let destination = scratch.0.join("rustlib").join("lib");
        assert!(put(&built, &destination).is_err(), "nothing was built");
        for name in ["libcore-1.rlib", "libstd-1.rlib", "libstd-1.d"] {
            fs::write(built.join(name), "x").expect("a temporary file");
        }
        put(&built, &destination).expect("two libraries");
        assert_eq!(fs::read_dir(&destination).expect("it was created").count(), 2);
    }
}
