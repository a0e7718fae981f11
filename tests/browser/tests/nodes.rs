//! Nodes by clicking: the leader is killed and another crowned, streams break and recover, the page outlives its
//! server.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use orrery_browser::{Allowed, Failure, scene};
use serde_json::{Value, json};

use crate::dash::{ask, leader, live, node, nodes, operate, pictures, status, without_hurry, words};

const OUTAGE: Allowed = Allowed { broken_links: true, statuses: &[] };

/// Notes the time of the next click on an element and when its node is first shown with another status.
const WATCH: &str = "
    const [button, node] = [$(arguments[0]), arguments[1]];
    window.watched = {};
    button.addEventListener('click', () => {
        const begun = performance.now();
        const look = () => {
            const now = $(`node-${node}`)?.dataset.status;
            if (now === arguments[2]) window.watched.ms = performance.now() - begun;
            else if (performance.now() - begun < 30000) requestAnimationFrame(look);
        };
        look();
    }, { capture: true, once: true });";

#[tokio::test(flavor = "multi_thread")]
async fn the_leader_is_killed_by_clicking_and_another_is_crowned() -> Result<(), Failure> {
    scene("leader", OUTAGE, async |scene| {
        let (page, demo) = (&scene.page, &scene.demo);
        without_hurry(page).await?;
        let old = leader(page, 0).await?;
        ask(page, "Ayu", "acquire", "printer").await?;
        page.until("a holder", "$('lane-printer')?.dataset.holders === 'Ayu'").await?;
        live(page).await?;

        page.click(&format!("node-{}", old.name)).await?;
        let button = format!("kill-{}", old.name);
        page.find(&button).await?;
        page.screenshot("chosen").await?;
        page.js::<Value>(WATCH, vec![json!(button), json!(old.name), json!("down")]).await?;
        page.click(&button).await?;
        page.until("the killed leader to be shown down", "window.watched.ms !== undefined").await?;
        let seen_ms: f64 = page.js("return window.watched.ms;", Vec::new()).await?;
        println!("the killed leader was shown down after {seen_ms:.0} ms");
        page.screenshot("killed").await?;

        let new = leader(page, old.term()).await?;
        page.screenshot("crowned").await?;
        ensure!(new.name != old.name, "{} is crowned although it was killed", new.name);
        let truth = demo.wait_leader().await?;
        ensure!(
            (truth.node_id.as_str(), truth.term) == (new.name.as_str(), new.term()),
            "{new:?}, but {truth:?}"
        );
        let crowns: u32 = page.js("return all('.crowned:not(.deposed)').length;", Vec::new()).await?;
        ensure!(crowns == 1, "{crowns} crowns");
        page.until(
            "the header to name it",
            &format!("$('pill-leader').textContent.includes('{}')", new.name),
        )
        .await?;
        live(page).await?;
        ensure!(
            words(page, "pill-up").await?.contains('4'),
            "the header says {}",
            words(page, "pill-up").await?
        );
        ensure!(
            page.js::<bool>("return $('lane-printer').dataset.holders === 'Ayu';", Vec::new()).await?,
            "the lock is gone"
        );
        ensure!(seen_ms < 1_000.0, "the killed leader was shown down only after {seen_ms:.0} ms");
        pictures(page, "after").await?;

        operate(page, &old.name, "start").await?;
        status(page, &old.name, "up").await?;
        let again = node(page, &old.name).await?;
        ensure!(
            !again.leads() || again.term() > new.term(),
            "an old leader came back with its old crown: {again:?}"
        );
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_stream_shows_its_gap_and_recovers() -> Result<(), Failure> {
    scene("gap", OUTAGE, async |scene| {
        let (page, demo) = (&scene.page, &scene.demo);
        without_hurry(page).await?;
        let leading = leader(page, 0).await?;
        let other =
            nodes(page).await?.into_iter().find(|node| node.name != leading.name).context("one node only")?;
        let name = other.name.as_str();

        // its process stands still: the stream is open and silent
        operate(page, name, "pause").await?;
        status(page, name, "paused").await?;
        page.until("the fault to be listed", &format!("$('faults').textContent.includes('{name}')")).await?;
        page.screenshot("paused").await?;
        operate(page, name, "resume").await?;
        status(page, name, "up").await?;

        // its process is gone: the stream is broken. It was not the page that ended it.
        demo.act(name, "kill").await?;
        status(page, name, "down").await?;
        page.screenshot("down").await?;
        // what happens meanwhile is told by the others
        for number in 0..5 {
            let client = format!("meanwhile-{number}");
            let body = json!({ "resource": client, "client": client, "wait_ms": 2000 });
            let (status, answer) = demo.post(&leading.name, "/lock/acquire", &body).await?;
            ensure!(status == 200, "{status} {answer}");
        }
        demo.act(name, "start").await?;
        status(page, name, "up").await?;
        live(page).await?;
        let log = format!("$('node-{name}')?.dataset.term === $('node-{}')?.dataset.term", leading.name);
        page.until("the node that came back to be in the present term", &log).await?;
        // the page knows about the node what the node says of itself
        let truth = demo.status(name).await?;
        let shown = node(page, name).await?;
        ensure!(shown.term() == truth.term && shown.role == "follower", "{shown:?}, but {truth:?}");
        page.screenshot("recovered").await.map(drop)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_works_on_when_the_node_that_served_it_dies() -> Result<(), Failure> {
    // a page asks who served it for the processes: a node has none and says 404
    let allowed = Allowed { statuses: &[404], ..OUTAGE };
    scene("orphan", allowed, async |scene| {
        let (page, demo) = (&scene.page, &scene.demo);
        let leading = demo.wait_leader().await?;
        let server =
            demo.names().into_iter().find(|name| *name != leading.node_id).context("one node only")?;
        page.open(&demo.node_url(&server)?).await?;
        without_hurry(page).await?;
        page.find("served-by-node").await?;

        demo.act(&server, "kill").await?;
        page.until_within(
            "its own server to be shown unreachable",
            &format!("['down', 'silent'].includes($('node-{server}')?.dataset.status)"),
            Duration::from_secs(20),
        )
        .await?;
        leader(page, 0).await?;
        ask(page, "Citra", "acquire", "exam-room").await?;
        page.until(
            "the lock to be granted by the others",
            "$('lane-exam-room')?.dataset.holders === 'Citra'",
        )
        .await?;
        page.screenshot("orphan").await?;
        Ok(())
    })
    .await
}
