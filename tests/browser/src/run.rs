//! One scene: a demo, a browser that looks at it, and what is done when it goes wrong.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, anyhow};
use thirtyfour::BrowserLogEntry;

use super::console::Allowed;
use super::page::Page;
use orrery_harness::demo::{Demo, DemoOptions};
use orrery_harness::process::target_folder;

/// Where screenshots are written.
pub fn screenshots() -> Result<PathBuf> {
    Ok(target_folder()?.join("screenshots"))
}

/// What a scene plays with.
#[derive(Debug)]
pub struct Scene {
    pub demo: Demo,
    pub page: Page,
}

/// Why a test failed, as a person wants to read it: the causes, without the machine's stack.
pub struct Failure(anyhow::Error);

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(cause: E) -> Self {
        Failure(cause.into())
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:#}", self.0)
    }
}

/// Runs `play` with a fresh demo of five nodes and a fresh browser, which has the dashboard open.
///
/// Fails when `play` fails or panics, and when the page complained about anything but what is allowed. A failure
/// shows the page, its console and the cluster's log; nothing is left running either way.
pub async fn scene<F, Fut>(name: &'static str, allowed: Allowed, play: F) -> Result<(), Failure>
where
    F: FnOnce(Arc<Scene>) -> Fut,
    Fut: Future<Output = Result<()>> + Send + 'static,
{
    scene_on(name, DemoOptions::default(), allowed, play).await
}

/// The same with a demo of one's own.
pub async fn scene_on<F, Fut>(
    name: &'static str,
    options: DemoOptions,
    allowed: Allowed,
    play: F,
) -> Result<(), Failure>
where
    F: FnOnce(Arc<Scene>) -> Fut,
    Fut: Future<Output = Result<()>> + Send + 'static,
{
    let shots = screenshots()?.join(name);
    println!("screenshots: {}", shots.display());
    // the two have nothing to do with each other until the page is opened
    let (demo, page) = tokio::join!(Demo::start(name, options), Page::start(name, &shots));
    let (demo, page) = (demo?, page?);
    page.open(&demo.url()).await?;
    let scene = Arc::new(Scene { demo, page });

    // a task of its own turns a panic into an error, so that the report below is written for it too
    let played = match tokio::spawn(play(Arc::clone(&scene))).await {
        Ok(result) => result,
        Err(panic) => Err(anyhow!("{panic}")),
    };
    let mut scene = Arc::into_inner(scene).ok_or_else(|| anyhow!("the play kept its scene"))?;
    let console = scene.page.console().await.unwrap_or_default();
    let complaints = allowed.violations(&console);
    if played.is_err() || !complaints.is_empty() {
        let shot = scene.page.screenshot("failed").await;
        println!("{}", scene.demo.report());
        for (entry, count) in counted(&console) {
            println!("console, {count} times: {} {}", entry.level, entry.message);
        }
        println!(
            "the page when it failed: {}",
            shot.map_or_else(|e| format!("{e:#}"), |p| p.display().to_string())
        );
    }
    let quit = scene.page.quit().await;
    played?;
    if !complaints.is_empty() {
        return Err(anyhow!("the page complained:\n{}", complaints.join("\n")).into());
    }
    Ok(quit?)
}

/// Each different line once, in the order of their first times.
fn counted(console: &[BrowserLogEntry]) -> Vec<(&BrowserLogEntry, usize)> {
    let mut lines: Vec<(&BrowserLogEntry, usize)> = Vec::new();
    for entry in console {
        match lines.iter_mut().find(|(line, _)| line.message == entry.message) {
            Some((_, count)) => *count += 1,
            None => lines.push((entry, 1)),
        }
    }
    lines
}
