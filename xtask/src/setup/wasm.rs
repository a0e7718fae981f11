//! The standard library for `wasm32-unknown-unknown`.
//!
//! No toolchain file may list the target: rustup would try to download it at every call of cargo, and fail where it
//! does not reach its server. So it is added here, once.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::debian_std;
use crate::exec;
use crate::report::Outcome;
use crate::workspace::{Workspace, on_path, output};

pub const TARGET: &str = "wasm32-unknown-unknown";
/// rustup asks its server several times; without a limit, an unreachable one costs minutes.
const RUSTUP_LIMIT: Duration = Duration::from_secs(120);

/// Makes sure that rustc can compile for [`TARGET`].
pub fn ensure(workspace: &Workspace) -> Result<Outcome> {
    let folder = folder(workspace)?;
    if is_complete(&folder) {
        return Ok(Outcome::done(format!("{TARGET} is installed")));
    }
    if on_path("rustup").is_some() {
        let mut command = workspace.command("rustup");
        command.args(["target", "add", TARGET]);
        match exec::run(command, RUSTUP_LIMIT) {
            Ok(()) if is_complete(&folder) => return Ok(Outcome::done(format!("{TARGET} added by rustup"))),
            Ok(()) => println!("rustup installed the target for another toolchain than rustc's"),
            Err(error) => println!("{error:#}"),
        }
    }
    let version = rustc_version(workspace)?;
    println!("building the standard library for {TARGET} from Debian's rust-src {version}");
    debian_std::install(workspace, &version, &folder).with_context(|| {
        format!("rustc has no standard library for {TARGET}: add it with `rustup target add {TARGET}`")
    })?;
    if !is_complete(&folder) {
        bail!("the standard library for {TARGET} is still incomplete in {}", folder.display());
    }
    Ok(Outcome::done(format!("{TARGET} built from source")))
}

/// The version of rustc, "1.95.0".
pub fn rustc_version(workspace: &Workspace) -> Result<String> {
    let text = output(rustc(workspace, &["--version"]))?;
    version(&text).map(str::to_owned).with_context(|| format!("cannot read rustc's version from `{text}`"))
}

fn rustc(workspace: &Workspace, arguments: &[&str]) -> Command {
    let mut command = workspace.command("rustc");
    command.args(arguments);
    command
}

fn folder(workspace: &Workspace) -> Result<PathBuf> {
    let sysroot = output(rustc(workspace, &["--print", "sysroot"]))?;
    Ok(Path::new(sysroot.trim()).join("lib").join("rustlib").join(TARGET).join("lib"))
}

fn is_complete(folder: &Path) -> bool {
    let names: Vec<String> = std::fs::read_dir(folder)
        .map(|entries| {
            entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
        })
        .unwrap_or_default();
    ["libcore-", "libstd-"]
        .iter()
        .all(|prefix| names.iter().any(|name| name.starts_with(prefix) && name.ends_with(".rlib")))
}

/// "rustc 1.95.0 (59807616e 2026-04-14)" -> "1.95.0"
fn version(text: &str) -> Option<&str> {
    let word = text.strip_prefix("rustc ")?.split_whitespace().next()?;
    let numbers = word.split('-').next()?;
    (numbers.split('.').count() == 3 && numbers.split('.').all(|part| part.parse::<u32>().is_ok()))
        .then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_rustc_are_read() {
        assert_eq!(version("rustc 1.95.0 (59807616e 2026-04-14)\n"), Some("1.95.0"));
        assert_eq!(
            version("rustc 1.95.0 (59807616e 2026-04-14) (built from a source tarball)"),
            Some("1.95.0")
        );
        assert_eq!(version("rustc 1.97.0-nightly (abc 2026-05-01)"), Some("1.97.0-nightly"));
        assert_eq!(version("rustc unknown"), None);
        assert_eq!(version("gcc 12"), None);
    }

    #[test]
    fn every_place_names_the_same_oldest_rust() {
        let oldest = env!("CARGO_PKG_RUST_VERSION");
        let said = [
            (include_str!("../../../README.md"), format!("Rust {oldest} or newer")),
            (include_str!("../../../docker/Dockerfile"), format!("FROM rust:{oldest}-")),
        ];
        for (file, words) in said {
            assert!(file.contains(&words), "{words}");
        }
    }

    #[test]
    fn half_a_library_is_none() {
        let folder = std::env::temp_dir().join(format!("xtask-wasm-{}", std::process::id()));
        assert!(!is_complete(&folder));
        std::fs::create_dir_all(&folder).expect("a temporary folder");
        std::fs::write(folder.join("libcore-1.rlib"), "").expect("a temporary file");
        assert!(!is_complete(&folder));
        std::fs::write(folder.join("libstd-1.rlib"), "").expect("a temporary file");
        assert!(is_complete(&folder));
        std::fs::remove_dir_all(&folder).expect("it was created above");
    }
}
