//! The page tells the truth: a slow reader misses nothing, who left is gone, what is done happens now.

use std::time::Duration;

use anyhow::{Result, ensure};
use orrery_browser::{Allowed, Failure, Page, scene};
use orrery_event::stream::ProcessStatus;
use orrery_harness::demo::Demo;
use orrery_harness::process::until;
use serde_json::{Value, json};

use crate::dash::{ask, leader, live, operate, real_time, status, without_hurry, words};
use crate::queue::{FORMED, open};

const OUTAGE: Allowed = Allowed { broken_links: true, statuses: &[] };

/// A ring change of a demo.
const MOVED: Duration = Duration::from_secs(120);

/// Publishes again and again, and stands still for 0.9 s nine times, as a slow laptop does.
const STALLS: &str = "
    const [base, done] = [arguments[0], arguments[arguments.length - 1]];
    let [sent, stalls] = [0, 0];
    const publish = async () => {
        for (let n = 0; stalls < 9; n++) {
            const body = JSON.stringify({ topic: 'orders', message: n });
            const headers = { 'content-type': 'application/json', 'idempotency-key': `stall-${Math.random()}` };
            const answer = await fetch(`${base}/queue/publish`, { method: 'POST', headers, body });
            sent += answer.ok ? 1 : 0;
        }
    };
    const stall = () => {
        for (const begun = performance.now(); performance.now() - begun < 900;);
        stalls += 1;
        if (stalls < 9) setTimeout(stall, 60);
    };
    setTimeout(stall, 100);
    Promise.all([1, 2, 3, 4].map(publish)).then(() => done(sent));";

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_stands_still_again_and_again_misses_nothing() -> Result<(), Failure> {
    scene("stalls", Allowed::default(), async |scene| {
        let (page, demo) = (&scene.page, &scene.demo);
        open(page).await?;
        let base = demo.node_url("node1")?;
        let sent: u64 = page.js_later(STALLS, vec![json!(base)]).await?;
        ensure!(sent > 0, "nothing was published");
        live(page).await?;
        page.until("every message", &format!("$('topic-orders')?.dataset.ready === '{sent}'")).await?;
        println!("{sent} published while the page stood nine times");
        ensure!(!words(page, "faults").await?.contains('≈'), "{}", words(page, "faults").await?);
        ensure!(words(page, "differed").await?.is_empty(), "{}", words(page, "differed").await?);
        let led = "all('[data-testid^=shard-][data-state=led]').length === 8";
        page.until("every shard to be led", led).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_came_and_went_is_not_counted_again_when_another_starts() -> Result<(), Failure> {
    scene("ghost", OUTAGE, async |scene| {
        let (page, demo) = (&scene.page, &scene.demo);
        open(page).await?;
        page.click("add-node").await?;
        page.until_within("the new node on the stage", "$('node-node6') !== null", FORMED).await?;
        let member =
            "$('node-node6')?.dataset.status === 'up' && $('node-node6')?.dataset.role === 'follower'";
        page.until_within("it to be a voter", member, MOVED).await?;
        page.click("node-node6").await?;
        page.click("tab-inspect").await?;
        page.click("remove-node").await?;
        page.until_within("the node to be gone", "$('node-node6') === null", MOVED).await?;
        page.until("the inspector to say so", "$('has-left') !== null").await?;

        page.open(&demo.url()).await?;
        real_time(page).await?;
        let other = leader(page, 0).await?;
        let name = demo.names().into_iter().find(|name| *name != other.name).unwrap_or_default();
        operate(page, &name, "kill").await?;
        status(page, &name, "down").await?;
        operate(page, &name, "start").await?;
        status(page, &name, "up").await?;
        page.until("five of five", "/^5\\s+of 5/.test($('pill-up').innerText)").await?;
        // It has read its log by now: it leads or follows in the newest term.
        let caught_up = format!("$('node-{name}')?.dataset.term === $('node-{}')?.dataset.term", other.name);
        page.until("it to have caught up", &caught_up).await?;
        ensure!(page.js::<bool>("return $('node-node6') === null;", Vec::new()).await?, "a ghost");
        ensure!(words(page, "pill-up").await?.contains("of 5"), "{}", words(page, "pill-up").await?);
        page.click("tab-feed").await?;
        let ghost = "return document.body.textContent.includes('and node6');";
        ensure!(!page.js::<bool>(ghost, Vec::new()).await?, "history was told as news");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_while_the_past_is_shown_happens_now_and_the_page_says_so() -> Result<(), Failure> {
    scene("past", OUTAGE, async |scene| {
        let (page, demo) = (&scene.page, &scene.demo);
        without_hurry(page).await?;
        let old = leader(page, 0).await?;
        page.click("pause").await?;
        page.until("the past to be told", "/what you do happens now/.test($('past')?.textContent)").await?;
        page.until("the stage to be tinted", "document.querySelector('.stage.past') !== null").await?;
        page.screenshot("past").await?;
        page.click("lang-id").await?;
        page.until("the same in Indonesian", "/terjadi sekarang/.test($('past')?.textContent)").await?;
        page.click("lang-en").await?;

        // Another leads meanwhile; the view still shows the old one.
        let next = demo.names().into_iter().find(|name| *name != old.name).unwrap_or_default();
        let (ok, answer) = demo.post(&next, "/cluster/leader", &json!({ "node": next })).await?;
        ensure!(ok < 300, "{ok} {answer}");
        until("another leader", Duration::from_secs(30), async || {
            let now = demo.wait_leader().await?;
            ensure!(now.node_id.as_str() != old.name, "{now:?}");
            Ok(())
        })
        .await?;
        let now = demo.wait_leader().await?.node_id.to_string();
        ensure!(crate::dash::node(page, &old.name).await?.leads(), "the view went on");
        page.click("scenario-leader-crash").await?;
        until("the leader of now to be killed", Duration::from_secs(30), async || {
            ensure!(is_down(demo, &now).await?, "{now} runs");
            Ok(())
        })
        .await?;
        ensure!(!is_down(demo, &old.name).await?, "the leader that is shown was killed");
        page.click("live").await?;
        live(page).await?;
        page.until("the past to be over", "$('past') === null").await?;
        page.click("scenario-restore").await?;
        status(page, &now, "up").await?;
        page.until("the scenario to be over", "!document.querySelector('.scenario.on')").await?;
        page.click("scenario-restore").await?;
        page.until("nothing to do", "/nothing to restore/.test($('notice')?.textContent)").await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn links_that_were_made_slow_or_lossy_are_named_until_they_are_whole() -> Result<(), Failure> {
    scene("impaired", OUTAGE, async |scene| {
        let (page, demo) = (&scene.page, &scene.demo);
        let slow = json!({ "from": "node1", "to": "node2", "delay_ms": 15 });
        let lossy = json!({ "from": "node2", "to": "node1", "delay_ms": 5, "loss_percent": 10 });
        let (ok, answer) = demo.post("node3", "/faults", &json!({ "faults": [slow, lossy] })).await?;
        ensure!(ok == 200, "{ok} {answer}");
        let named = |words: &str| format!("$('faults').textContent.includes('{words}')");
        let (first, second) = (named("node1 → node2 +15 ms"), named("node2 → node1 +5 ms, loses 10 %"));
        page.until("both to be named", &format!("{first} && {second}")).await?;
        page.until("both to be drawn", "all('.chord.impaired').length === 2").await?;
        page.screenshot("impaired").await?;
        // Also by a page that came later.
        page.open(&demo.url()).await?;
        page.until("both to be named again", &format!("{first} && {second}")).await?;
        page.click("scenario-restore").await?;
        page.until("no fault", "$('faults').textContent === 'none'").await?;
        page.until("no link that suffers", "all('.chord.impaired').length === 0").await
    })
    .await
}

async fn is_down(demo: &Demo, name: &str) -> Result<bool> {
    let nodes = demo.processes().await?;
    Ok(nodes.iter().any(|node| node.node == name && node.status == ProcessStatus::Down))
}

async fn focused(page: &Page) -> Result<String> {
    page.js("return document.activeElement?.dataset?.testid ?? '';", Vec::new()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_ask_twice_before_they_do_harm_and_space_presses_nothing_again() -> Result<(), Failure> {
    scene("arming", OUTAGE, async |scene| {
        let (page, demo) = (&scene.page, &scene.demo);
        without_hurry(page).await?;
        let old = leader(page, 0).await?;
        page.js::<Value>("document.activeElement?.blur();", Vec::new()).await?;
        page.keys("a").await?;
        page.until("what would happen", "/Leader crash/.test($('armed')?.textContent)").await?;
        page.screenshot("armed").await?;
        page.keys("\u{e00c}").await?; // Escape
        page.until("nothing to be armed", "$('armed') === null").await?;
        page.keys("ad").await?;
        page.until("the other key to be armed", "/Partition/.test($('armed')?.textContent)").await?;
        page.until_within("it to be forgotten", "$('armed') === null", Duration::from_secs(15)).await?;
        let nodes = demo.processes().await?;
        ensure!(nodes.iter().all(|node| node.status == ProcessStatus::Running), "{nodes:?}");

        // A click on a button, then Space: the view pauses, and the button is not pressed again.
        ask(page, "Ayu", "acquire", "printer").await?;
        page.until("a holder", "$('lane-printer')?.dataset.holders === 'Ayu'").await?;
        page.until("an answer", "all('[data-testid=result]').length > 0").await?;
        let answers = "return all('[data-testid=result]').length;";
        let before: u32 = page.js(answers, Vec::new()).await?;
        page.keys(" ").await?;
        page.until("a pause", "$('pause').getAttribute('aria-pressed') === 'true'").await?;
        ensure!(page.js::<u32>(answers, Vec::new()).await? == before, "it was asked again");
        page.keys(" ").await?;
        page.until("to go on", "$('pause').getAttribute('aria-pressed') === 'false'").await?;

        // Arrows belong to the tabs while the focus is there.
        page.js::<Value>("$('tab-locks').focus();", Vec::new()).await?;
        page.keys("\u{e014}").await?; // right
        page.until("the next tab", "$('tab-queue').getAttribute('aria-selected') === 'true'").await?;
        ensure!(focused(page).await? == "tab-queue", "{}", focused(page).await?);
        page.keys("\u{e012}").await?; // left
        page.until("the tab before", "$('tab-locks').getAttribute('aria-selected') === 'true'").await?;
        ensure!(
            page.js::<bool>("return $('pause').getAttribute('aria-pressed') === 'false';", Vec::new())
                .await?,
            "the view stepped"
        );

        page.js::<Value>("document.activeElement?.blur();", Vec::new()).await?;
        page.keys("aa").await?;
        status(page, &old.name, "down").await?;
        leader(page, old.term()).await?;
        Ok(())
    })
    .await
}
