//! A network that is broken in parts, as the page plays it.

use std::time::Duration;

use anyhow::ensure;
use orrery_tests::browser::{Allowed, Failure, scene};
use orrery_tests::process::until;
use serde_json::{Value, json};

use crate::dash::{leader, without_hurry, words};

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
