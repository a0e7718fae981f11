//! The node and its tests are one build: of every crate that the node needs, `orrery-tests` asks for the same features.
//!
//! Where one of them differs, cargo compiles that crate and all that need it once more, up to the engine and the node, which takes
//! ten minutes. Nothing fails then, so this has to be looked at. A part of `cargo xtask tidy`.

use std::collections::BTreeSet;

use anyhow::Result;

use crate::workspace::{Workspace, output};

/// A sentence for every crate that would be compiled twice.
pub fn differences(workspace: &Workspace) -> Result<Vec<String>> {
    Ok(apart(&needed(workspace, "orrery")?, &needed(workspace, "orrery-tests")?))
}

/// Every crate that a package needs, with its version and features.
fn needed(workspace: &Workspace, package: &str) -> Result<BTreeSet<String>> {
    let shape = ["--edges", "normal,build", "--prefix", "none", "--format", "{p} with {f}"];
    let arguments = [&["tree", "--locked", "--package", package][..], &shape].concat();
    Ok(lines(&output(workspace.cargo(&arguments))?))
}

/// What was printed before is marked with a star at its end.
fn lines(printed: &str) -> BTreeSet<String> {
    let crates = printed.lines().map(|line| line.trim_end_matches("(*)").trim().to_owned());
    crates.filter(|line| !line.is_empty()).collect()
}

fn apart(node: &BTreeSet<String>, tests: &BTreeSet<String>) -> Vec<String> {
    let sentence = |of_node: &String| {
        let name = of_node.split(" with ").next().unwrap_or_default();
        let others: Vec<&str> =
            tests.iter().filter_map(|line| line.strip_prefix(name)?.strip_prefix(" with ")).collect();
        format!(
            "the node and orrery-tests are not one build: {of_node} of the node, {} of the tests",
            if others.is_empty() { "none".to_owned() } else { others.join(" and ") }
        )
    };
    node.difference(tests).map(sentence).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feature_more_is_told() {
        let node = lines(
            "orrery v0.1.0 (/x) with default\nserde_json v1.0.1 with std\nserde_json v1.0.1 with std (*)\n",
        );
        assert_eq!(node.len(), 2);
        let same = lines("serde_json v1.0.1 with std\norrery v0.1.0 (/x) with default\nclap v4.0.0 with \n");
        assert!(apart(&node, &same).is_empty());
        let more = lines("serde_json v1.0.1 with preserve_order,std\norrery v0.1.0 (/x) with default\n");
        let told = apart(&node, &more);
        assert_eq!(told.len(), 1);
        assert!(
            told[0].ends_with("serde_json v1.0.1 with std of the node, preserve_order,std of the tests"),
            "{told:?}"
        );
    }
}
