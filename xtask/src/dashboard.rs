//! Builds the dashboard into `web/dist`, and checks what came out.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::exec;
use crate::gzip;
use crate::report::Outcome;
use crate::setup::{self, Tools, tools::TRUNK_VERSION};
use crate::stamp;
use crate::wasm;
use crate::workspace::{Workspace, on_path, output};

/// The main module as a browser should receive it, in bytes: on a phone in a classroom's network it still comes in
/// a second or two.
const MODULE_GZIP_BYTES_MAX: u64 = 350 * 1024;
/// Crates that belong to the node. One of them in the page means that the seam between the engine and the page leaks.
const NOT_IN_THE_PAGE: [&str; 6] = ["openraft", "redb", "tokio", "axum", "orrery", "orrery-engine"];
const INPUTS: [&str; 7] =
    ["web", "shared", "Cargo.toml", "Cargo.lock", "Trunk.toml", ".cargo/config.toml", "xtask/src/wasm.rs"];
/// What rustc emits for wasm32 by default, and no more: given `--all-features`, older versions of wasm-opt write
/// proposals in a form that browsers refuse, and the page stays empty.
const WASM_FEATURES: [&str; 6] = [
    "--enable-bulk-memory",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
];
const BUILD_LIMIT: Duration = Duration::from_secs(30 * 60);

/// Builds the dashboard unless it is up to date. A module that is too large is said, and does not stop a demo.
pub fn ensure(workspace: &Workspace, tools: &Tools) -> Result<Outcome> {
    build(workspace, tools)?;
    let (size, fits) = size(&dist(workspace))?;
    if !fits {
        println!("warning: the main module is too large: {size}");
    }
    Ok(Outcome::done(size))
}

/// Fails if the main module is too large.
pub fn check_size(workspace: &Workspace) -> Result<Outcome> {
    let (size, fits) = size(&dist(workspace))?;
    if !fits {
        bail!("the main module is too large: {size}");
    }
    Ok(Outcome::done(size))
}

fn dist(workspace: &Workspace) -> PathBuf {
    workspace.root.join("web").join("dist")
}

fn build(workspace: &Workspace, tools: &Tools) -> Result<()> {
    let dist = dist(workspace);
    let stamp_file = workspace.target.join("xtask").join("dashboard.stamp");
    let wasm_opt = on_path("wasm-opt");
    let compiler = setup::rustc_version(workspace)?;
    let words = [
        compiler.as_str(),
        TRUNK_VERSION,
        &tools.wasm_bindgen_version,
        if wasm_opt.is_some() { "wasm-opt" } else { "" },
        &dist.to_string_lossy(),
    ];
    let stamp = stamp::of(&workspace.root, &INPUTS, &["web/dist"], &words)?;
    let known = fs::read_to_string(&stamp_file).unwrap_or_default();
    if known == stamp && dist.join("index.html").is_file() {
        println!("nothing changed since the last build");
        return Ok(());
    }
    check_crates(workspace)?;
    let mut trunk = workspace.command(tools.trunk());
    trunk
        .args(["build", "--release", "--cargo-profile", "wasm-release", "--offline", "--locked"])
        .env("PATH", tools.path()?);
    // some systems set this to 1, trunk accepts only true and false
    trunk.env_remove("NO_COLOR");
    exec::run(trunk, BUILD_LIMIT)?;
    if let Some(program) = wasm_opt {
        optimise(workspace, &program, &main_module(&dist)?);
    }
    check_symbols(&dist)?;
    shorten_names(&main_module(&dist)?)?;
    compress(&main_module(&dist)?)?;
    if let Some(folder) = stamp_file.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(&stamp_file, stamp).context("cannot note that the dashboard is built")
}

/// The page must not depend on the consensus engine or on anything else of the node.
fn check_crates(workspace: &Workspace) -> Result<()> {
    let tree = output(workspace.cargo(&[
        "tree",
        "--package",
        "orrery-web",
        "--target",
        "wasm32-unknown-unknown",
        "--edges",
        "normal",
        "--prefix",
        "none",
        "--locked",
        "--offline",
    ]))?;
    let found = forbidden(&tree);
    if !found.is_empty() {
        bail!("the dashboard depends on {}: `cargo tree -p orrery-web -i {}`", found.join(", "), found[0]);
    }
    Ok(())
}

/// Names in a `cargo tree` that may not be there.
fn forbidden(tree: &str) -> Vec<&'static str> {
    let has = |name: &str| tree.lines().any(|line| line.split_whitespace().next() == Some(name));
    NOT_IN_THE_PAGE.into_iter().filter(|name| has(name)).collect()
}

/// The module itself: source paths in its panic messages would name the engine's crate.
fn check_symbols(dist: &Path) -> Result<()> {
    let module = main_module(dist)?;
    let bytes = fs::read(&module)?;
    if bytes.windows(b"openraft".len()).any(|window| window == b"openraft") {
        bail!("{} contains code of openraft", module.display());
    }
    Ok(())
}

/// The size of the main module in words, and whether it is small enough.
fn size(dist: &Path) -> Result<(String, bool)> {
    let module = main_module(dist)?;
    let length = |file: &Path| {
        let found = fs::metadata(file).with_context(|| format!("cannot read {}", file.display()))?;
        anyhow::Ok(found.len())
    };
    let compressed = length(&compressed_name(&module))?;
    let (raw, small) = (kilobytes(length(&module)?), kilobytes(compressed));
    let text = format!("{raw} KB, {small} KB gzipped (at most {} KB)", kilobytes(MODULE_GZIP_BYTES_MAX));
    Ok((text, compressed <= MODULE_GZIP_BYTES_MAX))
}

/// Puts the compressed form beside the module: nodes serve that one.
fn compress(module: &Path) -> Result<()> {
    let bytes = fs::read(module).with_context(|| format!("cannot read {}", module.display()))?;
    let to = compressed_name(module);
    fs::write(&to, gzip::compress(&bytes)?).with_context(|| format!("cannot write {}", to.display()))
}

fn compressed_name(module: &Path) -> PathBuf {
    let mut name = module.as_os_str().to_owned();
    name.push(".gz");
    name.into()
}

fn main_module(dist: &Path) -> Result<PathBuf> {
    let entries = fs::read_dir(dist).with_context(|| format!("cannot list {}", dist.display()))?;
    let mut modules: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "wasm"))
        .collect();
    modules.sort();
    match modules.as_slice() {
        [module] => Ok(module.clone()),
        [] => bail!("there is no wasm module in {}", dist.display()),
        several => bail!("there are {} wasm modules in {}, one is expected", several.len(), dist.display()),
    }
}

/// Takes names of functions and tools out of the module, and shortens those under which the page gives it what it imports:
/// each ends with sixteen digits of a hash, which no compression makes smaller.
fn shorten_names(module: &Path) -> Result<()> {
    let script = script_of(module)?;
    let bytes = fs::read(module).with_context(|| format!("cannot read {}", module.display()))?;
    let text = fs::read_to_string(&script).with_context(|| format!("cannot read {}", script.display()))?;
    let (bytes, text) = wasm::without_names(&bytes)
        .and_then(|bytes| wasm::with_short_imports(&bytes, &text))
        .with_context(|| format!("{} is no wasm module", module.display()))?;
    fs::write(module, bytes).with_context(|| format!("cannot write {}", module.display()))?;
    fs::write(&script, text).with_context(|| format!("cannot write {}", script.display()))
}

/// The script that wasm-bindgen wrote for a module.
fn script_of(module: &Path) -> Result<PathBuf> {
    let name = module.file_stem().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix("_bg"));
    let name = name.with_context(|| format!("{} is not named as wasm-bindgen does", module.display()))?;
    Ok(module.with_file_name(format!("{name}.js")))
}

/// Makes the module smaller in place. The build works without it, so a failure (an old wasm-opt does not know what
/// a new rustc writes) is only said.
fn optimise(workspace: &Workspace, program: &Path, module: &Path) {
    let smaller = module.with_extension("smaller");
    let mut command = workspace.command(program);
    command.arg("-Oz").args(WASM_FEATURES).arg(module).arg("-o").arg(&smaller);
    let result = exec::run(command, BUILD_LIMIT).and_then(|()| Ok(fs::rename(&smaller, module)?));
    if let Err(error) = result {
        let _ = fs::remove_file(&smaller);
        println!("the module stays as it is: {error:#}");
    }
}

fn kilobytes(bytes: u64) -> u64 {
    bytes.div_ceil(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_of_the_node_in_the_page_is_found() {
        let tree = "orrery-web v0.1.0 (/w/web)\nopenraft-macros v0.9.0\norrery-lock v0.1.0 (/w/shared/lock)\nserde v1";
        assert!(forbidden(tree).is_empty());
        assert_eq!(forbidden(&format!("{tree}\nopenraft v0.10.0 (*)")), ["openraft"]);
        assert_eq!(
            forbidden(&format!("{tree}\ntokio v1.54.0\norrery v0.1.0 (/w/node)")),
            ["tokio", "orrery"]
        );
    }

    #[test]
    fn exactly_one_module_is_the_main_one_and_its_size_has_a_bound() {
        let dist = std::env::temp_dir().join(format!("xtask-dist-{}", std::process::id()));
        fs::create_dir_all(&dist).expect("a temporary folder");
        assert!(main_module(&dist).is_err());
        fs::write(dist.join("a_bg.wasm"), [0; 10_000]).expect("a temporary file");
        fs::write(dist.join("a.js"), "").expect("a temporary file");
        let module = dist.join("a_bg.wasm");
        compress(&module).expect("it can be written");
        let (text, fits) = size(&dist).expect("one module");
        assert!(fits && text.starts_with("10 KB, 1 KB gzipped"), "{text}");
        let mut state = 7u64;
        let noise: Vec<u8> = (0..MODULE_GZIP_BYTES_MAX + 1)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 56) as u8
            })
            .collect();
        fs::write(&module, noise).expect("a temporary file");
        compress(&module).expect("it can be written");
        let (text, fits) = size(&dist).expect("one module");
        assert!(!fits && text.contains("at most 350 KB"), "{text}");
        fs::write(dist.join("b_bg.wasm"), "").expect("a temporary file");
        assert!(main_module(&dist).is_err());
        fs::remove_dir_all(&dist).expect("it was created above");
    }
}
