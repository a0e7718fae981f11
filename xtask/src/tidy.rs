//! `cargo xtask tidy`: which crate may depend on which, that no module of a crate needs one that needs it, that the files that
//! pages name are there, and that the node and its tests are one build.
//!
//! The arrows between crates are in a table of docs/architecture.md, whose last column says what a crate may depend on; what only
//! tests need is not asked. The arrows between the modules of a crate are read from its `use` items and paths. A module is
//! what lies directly under `src`, with everything in its folder.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, UseTree};

use crate::one_build;
use crate::paths;
use crate::report::Outcome;
use crate::workspace::Workspace;

const TABLE: &str = "docs/architecture.md";
const HEADER: &str = "| crate | holds | may depend on |";

/// Every crate of the workspace, the circles between the modules of each, and the pages.
pub fn check(workspace: &Workspace) -> Result<Outcome> {
    let allowed = arrows(&read(&workspace.root.join(TABLE))?)?;
    let mut wrong = paths::missing(&workspace.root)?;
    let mut crates = 0;
    for (name, folder) in folders(&workspace.root)? {
        crates += 1;
        match allowed.get(&name) {
            None if name != "xtask" && folder.parent().is_some_and(|parent| parent.ends_with("shared")) => {
                wrong.push(format!("{name}: {TABLE} has no row of it"));
            }
            None => {}
            Some(allowed) => {
                let needed = dependencies(&read(&folder.join("Cargo.toml"))?);
                let beyond = needed.difference(allowed);
                wrong.extend(
                    beyond.map(|other| format!("{name} depends on {other}, which {TABLE} does not allow")),
                );
            }
        }
        wrong.extend(tangled(&name, &modules(&folder.join("src"))?));
    }
    wrong.extend(one_build::differences(workspace)?);
    if !wrong.is_empty() {
        bail!("{}", wrong.join("\n"));
    }
    Ok(Outcome::done(format!("{crates} crates")))
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))
}

/// The rows of the table: a crate, and what it may depend on.
fn arrows(page: &str) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let rows = page.split_once(HEADER).with_context(|| format!("{TABLE} has no table `{HEADER}`"))?.1;
    let rows = rows.lines().skip(1).take_while(|line| line.is_empty() || line.starts_with('|'));
    let rows = rows
        .skip_while(|line| line.is_empty() || line.starts_with("| ---"))
        .take_while(|line| !line.is_empty());
    let quoted = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<BTreeSet<_>>();
    let mut all = BTreeMap::new();
    for row in rows {
        let mut cells = row.trim_matches('|').split('|');
        let (name, allowed) = (cells.next().unwrap_or_default(), cells.next_back().unwrap_or_default());
        let name = quoted(name).pop_first().with_context(|| format!("{TABLE}: no crate in {row}"))?;
        all.insert(name, quoted(allowed));
    }
    if all.is_empty() {
        bail!("{TABLE}: the table of crates is empty");
    }
    Ok(all)
}

/// The crates that have a folder of their own sources, by the name that the table gives them.
fn folders(root: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut all: Vec<_> =
        ["node", "web", "tests", "xtask"].map(|name| (name.to_owned(), root.join(name))).into();
    let within = |parent: &str| -> Result<Vec<_>> {
        fs::read_dir(root.join(parent))
            .with_context(|| format!("{parent}/ cannot be read"))?
            .map(|entry| Ok(entry?.path()))
            .collect()
    };
    for folder in [within("shared")?, within("tests")?].concat() {
        if !folder.join("Cargo.toml").is_file() {
            continue;
        }
        // What stands in for a crate of another name is not ours to draw arrows for.
        let named = read(&folder.join("Cargo.toml"))?.contains("\nname = \"orrery-");
        if let Some(name) = folder.file_name().and_then(|name| name.to_str()).filter(|_| named) {
            all.push((name.to_owned(), folder));
        }
    }
    all.sort();
    Ok(all)
}

/// The crates of ours under `[dependencies]`: `orrery-lock` is `lock`, `orrery` is `node`.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let mut section = "";
    let mut all = BTreeSet::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line.trim();
        } else if section == "[dependencies]" {
            let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
            if name == "orrery" {
                all.insert("node".to_owned());
            } else if let Some(ours) = name.strip_prefix("orrery-") {
                all.insert(ours.to_owned());
            }
        }
    }
    all
}

/// Which modules each module of a crate needs.
type Needs = BTreeMap<String, BTreeSet<String>>;

fn modules(src: &Path) -> Result<Needs> {
    let mut needs = Needs::new();
    for root in ["lib.rs", "main.rs"].map(|file| src.join(file)) {
        if root.exists() {
            walk(&root, src, &[], &mut needs)?;
        }
    }
    let known: BTreeSet<String> = needs.keys().cloned().collect();
    for (name, needed) in &mut needs {
        needed.retain(|other| other != name && known.contains(other));
    }
    Ok(needs)
}

/// One file, and those of its modules.
fn walk(file: &Path, folder: &Path, at: &[String], needs: &mut Needs) -> Result<()> {
    let parsed =
        syn::parse_file(&read(file)?).with_context(|| format!("{} is not understood", file.display()))?;
    if let Some(top) = at.first() {
        let mut looker = Looker { at: at.to_vec(), found: BTreeSet::new() };
        for item in &parsed.items {
            looker.visit_item(item);
        }
        needs.entry(top.clone()).or_default().extend(looker.found);
    }
    for item in &parsed.items {
        let Item::Mod(module) = item else { continue };
        if module.content.is_some() || is_of_tests(&module.attrs) {
            continue;
        }
        let name = module.ident.to_string();
        let candidates = [folder.join(format!("{name}.rs")), folder.join(&name).join("mod.rs")];
        let Some(found) = candidates.iter().find(|path| path.exists()) else { continue };
        let inner: Vec<String> = at.iter().cloned().chain([name.clone()]).collect();
        walk(found, &folder.join(&name), &inner, needs)?;
    }
    Ok(())
}

fn is_of_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|condition| condition.is_ident("test"))
    })
}

/// Collects the first part, from the crate's root, of every path that is written with `crate`, `self` or `super`.
struct Looker {
    at: Vec<String>,
    found: BTreeSet<String>,
}

impl Looker {
    fn note(&mut self, path: &[String]) {
        let mut from = match path.first().map(String::as_str) {
            Some("crate") => Vec::new(),
            Some("self" | "super") => self.at.clone(),
            _ => return,
        };
        for part in path.iter().skip_while(|part| *part == "crate" || *part == "self") {
            if part == "super" {
                from.pop();
            } else {
                from.push(part.clone());
            }
        }
        self.found.extend(from.into_iter().next());
    }

    fn leaves(&mut self, tree: &UseTree, before: &[String]) {
        let longer = |name: String| before.iter().cloned().chain([name]).collect::<Vec<_>>();
        match tree {
            UseTree::Path(path) => self.leaves(&path.tree, &longer(path.ident.to_string())),
            UseTree::Name(name) => self.note(&longer(name.ident.to_string())),
            UseTree::Rename(rename) => self.note(&longer(rename.ident.to_string())),
            UseTree::Glob(_) => self.note(before),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.leaves(tree, before)),
        }
    }
}

impl<'ast> Visit<'ast> for Looker {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Mod(module) => &module.attrs,
            Item::Fn(function) => &function.attrs,
            Item::Use(used) => &used.attrs,
            Item::Impl(block) => &block.attrs,
            _ => return visit::visit_item(self, item),
        };
        if is_of_tests(attributes) {
            return;
        }
        match item {
            Item::Use(used) => self.leaves(&used.tree, &[]),
            Item::Mod(module) => {
                self.at.push(module.ident.to_string());
                visit::visit_item_mod(self, module);
                self.at.pop();
            }
            item => visit::visit_item(self, item),
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.note(&parts);
        visit::visit_path(self, path);
    }
}

/// What is wrong with the arrows between a crate's modules.
fn tangled(name: &str, needs: &Needs) -> Vec<String> {
    let told = |circle: Vec<&str>| format!("{name}: these modules need each other: {}", circle.join(", "));
    circles(needs).into_iter().map(told).collect()
}

/// The sets of modules each of which needs, in some steps, all others of its set.
fn circles(needs: &Needs) -> Vec<Vec<&str>> {
    let reach: BTreeMap<&str, BTreeSet<&str>> =
        needs.keys().map(|from| (from.as_str(), reached(needs, from))).collect();
    let mut all = BTreeSet::new();
    for (from, to) in &reach {
        let both = to.iter().filter(|other| reach[*other].contains(from));
        let circle: Vec<&str> = both.copied().collect();
        if circle.len() > 1 {
            all.insert(circle);
        }
    }
    all.into_iter().collect()
}

/// What a module needs, in one step or more.
fn reached<'a>(needs: &'a Needs, from: &str) -> BTreeSet<&'a str> {
    let mut found: BTreeSet<&str> = BTreeSet::new();
    let mut next: Vec<&str> = vec![from];
    while let Some(at) = next.pop() {
        for other in needs.get(at).into_iter().flatten() {
            if found.insert(other) {
                next.push(other);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_what_may_depend_on_what() {
        let page = "words\n\n| crate | holds | may depend on |\n| --- | --- | --- |\n| `base` | ids | |\n\
                    | `lock` | `Table` | `base` |\n\n| other | table |\n";
        let read = arrows(page).expect("a table");
        assert_eq!(read.len(), 2);
        assert!(read["base"].is_empty());
        assert_eq!(read["lock"], BTreeSet::from(["base".to_owned()]));
        assert!(arrows("no table").is_err());
    }

    #[test]
    fn what_tests_need_is_not_asked() {
        let manifest = "[package]\nname = \"orrery-lock\"\n\n[dependencies]\norrery-base.workspace = true\norrery = { path = \"x\" }\n\
                        serde.workspace = true\n\n[dev-dependencies]\norrery-machine.workspace = true\n";
        assert_eq!(dependencies(manifest), BTreeSet::from(["base".to_owned(), "node".to_owned()]));
    }

    #[test]
    fn paths_are_followed_to_the_root() {
        let source = "use crate::a::X;\nuse super::super::b::{self, Y};\nfn f() { super::g(); crate::c::d() }\n\
                      #[cfg(test)]\nmod tests { use crate::e::Z; }\nmod inner { use super::super::h::W; }\n";
        let parsed = syn::parse_file(source).expect("Rust");
        let mut looker = Looker { at: vec!["here".into(), "deep".into()], found: BTreeSet::new() };
        parsed.items.iter().for_each(|item| looker.visit_item(item));
        let found: Vec<&str> = looker.found.iter().map(String::as_str).collect();
        assert_eq!(found, ["a", "b", "c", "here"]);
    }

    #[test]
    fn a_circle_is_found() {
        let needs = |arrows: &[(&str, &str)]| {
            let mut needs = Needs::new();
            for (from, to) in arrows {
                needs.entry((*from).to_owned()).or_default().insert((*to).to_owned());
                needs.entry((*to).to_owned()).or_default();
            }
            needs
        };
        let tree = needs(&[("a", "b"), ("b", "c"), ("a", "c")]);
        assert!(tangled("x", &tree).is_empty());
        let knot = needs(&[("a", "b"), ("b", "c"), ("c", "b")]);
        assert_eq!(tangled("x", &knot), ["x: these modules need each other: b, c"]);
    }
}
