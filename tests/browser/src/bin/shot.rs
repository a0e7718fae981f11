//! Pictures of a page at the three sizes, and what its layout check finds:
//! `cargo run -p orrery-tests --bin shot -- URL OUTDIR [--theme projector] [--lang id] [--script JS]`

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Parser;
use orrery_browser::{Page, VIEWPORTS, layout};
use serde_json::{Value, json};

/// Pictures of a page at the three sizes, and what its layout check finds.
#[derive(Debug, Parser)]
struct Arguments {
    /// The page; a path of a file will do.
    url: String,
    /// Where the pictures go.
    folder: PathBuf,
    /// `observatory` or `projector`, as if it had been chosen before.
    #[arg(long)]
    theme: Option<String>,
    /// `en` or `id`, as if it had been chosen before.
    #[arg(long)]
    lang: Option<String>,
    /// The body of a function that runs in the page before each picture.
    #[arg(long)]
    script: Option<String>,
    /// Wait for an element first.
    #[arg(long, value_name = "CSS")]
    wait_for: Option<String>,
    /// Only this size, e.g. 1280x720.
    #[arg(long)]
    size: Option<String>,
    /// Time that the page is given to become calm, in milliseconds.
    #[arg(long, default_value_t = 800)]
    settle_ms: u64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let page = Page::start("shot", &arguments.folder).await?;
    let taken = shots(&page, &arguments).await;
    for entry in page.console().await? {
        println!("console {} {}", entry.level, entry.message);
    }
    page.quit().await?;
    taken
}

async fn shots(page: &Page, arguments: &Arguments) -> Result<()> {
    let viewports: Vec<_> =
        VIEWPORTS.iter().filter(|v| arguments.size.as_ref().is_none_or(|size| v.name == size)).collect();
    if viewports.is_empty() {
        bail!("the sizes are {}", VIEWPORTS.map(|viewport| viewport.name).join(", "));
    }
    page.resize(*viewports[0]).await?;
    for (key, value) in [("orrery.theme", &arguments.theme), ("orrery.lang", &arguments.lang)] {
        if let Some(value) = value {
            page.remember(key, value).await?;
        }
    }
    page.open(&address(arguments)?).await?;
    if let Some(theme) = &arguments.theme {
        // a page that has no memory of its own
        page.js::<Value>("document.documentElement.dataset.theme = arguments[0];", vec![json!(theme)])
            .await?;
    }
    if let Some(selector) = &arguments.wait_for {
        page.select(selector).await?;
    }
    for viewport in viewports {
        page.resize(*viewport).await?;
        if let Some(script) = &arguments.script {
            page.js::<Value>(script, Vec::new()).await?;
        }
        tokio::time::sleep(Duration::from_millis(arguments.settle_ms)).await;
        page.settle().await?;
        println!("{}", page.screenshot(viewport.name).await?.display());
        let found = layout::findings(page, *viewport).await?;
        for finding in &found {
            println!("  {finding}");
        }
        println!("  {} findings", found.len());
    }
    Ok(())
}

fn address(arguments: &Arguments) -> Result<String> {
    if arguments.url.contains("://") {
        return Ok(arguments.url.clone());
    }
    // the fragment of a file's page is no part of its path
    let (path, fragment) = arguments.url.split_once('#').unwrap_or((&arguments.url, ""));
    Ok(format!("file://{}#{fragment}", std::fs::canonicalize(path)?.display()))
}
