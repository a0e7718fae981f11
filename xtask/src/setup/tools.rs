//! trunk and wasm-bindgen: from the PATH if the version is right, else installed once into the user's cache.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::exec;
use crate::report::Outcome;
use crate::workspace::{Workspace, executable, on_path, output};

/// trunk 0.22 wants a newer rustc than the workspace does.
pub const TRUNK_VERSION: &str = "0.21.14";
const INSTALL_LIMIT: Duration = Duration::from_secs(30 * 60);

/// A program that is built from a crate.
pub struct Tool {
    /// The program, as it is called.
    pub name: &'static str,
    crate_name: &'static str,
    /// A debug build: the tools run for seconds, and building them optimised takes twice as long as all they do.
    flags: &'static [&'static str],
}

/// Builds the page around the wasm module. Without default features it cannot download or open a server with TLS;
/// neither is needed.
pub const TRUNK: Tool =
    Tool { name: "trunk", crate_name: "trunk", flags: &["--locked", "--no-default-features", "--debug"] };

/// Writes the JavaScript between page and module. Not `--locked`: its lock file names a crate that the index lacks.
pub const WASM_BINDGEN: Tool = Tool {
    name: "wasm-bindgen",
    crate_name: "wasm-bindgen-cli",
    flags: &["--debug", "--bin", "wasm-bindgen"],
};

/// Where the tools are.
#[derive(Debug)]
pub struct Tools {
    /// The version of wasm-bindgen in Cargo.lock: the program must equal the library.
    pub wasm_bindgen_version: String,
    folders: Vec<PathBuf>,
}

impl Tools {
    /// Reads the version of wasm-bindgen that the workspace is locked to.
    pub fn new(workspace: &Workspace) -> Result<Self> {
        let lock = fs::read_to_string(workspace.root.join("Cargo.lock")).context("cannot read Cargo.lock")?;
        let version = locked(&lock, "wasm-bindgen").context("Cargo.lock has no wasm-bindgen")?.to_owned();
        let folders = vec![
            root(workspace, &TRUNK, TRUNK_VERSION).join("bin"),
            root(workspace, &WASM_BINDGEN, &version).join("bin"),
        ];
        Ok(Self { wasm_bindgen_version: version, folders })
    }

    /// The PATH with the tools before everything else, for trunk and for what trunk starts.
    pub fn path(&self) -> Result<OsString> {
        let old = env::var_os("PATH").unwrap_or_default();
        let folders = self.folders.iter().filter(|folder| folder.is_dir()).cloned();
        env::join_paths(folders.chain(env::split_paths(&old)))
            .context("a folder of the tools cannot be in a PATH")
    }

    /// The trunk to call.
    pub fn trunk(&self) -> PathBuf {
        let installed = self.folders[0].join(executable(TRUNK.name));
        if installed.is_file() { installed } else { TRUNK.name.into() }
    }
}

/// Makes sure that the tool is there in exactly this version.
pub fn ensure(workspace: &Workspace, tool: &Tool, version: &str) -> Result<Outcome> {
    let root = root(workspace, tool, version);
    let installed = root.join("bin").join(executable(tool.name));
    if installed.is_file() && has_version(&installed, version) {
        return Ok(Outcome::done(format!("{version}, installed before")));
    }
    if on_path(tool.name).is_some_and(|path| has_version(&path, version)) {
        return Ok(Outcome::done(format!("{version}, on the PATH")));
    }
    let mut command = workspace.cargo(&["install", tool.crate_name, "--version", version, "--force"]);
    command.args(tool.flags).arg("--root").arg(&root);
    command.current_dir(workspace.cache_ready()?);
    // debug information would make a program of 300 MB; the build must not mix with a target folder of the user
    command.env("CARGO_PROFILE_DEV_DEBUG", "0").env_remove("CARGO_TARGET_DIR").env_remove("RUSTFLAGS");
    exec::run(command, INSTALL_LIMIT)?;
    if !has_version(&installed, version) {
        bail!("{} does not say that it is version {version}", installed.display());
    }
    Ok(Outcome::done(format!("{version}, installed now")))
}

fn root(workspace: &Workspace, tool: &Tool, version: &str) -> PathBuf {
    workspace.cache.join("tools").join(format!("{}-{version}", tool.name))
}

fn has_version(program: &PathBuf, version: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version");
    output(command).is_ok_and(|text| tool_version(&text) == Some(version))
}

/// "trunk 0.21.14" or "wasm-bindgen 0.2.130 (abc)" -> the number.
fn tool_version(text: &str) -> Option<&str> {
    text.split_whitespace().nth(1)
}

/// The version of a package in a Cargo.lock. `None` if it is absent, or there in several versions.
fn locked<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let name = format!("name = \"{package}\"");
    let mut versions =
        lock.split("[[package]]").filter(|block| block.lines().any(|line| line.trim() == name));
    let block = versions.next()?;
    if versions.next().is_some() {
        return None;
    }
    block.lines().find_map(|line| line.trim().strip_prefix("version = \"")?.strip_suffix('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = "version = 4

[[package]]
name = \"wasm-bindgen\"
version = \"0.2.130\"
dependencies = [
 \"wasm-bindgen-macro\",
]

[[package]]
name = \"wasm-bindgen-macro\"
version = \"0.2.131\"

[[package]]
name = \"twice\"
version = \"1.0.0\"

[[package]]
name = \"twice\"
version = \"2.0.0\"
";

    #[test]
    fn the_locked_version_is_read() {
        assert_eq!(locked(LOCK, "wasm-bindgen"), Some("0.2.130"));
        assert_eq!(locked(LOCK, "wasm-bindgen-macro"), Some("0.2.131"));
        assert_eq!(locked(LOCK, "wasm"), None);
        assert_eq!(locked(LOCK, "twice"), None, "it would be a guess");
    }

    #[test]
    fn tools_say_their_version_second() {
        assert_eq!(tool_version("trunk 0.21.14\n"), Some("0.21.14"));
        assert_eq!(tool_version("wasm-bindgen 0.2.130 (1234abcd)"), Some("0.2.130"));
        assert_eq!(tool_version(""), None);
    }
}
