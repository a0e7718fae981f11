//! Everything on the page has a name, whatever is open on it.

use anyhow::{Result, bail};
use orrery_browser::{Allowed, Failure, Page, VIEWPORTS, names, scene};
use orrery_harness::process::until;
use serde_json::Value;

use crate::dash::{leader, live, operate, status};
use crate::looks::{choose, fill, tabs};

/// The findings of a situation; what only passes by is looked at again.
async fn look(page: &Page, situation: &str, broken: &mut Vec<String>) -> Result<()> {
    page.settle().await?;
    broken.extend(names::findings(page).await?.iter().map(|finding| format!("{situation}: {finding}")));
    Ok(())
}

/// What opens over the page, and how it is closed.
const OPENED: [(&str, &str, &str); 3] = [
    ("legend", "$('legend-button').click();", "$('legend-close')?.click();"),
    (
        "popover",
        "$('node-node2').dispatchEvent(new MouseEvent('click', { bubbles: true }));",
        "document.querySelector('.scene').click();",
    ),
    ("new client", "$('add-client').click();", ""),
];

#[tokio::test(flavor = "multi_thread")]
async fn everything_has_a_name_that_says_what_is_written_on_it() -> Result<(), Failure> {
    scene("names", Allowed { broken_links: true, statuses: &[] }, async |scene| {
        let page = &scene.page;
        fill(page).await?;
        live(page).await?;
        let mut broken = Vec::new();
        let tabs = tabs(page).await?;
        for language in ["en", "id"] {
            let wanted = format!("document.documentElement.lang === '{language}'");
            choose(page, &format!("lang-{language}"), &wanted).await?;
            for viewport in [VIEWPORTS[0], VIEWPORTS[2]] {
                page.resize(viewport).await?;
                for tab in &tabs {
                    page.click(&format!("tab-{tab}")).await?;
                    look(page, &format!("{language} {} {tab}", viewport.name), &mut broken).await?;
                }
                page.click("tab-locks").await?;
                for (what, open, close) in OPENED {
                    page.js::<Value>(open, Vec::new()).await?;
                    look(page, &format!("{language} {} {what}", viewport.name), &mut broken).await?;
                    page.js::<Value>(close, Vec::new()).await?;
                }
            }
            page.resize(VIEWPORTS[0]).await?;
        }
        // A node that is down, one that was never there, what is refused.
        let name = leader(page, 0).await?.name;
        operate(page, &name, "kill").await?;
        status(page, &name, "down").await?;
        page.click("tab-inspect").await?;
        look(page, "a node is down", &mut broken).await?;
        broken.sort();
        broken.dedup();
        if !broken.is_empty() {
            bail!("{} findings:\n{}", broken.len(), broken.join("\n"));
        }
        // The check looks at this page, too: an element without a name is found.
        page.js::<Value>(
            "document.querySelector('.page').append(document.createElement('select'));",
            Vec::new(),
        )
        .await?;
        until("the planted select to be found", std::time::Duration::from_secs(5), async || {
            let found = names::findings(page).await?;
            if found.iter().any(|finding| finding.kind == "nameless") { Ok(()) } else { bail!("{found:?}") }
        })
        .await
    })
    .await
}
