//! Files that pages name: a link leads somewhere, and what CONTRIBUTING.md lists is there.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The page whose paths in backticks are looked at, too.
const LISTS: &str = "CONTRIBUTING.md";

/// The folders that its paths begin with.
const FOLDERS: [&str; 7] = ["shared/", "node/", "web/", "tests/", "xtask/", "docs/", "docker/"];

/// What the pages at the root and in docs/ name and what is not there.
pub fn missing(root: &Path) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for page in pages(root)? {
        let text = fs::read_to_string(&page).with_context(|| format!("{} cannot be read", page.display()))?;
        let shown = page.strip_prefix(root).unwrap_or(&page).display().to_string();
        let folder = page.parent().unwrap_or(root);
        let links = links(&text).map(|link| (folder.join(link), link));
        let listed = listed(&text).filter(|_| shown == LISTS).map(|path| (root.join(path), path));
        for (path, named) in links.chain(listed) {
            seen += 1;
            if !path.exists() {
                wrong.push(format!("{shown} names {named}, which is not there"));
            }
        }
    }
    if seen == 0 {
        bail!("no page names a file");
    }
    Ok(wrong)
}

fn pages(root: &Path) -> Result<Vec<PathBuf>> {
    let mut pages = Vec::new();
    for folder in ["", "docs", "docs/design"].map(|folder| root.join(folder)) {
        for entry in fs::read_dir(&folder).with_context(|| format!("{} cannot be read", folder.display()))? {
            pages.push(entry?.path());
        }
    }
    pages.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    pages.sort();
    Ok(pages)
}

/// Where `[words](file#section)` leads, on this disk.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| {
        let target = rest.split([')', '#']).next()?;
        (!target.is_empty() && !target.contains("://") && !target.contains(char::is_whitespace))
            .then_some(target)
    })
}

/// Paths in backticks. One with a placeholder, like `golden/stream-N.txt` or `*.txt`, is none.
fn listed(text: &str) -> impl Iterator<Item = &str> {
    let quoted = text.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
    quoted.filter(|word| {
        let part =
            |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "/._-".contains(letter);
        FOLDERS.iter().any(|folder| word.starts_with(folder)) && word.chars().all(part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_paths_are_found() {
        let text = "[a](docs/a.md#part), [b](#here) and [c](https://example.org/c).\n\
                    `shared/lock/src/lib.rs`, `shared/*/README.md`, `cargo test`, `golden/stream-N.txt`, `web/`\n";
        assert_eq!(links(text).collect::<Vec<_>>(), ["docs/a.md"]);
        assert_eq!(listed(text).collect::<Vec<_>>(), ["shared/lock/src/lib.rs", "web/"]);
    }

    #[test]
    fn what_is_not_there_is_named() {
        let root = std::env::temp_dir().join(format!("xtask-paths-{}", std::process::id()));
        fs::create_dir_all(root.join("docs/design")).expect("a temporary folder");
        fs::write(root.join(LISTS), "`docs/there.md`, `docs/gone.md`, [x](docs/there.md)").expect("a file");
        fs::write(
            root.join("docs/there.md"),
            "[up](../CONTRIBUTING.md), [away](away.md), `docs/not-asked.md`",
        )
        .expect("a file");
        let said = missing(&root).expect("pages");
        fs::remove_dir_all(&root).expect("it was created above");
        let names = |page: &str, file: &str| format!("{page} names {file}, which is not there");
        let there = Path::new("docs").join("there.md").display().to_string();
        assert_eq!(said, [names(LISTS, "docs/gone.md"), names(&there, "away.md")]);
    }
}
