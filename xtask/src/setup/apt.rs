//! apt with a state of its own: looks into other suites of the machine's mirror and changes nothing on the machine.
//!
//! Works without root. apt verifies the signatures of the suites as always.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::exec;
use crate::workspace::{on_path, output};

/// Where Debian keeps the keys of its archive, by release.
const KEYRINGS: [&str; 2] =
    ["/usr/share/keyrings/debian-archive-keyring.pgp", "/usr/share/keyrings/debian-archive-keyring.gpg"];
const LIMIT: Duration = Duration::from_secs(10 * 60);

/// A throw-away apt state in a folder.
pub struct Apt {
    folder: PathBuf,
    sites: Vec<String>,
}

impl Apt {
    /// A state in `folder` that knows the mirrors of the machine. Fails where there is no apt.
    pub fn new(folder: &Path) -> Result<Self> {
        if on_path("apt-get").is_none() {
            bail!("there is no apt on this machine");
        }
        for name in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(folder.join(name))?;
        }
        let mut command = Command::new("apt-get");
        command.args(["indextargets", "--format", "$(SITE)", "Created-By: Packages"]);
        let sites = sites(&output(command)?);
        if sites.is_empty() {
            bail!("apt names no mirror");
        }
        Ok(Self { folder: folder.to_owned(), sites })
    }

    /// Reads the package lists of these suites.
    pub fn read_suites(&self, suites: &[&str]) -> Result<()> {
        let keyring = KEYRINGS.iter().find(|path| Path::new(path).is_file());
        let mut last = None;
        // First with the archive's own keys; then with the keys that the machine trusts (a mirror may sign itself).
        for option in keyring.map(|path| format!("[signed-by={path}] ")).into_iter().chain([String::new()]) {
            for site in &self.sites {
                let lines: String =
                    suites.iter().map(|suite| format!("deb {option}{site} {suite} main\n")).collect();
                fs::write(self.folder.join("sources.list"), lines)?;
                match exec::run(self.command("apt-get", &["--quiet", "update", "--error-on=any"]), LIMIT) {
                    Ok(()) => return Ok(()),
                    Err(error) => last = Some(error),
                }
            }
        }
        Err(last.context("apt names no mirror")?).context("no mirror has the suites with a valid signature")
    }

    /// Versions of a package in the suites that were read.
    pub fn versions(&self, package: &str) -> Result<Vec<String>> {
        Ok(versions(&output(self.command("apt-cache", &["madison", package]))?))
    }

    /// Downloads one version of a package; the path of the .deb file.
    pub fn download(&self, package: &str, version: &str) -> Result<PathBuf> {
        let folder = self.folder.join("packages");
        fs::create_dir_all(&folder)?;
        let mut command = self.command("apt-get", &["--quiet", "download", &format!("{package}={version}")]);
        command.current_dir(&folder);
        exec::run(command, LIMIT)?;
        let files = fs::read_dir(&folder)?.flatten().map(|entry| entry.path());
        files
            .filter(|path| path.extension().is_some_and(|extension| extension == "deb"))
            .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(package)))
            .with_context(|| format!("apt did not leave a file of {package}"))
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        for (option, path) in [
            ("Dir::Etc::SourceList", self.folder.join("sources.list")),
            ("Dir::Etc::SourceParts", "/dev/null".into()),
            ("Dir::State::Lists", self.folder.join("lists")),
            ("Dir::Cache", self.folder.join("cache")),
        ] {
            let mut value = OsString::from(format!("-o{option}="));
            value.push(path);
            command.arg(value);
        }
        // apt's download user cannot write into a folder of ours, and warns about it when root runs this
        command.args(["-oAPT::Sandbox::User=", "-oAcquire::Languages=none", "-oAcquire::Retries=2"]);
        command.args(arguments);
        command
    }
}

/// Distinct mirrors, without those of security updates (they have other suites).
fn sites(listed: &str) -> Vec<String> {
    let mut sites: Vec<String> = Vec::new();
    for site in listed.lines().map(|line| line.trim().trim_end_matches('/')) {
        if !site.is_empty() && !site.ends_with("-security") && !sites.iter().any(|known| known == site) {
            sites.push(site.to_owned());
        }
    }
    sites
}

/// The second column of `apt-cache madison`.
fn versions(madison: &str) -> Vec<String> {
    madison
        .lines()
        .filter_map(|line| line.split('|').nth(1))
        .map(|version| version.trim().to_owned())
        .filter(|version| !version.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_are_named_once_and_security_is_left_out() {
        let listed = "http://mirror/debian\nhttp://mirror/debian/\nhttp://mirror/debian-security\n\n";
        assert_eq!(sites(listed), ["http://mirror/debian"]);
    }

    #[test]
    fn versions_are_the_second_column() {
        let madison = "\
  rust-src | 1.97.1+dfsg1-1 | http://mirror/debian sid/main amd64 Packages
  rust-src | 1.95.0+dfsg1-2~bpo13+1 | http://mirror/debian trixie-backports/main amd64 Packages
";
        assert_eq!(versions(madison), ["1.97.1+dfsg1-1", "1.95.0+dfsg1-2~bpo13+1"]);
        assert!(versions("").is_empty());
    }
}
