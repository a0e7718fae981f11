//! A network that is broken in parts, as the page plays it.

use std::time::Duration;

use anyhow::ensure;
use orrery_browser::{Allowed, Failure, scene, scene_on};
use orrery_harness::demo::DemoOptions;
use orrery_harness::process::until;
use serde_json::{Value, json};

use crate::dash::{leader, nodes, pictures, without_hurry, words};

/// The election, the lock, and what is shown of it before the links are healed.
const PLAYED: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn who_reaches_a_majority_of_a_broken_network_leads_and_grants_a_lock() -> Result<(), Failure> {
    scene("partial", Allowed { broken_links: true, statuses: &[] }, async |scene| {
        let (page, demo) = (&scene.page, &scene.demo);
        without_hurry(page).await?;
        let old = leader(page, 0).await?;
        page.click("scenario-partial-network").await?;
        // One set for all links: the leader keeps one neighbour, the last node none.
        until("every cut at once", PLAYED, async || {
            let faults: Value = demo.get(&format!("{}/faults", demo.url().trim_end_matches('/'))).await?;
            let cut = faults.to_string().matches("\"cut\"").count();
            ensure!(cut > 0, "{faults}");
            Ok(())
        })
        .await?;
        let held = "$('lane-bridge')?.dataset.holders";
        page.until_within("the lock to be granted", &format!("Boolean({held})"), PLAYED).await?;
        let next = leader(page, old.term()).await?;
        ensure!(next.name != old.name, "{} still leads", old.name);
        let cut = "all('.chord.cut').length";
        ensure!(page.js::<u32>(&format!("return {cut};"), Vec::new()).await? > 0, "it was healed before");
        // The one that is cut off does not grant anything meanwhile.
        let ask = json!({ "resource": "cut-off", "client": "Dewi" });
        let (status, answer) = demo.post(&old.name, "/lock/acquire", &ask).await?;
        println!("the old leader answers {status}: {answer}");
        page.screenshot("cut").await?;
        page.until_within("the links to be healed", &format!("{cut} === 0"), PLAYED).await?;
        page.until_within("it to be over", "!document.querySelector('.scenario.on')", PLAYED).await?;
        ensure!(words(page, "notice").await?.is_empty(), "{}", words(page, "notice").await?);
        page.click("lang-id").await?;
        let named = "/Jaringan sebagian/.test($('scenario-partial-network')?.textContent)";
        page.until("its name in Indonesian", named).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn of_three_the_leader_and_the_bridge_are_a_majority_and_the_third_is_served_through_it()
-> Result<(), Failure> {
    let options = DemoOptions { nodes: 3, ..DemoOptions::default() };
    scene_on("partial-three", options, Allowed { broken_links: true, statuses: &[] }, async |scene| {
        let (page, demo) = (&scene.page, &scene.demo);
        without_hurry(page).await?;
        let old = leader(page, 0).await?;
        page.click("scenario-partial-network").await?;
        let cut = "all('.chord.cut').length";
        page.until_within("the one link to be cut", &format!("{cut} > 0"), PLAYED).await?;
        let held = "$('lane-bridge')?.dataset.holders";
        page.until_within("the lock to be granted", &format!("Boolean({held})"), PLAYED).await?;
        // Nobody else may lead: the leader has its majority, and the third hears of it through nobody.
        let now = leader(page, 0).await?;
        ensure!(now.name == old.name, "{} leads instead of {}", now.name, old.name);
        ensure!(page.js::<u32>(&format!("return {cut};"), Vec::new()).await? > 0, "it was healed before");
        let shown = nodes(page).await?;
        ensure!(shown.len() == 3 && shown.iter().all(|node| node.status == "up"), "{shown:?}");
        ensure!(words(page, "pill-up").await?.contains("of 3"), "{}", words(page, "pill-up").await?);
        pictures(page, "cut").await?;
        page.until_within("the link to be healed", &format!("{cut} === 0"), PLAYED).await?;
        page.until_within("it to be over", "!document.querySelector('.scenario.on')", PLAYED).await?;
        ensure!(words(page, "notice").await?.is_empty(), "{}", words(page, "notice").await?);
        let truth = demo.wait_leader().await?;
        ensure!(truth.node_id.as_str() == old.name, "{truth:?}");
        Ok(())
    })
    .await
}
