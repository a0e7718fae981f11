//! Scenarios as text files: commands, and what comes of them.
//!
//! A block is some commands, `----`, and what came of them; a blank line ends it. A line that begins with `#` is for
//! people. With `UPDATE=1` in the environment the files are written anew instead of compared.

use std::fs;
use std::path::{Path, PathBuf};

/// The switch that has the files written anew.
pub const UPDATE: &str = "UPDATE";

/// Something that takes the commands of one file, in their order.
pub trait Scenario {
    /// Does what a line says. What came of it, as lines.
    fn line(&mut self, line: &str) -> Vec<String>;
}

/// Runs every `.txt` file of a folder, each with a scenario of its own.
///
/// # Panics
/// Where something else comes of a file than it says, or the folder has fewer than `fewest` files.
pub fn check<S: Scenario>(folder: impl AsRef<Path>, fewest: usize, begin: impl Fn() -> S) {
    let files = files(folder.as_ref());
    assert!(files.len() >= fewest, "{} of {fewest} scenarios in {}", files.len(), folder.as_ref().display());
    let update = std::env::var_os(UPDATE).is_some();
    let mut wrong = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("a scenario is a text");
        let actual = run(&mut begin(), &text);
        if actual == text {
            continue;
        }
        if update {
            fs::write(&file, &actual).expect("the file can be written");
        } else {
            wrong.push(format!("{}\n{}", file.display(), first_difference(&text, &actual)));
        }
    }
    assert!(wrong.is_empty(), "{}\n\n{UPDATE}=1 writes them anew.", wrong.join("\n\n"));
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder of the scenarios is there");
    let paths = entries.map(|entry| entry.expect("the folder can be read").path());
    let mut files: Vec<_> = paths.filter(|path| path.extension().is_some_and(|kind| kind == "txt")).collect();
    files.sort();
    files
}

/// The text with what comes of its commands in place of what stood there.
pub fn run(scenario: &mut impl Scenario, text: &str) -> String {
    let blocks = text.trim_end().split("\n\n").map(|text| block(scenario, text));
    let mut all = blocks.collect::<Vec<_>>().join("\n\n");
    all.push('\n');
    all
}

fn block(scenario: &mut impl Scenario, text: &str) -> String {
    let mut lines = Vec::new();
    let mut results = Vec::new();
    let mut commands = 0;
    for line in text.lines().take_while(|line| *line != "----") {
        lines.push(line.to_owned());
        if !line.starts_with('#') && !line.is_empty() {
            commands += 1;
            results.extend(scenario.line(line));
        }
    }
    if commands > 0 {
        lines.push("----".into());
    }
    lines.extend(results);
    lines.join("\n")
}

fn first_difference(expected: &str, actual: &str) -> String {
    let (mut left, mut right) = (expected.lines(), actual.lines());
    for number in 1.. {
        match (left.next(), right.next()) {
            (Some(one), Some(other)) if one == other => {}
            (None, None) => break,
            (one, other) => {
                let show = |line: Option<&str>| line.unwrap_or("(nothing)").to_owned();
                return format!("line {number}\n  expected: {}\n  actual:   {}", show(one), show(other));
            }
        }
    }
    "they differ in blank space".into()
}

/// The words of a line: fixed ones, then flags (`queue`) and values (`ttl=5`).
pub struct Words<'a>(Vec<&'a str>);

impl<'a> Words<'a> {
    /// Of that line.
    pub fn of(line: &'a str) -> Self {
        Words(line.split_whitespace().collect())
    }

    /// All of them.
    pub fn all(&self) -> &[&'a str] {
        &self.0
    }

    /// The value that was given under that name.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        let given = self.0.iter().filter_map(|word| word.split_once('='));
        given.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// The same as a number.
    ///
    /// # Panics
    /// Where it is none.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.text(name).map(|value| value.parse().expect("a number"))
    }

    /// Whether that word is there.
    pub fn flag(&self, name: &str) -> bool {
        self.0.contains(&name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Adds the numbers that it is given.
    #[derive(Default)]
    struct Sum(u64);

    impl Scenario for Sum {
        fn line(&mut self, line: &str) -> Vec<String> {
            let words = Words::of(line);
            self.0 += words.number("add").unwrap_or_default();
            words.flag("show").then(|| self.0.to_string()).into_iter().collect()
        }
    }

    #[test]
    fn what_comes_of_commands_stands_below_them() {
        let text = "# a sum\nadd=2\nshow\n----\n7\n\n# and no command\n\nadd=3 show\n";
        let expected = "# a sum\nadd=2\nshow\n----\n2\n\n# and no command\n\nadd=3 show\n----\n5\n";
        assert_eq!(run(&mut Sum::default(), text), expected);
        assert_eq!(run(&mut Sum::default(), expected), expected, "run again it stays the same");
        assert_eq!(first_difference(text, expected), "line 5\n  expected: 7\n  actual:   2");
    }

    #[test]
    #[should_panic(expected = "of 1000 scenarios")]
    fn missing_files_are_noticed() {
        check(Path::new(env!("CARGO_MANIFEST_DIR")), 1_000, Sum::default);
    }
}
