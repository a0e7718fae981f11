//! A hash of everything that a build reads, so that the second run can skip it.

use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Hash of names and contents of all files under `inputs` (files or folders, relative to `root`), without the
/// folders in `except`, and of `words`. The same tree in another place, or with other times, has the same stamp.
pub fn of(root: &Path, inputs: &[&str], except: &[&str], words: &[&str]) -> Result<String> {
    let mut files = Vec::new();
    for input in inputs {
        collect(root, Path::new(input), except, &mut files)?;
    }
    files.sort();
    files.dedup();
    let mut hasher = DefaultHasher::new();
    for word in words {
        write(&mut hasher, word.as_bytes());
    }
    for file in files {
        let name = file.to_string_lossy().replace('\\', "/");
        let content = fs::read(root.join(&file)).with_context(|| format!("cannot read {name}"))?;
        write(&mut hasher, name.as_bytes());
        write(&mut hasher, &content);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

/// Hash of some contents, in 16 hexadecimal digits.
pub fn of_parts(parts: &[&[u8]]) -> String {
    let mut hasher = DefaultHasher::new();
    for part in parts {
        write(&mut hasher, part);
    }
    format!("{:016x}", hasher.finish())
}

/// Lengths keep "ab" + "c" and "a" + "bc" apart.
fn write(hasher: &mut DefaultHasher, bytes: &[u8]) {
    hasher.write_u64(bytes.len() as u64);
    hasher.write(bytes);
}

fn collect(root: &Path, path: &Path, except: &[&str], files: &mut Vec<PathBuf>) -> Result<()> {
    if except.iter().any(|name| Path::new(name) == path) {
        return Ok(());
    }
    let full = root.join(path);
    if full.is_dir() {
        let entries = fs::read_dir(&full).with_context(|| format!("cannot list {}", path.display()))?;
        for entry in entries {
            collect(root, &path.join(entry?.file_name()), except, files)?;
        }
    } else if full.is_file() {
        files.push(path.to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Tree(PathBuf);

    impl Tree {
        fn new(name: &str) -> Self {
            let root = std::env::temp_dir().join(format!("xtask-stamp-{}-{name}", std::process::id()));
            fs::create_dir_all(root.join("web").join("dist")).expect("a temporary folder");
            let tree = Self(root);
            tree.write("web/main.rs", "fn main() {}");
            tree.write("Cargo.lock", "x");
            tree
        }

        fn write(&self, path: &str, content: &str) {
            fs::write(self.0.join(path), content).expect("a temporary file");
        }

        fn stamp(&self, words: &[&str]) -> String {
            of(&self.0, &["web", "Cargo.lock", "absent"], &["web/dist"], words).expect("readable")
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn it_changes_with_content_names_and_words_only() {
        let tree = Tree::new("changes");
        let first = tree.stamp(&["1.95"]);
        tree.write("web/dist/index.html", "output");
        tree.write("other", "not an input");
        tree.write("web/main.rs", "fn main() {}");
        assert_eq!(tree.stamp(&["1.95"]), first);
        assert_ne!(tree.stamp(&["1.96"]), first);
        tree.write("web/main.rs", "fn main() { }");
        let second = tree.stamp(&["1.95"]);
        assert_ne!(second, first);
        tree.write("web/new.rs", "");
        assert_ne!(tree.stamp(&["1.95"]), second);
    }

    #[test]
    fn the_place_of_the_tree_does_not_matter() {
        assert_eq!(Tree::new("here").stamp(&[]), Tree::new("there").stamp(&[]));
    }
}
