//! What a person reads off the dashboard and does on it, in the words of its `data-testid` attributes.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use orrery_browser::{Page, VIEWPORTS};
use orrery_harness::process::until;
use serde::Deserialize;
use serde_json::{Value, json};

/// An election in the director's slow motion, and the catching up after it.
const SHOWN: Duration = Duration::from_secs(30);

/// One node as the stage shows it.
#[derive(Clone, Debug, Deserialize)]
pub struct NodeShown {
    pub name: String,
    pub role: String,
    pub status: String,
    pub term: Option<String>,
    pub deposed: bool,
}

impl NodeShown {
    pub fn leads(&self) -> bool {
        self.role == "leader" && self.status == "up" && !self.deposed
    }

    pub fn term(&self) -> u64 {
        self.term.as_ref().and_then(|term| term.parse().ok()).unwrap_or_default()
    }
}

/// All nodes on the stage.
pub async fn nodes(page: &Page) -> Result<Vec<NodeShown>> {
    let read = "return all('[data-testid^=node-][data-status]').map((g) => ({
        name: g.dataset.testid.slice(5), role: g.dataset.role, status: g.dataset.status,
        term: g.dataset.term ?? null, deposed: g.dataset.deposed === 'true' }));";
    page.js(read, Vec::new()).await
}

/// One node on the stage.
pub async fn node(page: &Page, name: &str) -> Result<NodeShown> {
    let found = nodes(page).await?.into_iter().find(|node| node.name == name);
    found.with_context(|| format!("{name} is not on the stage"))
}

/// Waits until the stage shows one leader of a term above `above`; it.
pub async fn leader(page: &Page, above: u64) -> Result<NodeShown> {
    until(&format!("a leader on the stage of a term above {above}"), SHOWN, async || {
        let shown = nodes(page).await?;
        let mut leading = shown.iter().filter(|node| node.leads() && node.term() > above);
        match (leading.next(), leading.next()) {
            (Some(one), None) => Ok(one.clone()),
            _ => bail!("{shown:?}"),
        }
    })
    .await
}

/// Waits until a node is shown with that status: `up`, `silent`, `paused`, `down`.
pub async fn status(page: &Page, name: &str, status: &str) -> Result<()> {
    until(&format!("{name} to be shown {status}"), SHOWN, async || {
        let shown = node(page, name).await?;
        if shown.status == status { Ok(()) } else { bail!("{shown:?}") }
    })
    .await
}

/// Chooses a node on the stage by clicking on it, and clicks on one of its buttons.
pub async fn operate(page: &Page, name: &str, action: &str) -> Result<()> {
    page.click(&format!("node-{name}")).await?;
    page.click(&format!("{action}-{name}")).await
}

/// Acts as one of the clients from now on.
pub async fn act_as(page: &Page, client: &str) -> Result<()> {
    page.click(&format!("as-{client}")).await?;
    let pressed = format!("$('as-{client}').getAttribute('aria-checked') === 'true'");
    page.until(&format!("the page to act as {client}"), &pressed).await
}

/// Clicks on an operation of the form for a resource: `acquire`, `queue`, `release`.
pub async fn ask(page: &Page, client: &str, operation: &str, resource: &str) -> Result<()> {
    act_as(page, client).await?;
    page.fill("resource", resource).await?;
    page.click(operation).await
}

/// Pictures at the four sizes, and the window as it was.
pub async fn pictures(page: &Page, name: &str) -> Result<()> {
    for viewport in VIEWPORTS {
        page.resize(viewport).await?;
        page.screenshot(&format!("{name}-{}", viewport.name)).await?;
    }
    page.resize(VIEWPORTS[0]).await
}

/// Leases that outlive the test, and the view in real time: for tests that are not about either.
pub async fn without_hurry(page: &Page) -> Result<()> {
    leader(page, 0).await?;
    let lease =
        "const s = $('lease'); s.value = '600'; s.dispatchEvent(new Event('change', { bubbles: true }));";
    page.js::<Value>(lease, Vec::new()).await?;
    real_time(page).await
}

/// The view at the speed of the world, and at the end of what happened.
pub async fn real_time(page: &Page) -> Result<()> {
    page.click("rate-real").await?;
    page.click("live").await?;
    live(page).await
}

/// Waits until the view shows what happens now.
pub async fn live(page: &Page) -> Result<()> {
    let limit = Duration::from_secs(40);
    page.until_within("the view to be live", "$('badge')?.dataset.live === 'true'", limit).await
}

/// The text of an element by its `data-testid`, or nothing.
pub async fn words(page: &Page, testid: &str) -> Result<String> {
    let read = "const e = $(arguments[0]); return e ? (e.innerText ?? e.textContent).trim() : '';";
    page.js(read, vec![json!(testid)]).await
}
