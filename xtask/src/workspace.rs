//! Where things are, and how a command is started there.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// The checked-out workspace and the folders around it.
#[derive(Debug)]
pub struct Workspace {
    /// The folder with the workspace's `Cargo.toml`.
    pub root: PathBuf,
    pub target: PathBuf,
    /// Tools that are kept across checkouts: `<user's cache>/orrery`.
    pub cache: PathBuf,
    cargo: OsString,
}

impl Workspace {
    /// Finds the workspace that this xtask was built in.
    pub fn find() -> Result<Self> {
        let manifest = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let root =
            Path::new(&manifest).parent().context("xtask lies in a folder of the workspace")?.to_owned();
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let cache = cache_folder(|name| env::var_os(name))
            .context("neither a cache folder nor a home folder is set in the environment")?
            .join("orrery");
        let mut workspace = Self { target: root.join("target"), root, cache, cargo };
        workspace.target = workspace.metadata(&["--no-deps"])?["target_directory"]
            .as_str()
            .context("`cargo metadata` did not name the target directory")?
            .into();
        Ok(workspace)
    }

    /// A cargo command at the workspace's root.
    pub fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(&self.cargo);
        command.args(arguments);
        command
    }

    /// What `cargo metadata` says of the workspace.
    pub fn metadata(&self, options: &[&str]) -> Result<Value> {
        let arguments = [&["metadata", "--offline", "--format-version", "1"], options].concat();
        serde_json::from_str(&output(self.cargo(&arguments))?).context("`cargo metadata` printed no JSON")
    }

    /// Any command at the workspace's root. What `cargo run` told xtask about itself is taken out of the
    /// environment: build scripts read some of it, and would run again for a person's own `cargo build`.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        for (name, _) in env::vars_os() {
            if name.to_str().is_some_and(is_about_xtask) {
                command.env_remove(name);
            }
        }
        command
    }

    /// The release build of the node.
    pub fn orrery(&self) -> PathBuf {
        self.orrery_of("release")
    }

    /// The node, built with a profile of the workspace.
    pub fn orrery_of(&self, profile: &str) -> PathBuf {
        self.target.join(profile).join(executable("orrery"))
    }
}

/// What a program prints, or an error that shows what it complained about.
pub fn output(mut command: Command) -> Result<String> {
    let shown = shown(&command);
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start `{shown}`"))?;
    if !output.status.success() {
        bail!("`{shown}` failed ({}):\n{}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A command as a person would type it.
pub fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_stem().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
    std::iter::once(name)
        .chain(command.get_args().map(|argument| argument.to_string_lossy().into_owned()))
        .collect::<Vec<_>>()
        .join(" ")
}

/// The first program of this name on the PATH.
pub fn on_path(name: &str) -> Option<PathBuf> {
    let file = executable(name);
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(&file)).find(|path| path.is_file())
}

/// A program's file name on this system.
pub fn executable(name: &str) -> String {
    format!("{name}{}", env::consts::EXE_SUFFIX)
}

/// The user's cache folder by the system's custom, from the environment alone.
fn cache_folder(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let path = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if cfg!(windows) {
        path("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        path("HOME").map(|home| home.join("Library").join("Caches"))
    } else {
        path("XDG_CACHE_HOME").or_else(|| path("HOME").map(|home| home.join(".cache")))
    }
}

fn is_about_xtask(name: &str) -> bool {
    ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|prefix| name.starts_with(prefix))
        || ["CARGO", "CARGO_BIN_NAME", "CARGO_CRATE_NAME", "CARGO_PRIMARY_PACKAGE", "OUT_DIR"].contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_shown_without_folders() {
        let mut command = Command::new(Path::new("some").join("bin").join("cargo"));
        command.args(["test", "-p", "x"]);
        assert_eq!(shown(&command), "cargo test -p x");
    }

    #[cfg(all(unix, not(target_os = "macos")))]
    #[test]
    fn the_cache_follows_the_custom_of_the_system() {
        let set = |pairs: &'static [(&str, &str)]| {
            move |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into())
        };
        assert_eq!(cache_folder(set(&[("HOME", "/h")])), Some("/h/.cache".into()));
        assert_eq!(cache_folder(set(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/c")])), Some("/c".into()));
        assert_eq!(cache_folder(set(&[("HOME", "/h"), ("XDG_CACHE_HOME", "")])), Some("/h/.cache".into()));
        assert_eq!(cache_folder(set(&[])), None);
    }

    #[test]
    fn the_environment_of_a_build_does_not_name_xtask() {
        for name in ["CARGO", "CARGO_PKG_NAME", "CARGO_MANIFEST_DIR"] {
            assert!(is_about_xtask(name), "{name}");
        }
        for name in ["CARGO_HOME", "CARGO_TARGET_DIR", "PATH", "RUSTUP_TOOLCHAIN", "CARGO_NET_OFFLINE"] {
            assert!(!is_about_xtask(name), "{name}");
        }
    }
}
