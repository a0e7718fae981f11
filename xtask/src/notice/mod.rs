//! `cargo xtask notice`: whose code is in the programs that are built here, and what their licences ask to be told.
//!
//! Whoever passes on a program has to pass on the copyright lines and the text of MIT, BSD, ISC and Unicode code, the text and the
//! NOTICE of Apache-2.0 code, and where the source of MPL-2.0 code is. Nearly all texts are the same: each is written once, below
//! the copyright lines of all crates that have it. `cargo xtask test` compares the file with Cargo.lock.

mod folder;
mod licence;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;

use self::licence::{Kind, Text, choose};
use crate::report::Outcome;
use crate::workspace::{Workspace, output};

const FILE: &str = "NOTICE";

/// The programs, and the systems for which they are built.
const PROGRAMS: [(&str, &[&str]); 2] = [
    (
        "orrery",
        &[
            "x86_64-unknown-linux-gnu",
            "aarch64-unknown-linux-gnu",
            "x86_64-apple-darwin",
            "aarch64-apple-darwin",
            "x86_64-pc-windows-msvc",
        ],
    ),
    ("orrery-web", &["wasm32-unknown-unknown"]),
];

const HEAD: &str = "\
Third parties

Orrery is under the licence in LICENSE. Its programs, the node `orrery` and the dashboard inside of it, also contain the crates that
are listed here, unchanged, and the Rust standard library (https://github.com/rust-lang/rust, MIT OR Apache-2.0, Copyright (c) The Rust
Project Contributors). The source of each crate is at https://crates.io/crates/NAME/VERSION. Where a crate may be used under one of
several licences, the text of one of them is given.

The crate utoipa-swagger-ui contains Swagger UI 5.32.6 (https://github.com/swagger-api/swagger-ui, Apache-2.0), whose NOTICE says:
swagger-ui, Copyright 2020-2021 SmartBear Software Inc.

`cargo xtask notice` writes this file from Cargo.lock and the crates' own files.
";

struct Crate {
    name: String,
    version: String,
    /// The expression of its Cargo.toml.
    licence: String,
    repository: String,
    authors: String,
    folder: PathBuf,
}

impl Crate {
    fn label(&self) -> String {
        format!("{} {}", self.name, self.version)
    }
}

/// Writes the file anew.
pub fn write(workspace: &Workspace) -> Result<Outcome> {
    let (text, crates) = generate(workspace)?;
    fs::write(workspace.root.join(FILE), text).with_context(|| format!("{FILE} cannot be written"))?;
    Ok(Outcome::done(format!("{crates} crates")))
}

/// Fails where the file is not what `write` would write.
pub fn check(workspace: &Workspace) -> Result<Outcome> {
    let (text, crates) = generate(workspace)?;
    let there = fs::read_to_string(workspace.root.join(FILE)).unwrap_or_default().replace("\r\n", "\n");
    if let Some(line) = first_difference(&there, &text) {
        bail!("{FILE} is not what Cargo.lock says, from line {line} on: `cargo xtask notice` writes it anew");
    }
    Ok(Outcome::done(format!("{crates} crates")))
}

/// The first line that differs, counted from 1.
fn first_difference(there: &str, expected: &str) -> Option<usize> {
    if there == expected {
        return None;
    }
    let same = there.lines().zip(expected.lines()).take_while(|(a, b)| a == b).count();
    Some(same + 1)
}

/// The file, and how many crates are in it.
fn generate(workspace: &Workspace) -> Result<(String, usize)> {
    let crates = crates(workspace)?;
    let mut sections = Sections::default();
    for one in &crates {
        sections.add(one)?;
    }
    let mut text = HEAD.to_owned();
    text.push('\n');
    for one in &crates {
        let Crate { name, version, licence, repository, .. } = one;
        writeln!(text, "{name} {version}, {licence}, {repository}")?;
    }
    text.push_str(&sections.written()?);
    Ok((text, crates.len()))
}

/// The crates in the programs, by name and version.
fn crates(workspace: &Workspace) -> Result<Vec<Crate>> {
    // cargo takes half a second for each of these: all at once.
    let (metadata, used) = thread::scope(|scope| {
        let trees =
            PROGRAMS.map(|(program, targets)| scope.spawn(move || output(tree(workspace, program, targets))));
        let metadata = workspace.metadata(&["--locked"])?;
        let mut used = BTreeSet::new();
        for tree in trees {
            let tree = tree.join().map_err(|_| anyhow!("the thread of `cargo tree` panicked"))??;
            used.extend(tree.lines().filter_map(named));
        }
        anyhow::Ok((metadata, used))
    })?;
    let packages = metadata["packages"].as_array().context("`cargo metadata` names no packages")?;
    let mut crates: Vec<Crate> = packages
        .iter()
        // What has no source is in this workspace.
        .filter(|package| package["source"].is_string())
        .filter_map(read)
        .filter(|one| used.contains(&(one.name.clone(), one.version.clone())))
        .collect();
    crates.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    if crates.is_empty() {
        bail!("`cargo tree` names no crates");
    }
    Ok(crates)
}

/// What is linked into a program: no procedural macros, and nothing that only builds or tests it.
fn tree(workspace: &Workspace, program: &str, targets: &[&str]) -> Command {
    let mut command = workspace.cargo(&["tree", "--locked", "--offline", "--prefix", "none"]);
    command.args(["--edges", "normal,no-proc-macro", "--format", "{p}", "--package", program]);
    for target in targets {
        command.args(["--target", target]);
    }
    command
}

/// `name v1.2.3 …` of `cargo tree`.
fn named(line: &str) -> Option<(String, String)> {
    let mut words = line.split(' ');
    Some((words.next()?.to_owned(), words.next()?.strip_prefix('v')?.to_owned()))
}

fn read(package: &Value) -> Option<Crate> {
    let text = |field: &str| package[field].as_str().unwrap_or_default().to_owned();
    let authors = package["authors"].as_array()?.iter().filter_map(Value::as_str).collect::<Vec<_>>();
    Some(Crate {
        name: text("name"),
        version: text("version"),
        licence: text("license"),
        repository: text("repository"),
        authors: authors.join(", "),
        folder: Path::new(package["manifest_path"].as_str()?).parent()?.to_owned(),
    })
}

/// One licence text, and who has it.
struct Section {
    body: String,
    owners: BTreeSet<String>,
}

/// The texts, by their words.
#[derive(Default)]
struct Sections {
    all: BTreeMap<(Kind, String), Section>,
    /// Crates that name a licence and bring no text of it.
    without: BTreeMap<Kind, BTreeSet<String>>,
}

impl Sections {
    fn add(&mut self, one: &Crate) -> Result<()> {
        let label = one.label();
        let (own, inner) = folder::texts(&one.folder)?;
        let chosen = choose(&one.licence, &own).with_context(|| label.clone())?;
        for kind in chosen.missing {
            let authors = if one.authors.is_empty() { "not named" } else { &one.authors };
            let owner = format!("{label}: no text in the crate; its authors: {authors}");
            self.without.entry(kind).or_default().insert(owner);
        }
        for text in chosen.texts {
            self.put(&label, text);
        }
        for (place, texts) in inner {
            let label = format!("{label}, {place}");
            licence::preferred(&texts).into_iter().for_each(|text| self.put(&label, text));
        }
        Ok(())
    }

    fn put(&mut self, label: &str, text: &Text) {
        let section = self
            .all
            .entry((text.kind(), text.words()))
            .or_insert_with(|| Section { body: text.body.clone(), owners: BTreeSet::new() });
        if text.copyright.is_empty() {
            section.owners.insert(label.to_owned());
        }
        section.owners.extend(text.copyright.iter().map(|line| format!("{label}: {line}")));
    }

    fn written(mut self) -> Result<String> {
        // A crate without a text stands above the text that most others have.
        for (kind, owners) in std::mem::take(&mut self.without) {
            let of_kind = self.all.iter_mut().filter(|((other, _), _)| *other == kind);
            let most = of_kind.max_by_key(|(_, section)| section.owners.len());
            let (_, section) = most.with_context(|| format!("no crate has a text of {}", kind.name()))?;
            section.owners.extend(owners);
        }
        let line = "-".repeat(80);
        let mut text = String::new();
        for ((kind, _), Section { body, owners }) in &self.all {
            let owners: Vec<&str> = owners.iter().map(String::as_str).collect();
            write!(text, "\n{line}\n{}\n\n{}\n\n{body}\n", kind.name(), owners.join("\n"))?;
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_cargo_tree_are_read() {
        let pair = |name: &str, version: &str| Some((name.to_owned(), version.to_owned()));
        assert_eq!(named("base64 v0.22.1"), pair("base64", "0.22.1"));
        assert_eq!(named("tokio v1.54.0 (*)"), pair("tokio", "1.54.0"));
        assert_eq!(named(""), None);
    }

    #[test]
    fn the_first_difference_is_named() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
        assert_eq!(first_difference("a\nx\n", "a\nb\n"), Some(2));
        assert_eq!(first_difference("a\n", "a\nb\n"), Some(2));
        assert_eq!(first_difference("", "a\n"), Some(1));
    }

    #[test]
    fn equal_texts_are_written_once_below_all_who_have_them() {
        let mut sections = Sections::default();
        let file = |who: &str, width: &str| {
            let words =
                "Permission is hereby granted, free of charge, to any person obtaining a copy of this";
            Text::read(&format!(
                "MIT License\n\nCopyright (c) {who}\n\n{words}{width}software and associated documentation files\n"
            ))
        };
        sections.put("a 1.0.0", &file("2019 Ayu", " "));
        sections.put("b 2.0.0", &file("2020 Budi", "\n"));
        sections.without.entry(Kind::Mit).or_default().insert("c 3.0.0: no text".to_owned());
        let text = sections.written().expect("there is a text of MIT");
        assert_eq!(text.matches("Permission is hereby granted").count(), 1, "{text}");
        let owners = "a 1.0.0: Copyright (c) 2019 Ayu\nb 2.0.0: Copyright (c) 2020 Budi\nc 3.0.0: no text\n";
        assert!(text.contains(owners), "{text}");
    }
}
