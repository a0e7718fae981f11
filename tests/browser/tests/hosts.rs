//! A cluster on several hosts, each with an address of its own: the page goes where the members say that they are, and
//! tells a node that it cannot reach from one that is dead.
#![cfg(target_os = "linux")] // every address of 127.0.0.0/8 is there without being set up

use std::time::Duration;

use anyhow::{Result, ensure};
use orrery_browser::{Failure, Page, screenshots};
use orrery_harness::cluster::Cluster;
use serde_json::json;

use crate::dash::{node, words};

/// Streams are tried again, and the page waits before it says that one does not come.
const SAID: Duration = Duration::from_secs(40);

/// The page can open no stream to an address, as if its host were behind a wall. Everybody else can.
const WALL: &str = "
    const walled = WALLED;
    const Open = window.WebSocket;
    window.asked = [];
    window.WebSocket = class extends Open {
        constructor(url, ...rest) {
            const { host, hostname } = new URL(url);
            window.asked.push(host);
            super(walled.includes(hostname) ? `ws://${hostname}:9/` : url, ...rest);
        }
    };";

/// A browser that has the page of one node open.
async fn open(name: &str, cluster: &Cluster, at: usize, walled: &[&str]) -> Result<Page> {
    let page = Page::start(name, &screenshots()?.join(name)).await?;
    let source = WALL.replace("WALLED", &json!(walled).to_string());
    page.devtools("Page.addScriptToEvaluateOnNewDocument", json!({ "source": source })).await?;
    page.open(&format!("http://{}/", cluster.address(at))).await?;
    // Who leads may be out of its reach.
    page.until("all of them on the stage", "all('[data-testid^=node-][data-status]').length === 5").await?;
    Ok(page)
}

#[tokio::test(flavor = "multi_thread")]
async fn members_on_five_hosts_are_found_where_they_say() -> Result<(), Failure> {
    Ok(look_at_five_hosts().await?)
}

async fn look_at_five_hosts() -> Result<()> {
    let mut cluster = Cluster::start_on_hosts("five-hosts", 5).await?;
    let hosts: std::collections::BTreeSet<String> = cluster
        .addresses()
        .iter()
        .filter_map(|address| Some(address.rsplit_once(':')?.0.to_owned()))
        .collect();
    ensure!(hosts.len() == 5 && !hosts.contains("127.0.0.1"), "{hosts:?}");
    // Whichever of them the page comes from.
    for at in [0, 3] {
        let page = open("five-hosts", &cluster, at, &[]).await?;
        page.until_within("five of five", "/^5\\s+of 5/.test($('pill-up').innerText)", SAID).await?;
        for other in 0..5 {
            let shown = format!("$('node-{}')?.dataset.status === 'up'", cluster.name(other));
            page.until(&format!("{} to be up", cluster.name(other)), &shown).await?;
        }
        let mut asked: Vec<String> = page.js("return [...new Set(window.asked)];", Vec::new()).await?;
        asked.sort();
        let mut members = cluster.addresses();
        members.sort();
        ensure!(asked == members, "streams were opened to {asked:?}, the members are at {members:?}");
        ensure!(words(&page, "banner").await?.is_empty(), "{}", words(&page, "banner").await?);
        page.screenshot(&format!("from-node{}", at + 1)).await?;
        // Nobody looks after its process: the others tell that it is gone, also when it had come back before.
        for _ in 0..2 {
            cluster.kill(1)?;
            page.until_within("one fewer", "/^4\\s+of 5/.test($('pill-up').innerText)", SAID).await?;
            cluster.start_node(1)?;
            page.until_within("all again", "/^5\\s+of 5/.test($('pill-up').innerText)", SAID).await?;
        }
        page.quit().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_be_reached_from_here_is_not_called_dead() -> Result<(), Failure> {
    Ok(look_over_a_wall().await?)
}

async fn look_over_a_wall() -> Result<()> {
    let mut cluster = Cluster::start_on_hosts("walled", 5).await?;
    let host =
        |at: usize| cluster.address(at).rsplit_once(':').map(|(host, _)| host.to_owned()).unwrap_or_default();
    let (first, second) = (host(2), host(4));
    let page = open("walled", &cluster, 0, &[&first, &second]).await?;
    let banner = |words: &str| format!("/{words}/.test($('banner')?.textContent)");
    let both = banner("cannot reach the events of node3, node5; the other nodes hear from them");
    page.until_within("both to be named", &both, SAID).await?;
    page.until("nobody to be called dead", "/^5\\s+of 5/.test($('pill-up').innerText)").await?;
    for name in ["node3", "node5"] {
        let shown = node(&page, name).await?;
        ensure!(shown.status != "down", "{shown:?}");
    }
    ensure!(!words(&page, "banner").await?.contains("quorum"), "{}", words(&page, "banner").await?);
    // What they lead is led: those that are heard say so.
    page.until("no shard to lack a leader", "!/no leader/.test($('stage').textContent)").await?;
    page.screenshot("walled").await?;
    page.click("lang-id").await?;
    let indonesian = banner("tidak dapat menjangkau peristiwa node3, node5; node lain mendengarnya");
    page.until("the same in Indonesian", &indonesian).await?;
    page.click("lang-en").await?;

    // One of them dies: the others lost it, and only the other one is out of reach.
    cluster.kill(2)?;
    page.until_within("one fewer", "/^4\\s+of 5/.test($('pill-up').innerText)", SAID).await?;
    page.until_within(
        "only the other one to be named",
        &banner("events of node5; the other nodes hear from it"),
        SAID,
    )
    .await?;
    page.screenshot("one-dead").await?;
    page.quit().await
}
