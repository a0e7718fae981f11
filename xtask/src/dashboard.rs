//! Builds the dashboard into `web/dist`, and checks what came out.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use wasm_bindgen_cli_support::Bindgen;

use crate::compress;
use crate::exec;
use crate::page;
use crate::report::Outcome;
use crate::setup;
use crate::stamp;
use crate::wasm;
use crate::workspace::{Workspace, on_path, output};

/// The main module as a browser should receive it, in bytes: on a phone in a classroom's network it still comes in
/// a second or two.
const MODULE_GZIP_BYTES_MAX: u64 = 600 * 1024;
const MODULE_BROTLI_BYTES_MAX: u64 = 500 * 1024;
/// Crates that belong to the node. One of them in the page means that the seam between the engine and the page leaks.
const NOT_IN_THE_PAGE: [&str; 6] = ["openraft", "redb", "tokio", "axum", "orrery", "orrery-engine"];
const INPUTS: [&str; 9] = [
    "web",
    "shared",
    "Cargo.toml",
    "Cargo.lock",
    ".cargo/config.toml",
    "xtask/src/compress.rs",
    "xtask/src/dashboard.rs",
    "xtask/src/page.rs",
    "xtask/src/wasm.rs",
];
/// Files that have compressed forms beside them. The page itself is not among them: a node reads which scripts it has.
const COMPRESSED: [&str; 3] = ["wasm", "js", "css"];
/// What the name of a compressed form ends with.
const GZIP: &str = ".gz";
const BROTLI: &str = ".br";
/// The page's program, and the profile that it is compiled with.
const PROGRAM: &str = "orrery-web";
const PROFILE: &str = "wasm-release";
const COMPILE: [&str; 9] = [
    "build",
    "--package",
    PROGRAM,
    "--target",
    "wasm32-unknown-unknown",
    "--profile",
    PROFILE,
    "--locked",
    "--offline",
];
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
pub fn ensure(workspace: &Workspace) -> Result<Outcome> {
    build(workspace)?;
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

/// A hash of everything that the dashboard is built from.
pub fn stamp(workspace: &Workspace) -> Result<String> {
    let wasm_opt = if on_path("wasm-opt").is_some() { "wasm-opt" } else { "" };
    let compiler = setup::rustc_version(workspace)?;
    let dist = dist(workspace);
    let words = [compiler.as_str(), wasm_opt, &dist.to_string_lossy()];
    stamp::of(&workspace.root, &INPUTS, &["web/dist"], &words)
}

fn build(workspace: &Workspace) -> Result<()> {
    let dist = dist(workspace);
    let stamp_file = workspace.target.join("xtask").join("dashboard.stamp");
    let stamp = stamp(workspace)?;
    let known = fs::read_to_string(&stamp_file).unwrap_or_default();
    if known == stamp && dist.join("index.html").is_file() {
        println!("nothing changed since the last build");
        return Ok(());
    }
    check_crates(workspace)?;
    println!("the dashboard: three minutes on two cores the first time");
    let mut compile = workspace.cargo(&COMPILE);
    compile.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", without_places(&registries()));
    exec::run(compile, BUILD_LIMIT)?;
    let compiled =
        workspace.target.join("wasm32-unknown-unknown").join(PROFILE).join(format!("{PROGRAM}.wasm"));
    let module = made_for_browsers(workspace, &compiled)?;
    let web = workspace.root.join("web");
    let index = fs::read_to_string(web.join("index.html")).context("cannot read web/index.html")?;
    let files = page::lay_out(&index, &module, |path| {
        fs::read(web.join(path)).with_context(|| format!("cannot read web/{path}"))
    })?;
    write(&dist, &files)?;
    compress(&dist)?;
    if let Some(folder) = stamp_file.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(&stamp_file, stamp).context("cannot note that the dashboard is built")
}

/// The folders of this machine in which cargo unpacks crates.
fn registries() -> Vec<PathBuf> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| Some(env::home_dir()?.join(".cargo")));
    let sources = home.map(|home| home.join("registry").join("src"));
    let folders = sources.and_then(|sources| fs::read_dir(sources).ok()).into_iter().flatten();
    folders.flatten().map(|folder| folder.path()).collect()
}

/// Flags with which messages of a panic name a crate's file, and not where it lies on the machine that built the page: every
/// machine builds the same module, and a smaller one.
fn without_places(folders: &[PathBuf]) -> String {
    let flags = folders.iter().filter(|folder| !folder.to_string_lossy().contains(' '));
    flags.map(|folder| format!("--remap-path-prefix={}/=", folder.display())).collect::<Vec<_>>().join(" ")
}

/// The module and the script between it and the page, both as small as they get.
fn made_for_browsers(workspace: &Workspace, compiled: &Path) -> Result<page::Module> {
    println!("wasm-bindgen: writes the script between page and module");
    let mut output = Bindgen::new()
        .input_path(compiled)
        .out_name(PROGRAM)
        .web(true)?
        .typescript(false)
        .omit_default_module_path(true)
        .generate_output()
        .with_context(|| format!("wasm-bindgen does not understand {}", compiled.display()))?;
    let inline = output.snippets().values().any(|scripts| !scripts.is_empty());
    if inline || !output.local_modules().is_empty() || !output.npm_dependencies().is_empty() {
        bail!("a crate of the page brings JavaScript of its own, which is not packed");
    }
    let script = output.js().to_owned();
    let wasm = optimised(workspace, output.wasm_mut().emit_wasm())?;
    check_symbols(&wasm)?;
    let (wasm, script) = wasm::without_names(&wasm)
        .and_then(|wasm| wasm::with_short_imports(&wasm, &script))
        .context("what wasm-bindgen wrote is no module")?;
    Ok(page::Module { name: PROGRAM.to_owned(), script, wasm })
}

/// Puts the files where the node takes them from, and nothing else; `index.html` is the last one.
fn write(dist: &Path, files: &[page::File]) -> Result<()> {
    match fs::remove_dir_all(dist) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot empty {}", dist.display()));
        }
        _ => fs::create_dir_all(dist).with_context(|| format!("cannot create {}", dist.display()))?,
    }
    for (name, content) in files {
        fs::write(dist.join(name), content).with_context(|| format!("cannot write {name}"))?;
    }
    Ok(())
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
fn check_symbols(wasm: &[u8]) -> Result<()> {
    if wasm.windows(b"openraft".len()).any(|window| window == b"openraft") {
        bail!("the page's module contains code of openraft");
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
    let (gzip, brotli) = (length(&with_ending(&module, GZIP))?, length(&with_ending(&module, BROTLI))?);
    let text = format!(
        "{} KB, {} KB gzipped (at most {} KB), {} KB as brotli (at most {} KB)",
        kilobytes(length(&module)?),
        kilobytes(gzip),
        kilobytes(MODULE_GZIP_BYTES_MAX),
        kilobytes(brotli),
        kilobytes(MODULE_BROTLI_BYTES_MAX),
    );
    Ok((text, fits(gzip, brotli)))
}

fn fits(gzip: u64, brotli: u64) -> bool {
    gzip <= MODULE_GZIP_BYTES_MAX && brotli <= MODULE_BROTLI_BYTES_MAX
}

/// Puts the compressed forms beside the files that browsers keep: nodes serve those.
fn compress(dist: &Path) -> Result<()> {
    println!("gzip and brotli: half a minute");
    for file in files(dist)? {
        let compressed = file.extension().and_then(OsStr::to_str).is_some_and(|of| COMPRESSED.contains(&of));
        if !compressed {
            continue;
        }
        let bytes = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        for (ending, small) in [(GZIP, compress::gzip(&bytes)?), (BROTLI, compress::brotli(&bytes)?)] {
            let to = with_ending(&file, ending);
            fs::write(&to, small).with_context(|| format!("cannot write {}", to.display()))?;
        }
    }
    Ok(())
}

fn with_ending(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn files(dist: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dist).with_context(|| format!("cannot list {}", dist.display()))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    Ok(files)
}

fn main_module(dist: &Path) -> Result<PathBuf> {
    let mut modules = files(dist)?;
    modules.retain(|path| path.extension().is_some_and(|extension| extension == "wasm"));
    match modules.as_slice() {
        [module] => Ok(module.clone()),
        [] => bail!("there is no wasm module in {}", dist.display()),
        several => bail!("there are {} wasm modules in {}, one is expected", several.len(), dist.display()),
    }
}

/// The module made smaller, where wasm-opt is there. The build works without it, so a failure (an old wasm-opt does not know what
/// a new rustc writes) is only said.
fn optimised(workspace: &Workspace, wasm: Vec<u8>) -> Result<Vec<u8>> {
    let Some(program) = on_path("wasm-opt") else { return Ok(wasm) };
    let folder = workspace.target.join("xtask");
    fs::create_dir_all(&folder)?;
    let (from, to) = (folder.join("module.wasm"), folder.join("smaller.wasm"));
    fs::write(&from, &wasm).with_context(|| format!("cannot write {}", from.display()))?;
    let mut command = workspace.command(program);
    command.arg("-Oz").args(WASM_FEATURES).arg(&from).arg("-o").arg(&to);
    let smaller = exec::run(command, BUILD_LIMIT).and_then(|()| Ok(fs::read(&to)?));
    for file in [from, to] {
        let _ = fs::remove_file(file);
    }
    Ok(smaller.unwrap_or_else(|error| {
        println!("the module stays as it is: {error:#}");
        wasm
    }))
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
    fn a_message_does_not_tell_where_its_crate_lies() {
        let folders = ["/home/ayu/.cargo/registry/src/index-1", "/home/two words/src"].map(PathBuf::from);
        assert_eq!(without_places(&folders), "--remap-path-prefix=/home/ayu/.cargo/registry/src/index-1/=");
        assert_eq!(without_places(&[]), "");
    }

    #[test]
    fn exactly_one_module_is_the_main_one() {
        let dist = std::env::temp_dir().join(format!("xtask-dist-{}", std::process::id()));
        fs::create_dir_all(&dist).expect("a temporary folder");
        assert!(main_module(&dist).is_err());
        fs::write(dist.join("a_bg.wasm"), [0; 10_000]).expect("a temporary file");
        for name in ["a.js", "index.html"] {
            fs::write(dist.join(name), "").expect("a temporary file");
        }
        compress(&dist).expect("it can be written");
        let (text, fits) = size(&dist).expect("one module");
        assert!(fits && text.starts_with("10 KB, 1 KB gzipped"), "{text}");
        assert!(text.contains("600 KB") && text.contains("500 KB"), "{text}");
        assert!(dist.join("a.js.br").is_file() && !dist.join("index.html.br").exists());
        fs::write(dist.join("b_bg.wasm"), "").expect("a temporary file");
        assert!(main_module(&dist).is_err());
        fs::remove_dir_all(&dist).expect("it was created above");
    }

    #[test]
    fn both_compressed_forms_have_a_bound() {
        let (gzip, brotli) = (MODULE_GZIP_BYTES_MAX, MODULE_BROTLI_BYTES_MAX);
        assert!(fits(gzip, brotli));
        assert!(!fits(gzip + 1, brotli));
        assert!(!fits(gzip, brotli + 1));
    }
}
