//! The licence texts in a crate's folder.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::licence::Text;

/// What nobody ships.
const SKIPPED: [&str; 4] = ["tests", "benches", "examples", "target"];

/// Texts of folders inside of a crate, by folder: of code that the crate has from others.
pub type Inner = Vec<(String, Vec<Text>)>;

/// The texts in a crate's own folder, and those further inside.
pub fn texts(folder: &Path) -> Result<(Vec<Text>, Inner)> {
    let mut inner = Inner::new();
    let own = look(folder, "", &mut inner)?;
    inner.sort_by(|a, b| a.0.cmp(&b.0));
    Ok((own, inner))
}

fn look(folder: &Path, place: &str, inner: &mut Inner) -> Result<Vec<Text>> {
    let mut names = Vec::new();
    let entries = fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !entry.file_type()?.is_dir() {
            names.extend(is_licence(&name).then_some(name));
        } else if !SKIPPED.contains(&name.as_str()) {
            let place = if place.is_empty() { name.clone() } else { format!("{place}/{name}") };
            let texts = look(&entry.path(), &place, inner)?;
            if !texts.is_empty() {
                inner.push((place, texts));
            }
        }
    }
    names.sort();
    let read =
        |name: &String| fs::read(folder.join(name)).map(|file| Text::read(&String::from_utf8_lossy(&file)));
    names.iter().map(read).collect::<Result<Vec<_>, _>>().with_context(|| format!("in {}", folder.display()))
}

fn is_licence(name: &str) -> bool {
    const BEGINNINGS: [&str; 6] = ["license", "licence", "unlicense", "copying", "copyright", "notice"];
    const OTHER_FILES: [&str; 5] = [".rs", ".c", ".h", ".html", ".toml"];
    let name = name.to_ascii_lowercase();
    let begins = BEGINNINGS.iter().any(|beginning| name.starts_with(beginning));
    begins && !OTHER_FILES.iter().any(|ending| name.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licence_files_are_known_by_their_names() {
        for name in
            ["LICENSE", "LICENSE-MIT", "licence.md", "license-mit", "COPYING", "UNLICENSE", "NOTICE.txt"]
        {
            assert!(is_licence(name), "{name}");
        }
        for name in ["lib.rs", "license.rs", "README.md", "Cargo.toml", "licenserc.toml"] {
            assert!(!is_licence(name), "{name}");
        }
    }
}
