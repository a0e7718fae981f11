//! The ring by clicking: a node is added and removed, and what that moved is drawn; and the page's placement is the nodes'.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use orrery_api::ring::{RingAnswer, RingChange};
use orrery_browser::{Allowed, Failure, Page, VIEWPORTS, layout, scene};
use orrery_harness::demo::Demo;
use orrery_harness::process::until;
use serde::Deserialize;
use serde_json::json;
use url::Url;

use crate::dash::live;
use crate::queue::{FORMED, open, publish};

/// Shards move one by one.
const MOVED: Duration = Duration::from_secs(90);

/// Keys whose walks are compared.
const KEYS: u32 = 240;

/// What the stage or the panel says of a change.
#[derive(Debug, Deserialize, PartialEq)]
struct Told {
    state: String,
    moved: String,
    ideal: String,
    modulo: String,
}

async fn told(page: &Page, testid: &str) -> Result<Told> {
    let read = "const { state, moved, ideal, modulo } = $(arguments[0]).dataset; \
                return { state, moved, ideal, modulo };";
    page.js(read, vec![json!(testid)]).await
}

/// `GET /ring` of a node, with the walk of a key.
async fn ring(demo: &Demo, node: &str, key: Option<&str>) -> Result<RingAnswer> {
    let mut url = Url::parse(&demo.node_url(node)?)?.join("/ring")?;
    if let Some(key) = key {
        url.query_pairs_mut().append_pair("topic", "orders").append_pair("key", key);
    }
    demo.get(url.as_str()).await
}

/// Hash, shard and every step of many keys' walks, as the page's WebAssembly computes them from its own members, are
/// what a node answers.
async fn same_walks(page: &Page, demo: &Demo) -> Result<()> {
    let name = |n: u32| match n % 4 {
        0 => format!("k{n}"),
        1 => format!("pesanan #{n}"),
        2 => format!("ключ-{n}-é"),
        _ => "x".repeat(1 + n as usize / 2),
    };
    let keys: Vec<String> = (0..KEYS).map(name).collect();
    let read = "return arguments[0].map((key) => orreryWalk('orders', key));";
    let computed: Vec<String> = page.js(read, vec![json!(keys)]).await?;
    ensure!(computed.len() == keys.len(), "{} walks", computed.len());
    for (key, computed) in keys.iter().zip(computed) {
        let walk = ring(demo, "node1", Some(key)).await?.walk.context("no walk")?.walk;
        let words = walk.words();
        ensure!(!walk.steps.is_empty() && computed == words, "{key}: {computed}\nanswers: {words}");
    }
    Ok(())
}

/// Nothing overlaps while the change is on the stage: a stopped view keeps it there.
async fn looked_over(page: &Page, name: &str) -> Result<()> {
    let mut broken = Vec::new();
    for (theme, lang) in [("observatory", "en"), ("projector", "id")] {
        page.click(&format!("lang-{lang}")).await?;
        for viewport in VIEWPORTS {
            page.resize(viewport).await?;
            page.settle().await?;
            page.screenshot(&format!("{name}-{theme}-{}", viewport.name)).await?;
            let found = layout::findings(page, viewport).await?;
            broken.extend(found.into_iter().map(|finding| format!("{theme} {}: {finding}", viewport.name)));
        }
        page.resize(VIEWPORTS[0]).await?;
        page.click("theme").await?;
    }
    page.click("lang-en").await?;
    match broken.is_empty() {
        true => Ok(()),
        false => bail!("{} findings:\n{}", broken.len(), broken.join("\n")),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_added_and_gets_shards_and_is_removed_again() -> Result<(), Failure> {
    // a process that just started does not listen yet, and one that ended does not any more
    let allowed = Allowed { broken_links: true, ..Allowed::default() };
    scene("members", allowed, async |scene| {
        let (page, demo) = (&scene.page, &scene.demo);
        open(page).await?;
        publish(page, "before").await?;
        page.until("nothing to be said of a change", "$('no-change') && !$('ring-change')").await?;
        page.click("add-node").await?;
        page.until_within("the new node on the stage", "$('node-node6') !== null", FORMED).await?;
        let has = "all('[data-testid=ring-table] tbody tr').some((r) => r.textContent.includes('node6'))";
        page.until_within("a shard of the new node", has, FORMED).await?;
        page.until("the change to be told", "$('ring-change')?.dataset.state === 'moving'").await?;

        // several have moved: the view stands
        let some = "all('[data-testid^=ghost-][data-moved=true]').length >= 2";
        page.until_within("ghosts of what moved", some, MOVED).await?;
        page.screenshot("moving").await?;
        page.click("pause").await?;
        let stands = "$('pause').getAttribute('aria-pressed') === 'true'";
        page.until("the view to stand", stands).await?;
        let shown = told(page, "ring-change").await?;
        ensure!((shown.ideal.as_str(), shown.modulo.as_str()) == ("17", "83"), "{shown:?}");
        ensure!(shown == told(page, "last-change").await?, "{shown:?}");
        let text = "return $('ring-change').textContent;";
        let text: String = page.js(text, Vec::new()).await?;
        for part in [format!("{} %", shown.moved), "17 %".into(), "83 %".into(), "modulo hashing".into()] {
            ensure!(text.contains(&part), "no {part} in {text}");
        }
        looked_over(page, "adding").await?;

        // to the end of it
        page.click("live").await?;
        live(page).await?;
        page.until_within("the change to be over", "$('last-change')?.dataset.state === 'done'", MOVED)
            .await?;
        let done = told(page, "last-change").await?;
        let RingChange { complete, change } = until("a node to tell the change", MOVED, || async {
            let change = ring(demo, "node1", None).await?.change.context("it saw none")?;
            ensure!(change.complete, "{change:?}");
            Ok(change)
        })
        .await?;
        let percent = |share: f64| format!("{}", (share * 100.0).round());
        let expected = [change.replicas_share, change.ideal_share, change.modulo_share].map(percent);
        ensure!(
            complete && [&done.moved, &done.ideal, &done.modulo] == expected.each_ref(),
            "{done:?} {change:?}"
        );
        let moved = "return all('[data-testid^=ghost-][data-moved=true]').length;";
        let moved: u32 = page.js(moved, Vec::new()).await?;
        ensure!(moved == change.replicas_moved, "{moved} ghosts of {}", change.replicas_moved);
        page.screenshot("moved").await?;
        page.until(
            "the stage to be as usual",
            "!$('ring-change') && all('[data-testid^=ghost-]').length === 0",
        )
        .await?;
        ensure!(told(page, "last-change").await? == done, "the panel keeps the figures");
        same_walks(page, demo).await?;
        page.click("tab-feed").await?;
        page.until("the percentages", "document.body.textContent.includes('modulo')").await?;

        // whoever opens the page later is told the same, and the stage is as usual
        page.open(&demo.url()).await?;
        open(page).await?;
        page.until("the change to be told again", "$('last-change')?.dataset.state === 'done'").await?;
        ensure!(told(page, "last-change").await? == done, "{done:?} before");
        page.until("the stage to be as usual", "!$('ring-change')").await?;

        page.click("node-node6").await?;
        page.click("tab-inspect").await?;
        page.click("remove-node").await?;
        page.until_within("the node to be gone", "$('node-node6') === null", MOVED).await?;
        page.click("tab-queue").await?;
        page.until("no shard to be there", &format!("!{has}")).await?;
        page.screenshot("removed").await?;
        page.click("tab-feed").await?;
        let farewell = "document.body.textContent.includes('node6 left the cluster')";
        page.until("its end to be told as what it is", farewell).await?;
        ensure!(
            !page.js::<bool>("return document.body.textContent.includes('exited');", Vec::new()).await?,
            "a failure"
        );
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_placement_is_the_nodes() -> Result<(), Failure> {
    scene("walks", Allowed::default(), async |scene| {
        open(&scene.page).await?;
        same_walks(&scene.page, &scene.demo).await
    })
    .await
}
