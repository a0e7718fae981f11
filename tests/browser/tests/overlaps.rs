//! What moves and what comes for a moment covers nothing that is written, at every size.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use orrery_browser::{Allowed, Failure, Page, VIEWPORTS, layout, scene};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::dash::{act_as, ask, pictures, without_hurry};
use crate::queue::open;

/// A node is added and shards move.
const MOVED: Duration = Duration::from_secs(120);

/// What overlaps with an element now, at every size. Whatever else is on the stage is another test's.
async fn overlaps(page: &Page, of: &str, when: &str, broken: &mut Vec<String>) -> Result<()> {
    for viewport in VIEWPORTS {
        page.resize(viewport).await?;
        let found = layout::findings(page, viewport).await?;
        let found = found
            .into_iter()
            .filter(|finding| finding.kind == "overlap" && finding.what.contains(&format!("[{of}]")));
        broken.extend(found.map(|finding| format!("{when} at {}: {finding}", viewport.name)));
    }
    page.resize(VIEWPORTS[0]).await
}

fn none(mut broken: Vec<String>) -> Result<()> {
    broken.sort();
    broken.dedup();
    if broken.is_empty() { Ok(()) } else { bail!("{} findings:\n{}", broken.len(), broken.join("\n")) }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_words_of_a_request_stand_under_no_node() -> Result<(), Failure> {
    scene("requests", Allowed { broken_links: false, statuses: &[408] }, async |scene| {
        let (page, demo) = (&scene.page, &scene.demo);
        without_hurry(page).await?;
        ask(page, "Ayu", "acquire", "printer").await?;
        page.until("a holder", "$('lane-printer')?.dataset.holders === 'Ayu'").await?;
        act_as(page, "Budi").await?;
        page.fill("resource", "printer").await?;
        let mut broken = Vec::new();
        for node in demo.names() {
            let choose = "const s = $('ask-node'); s.value = arguments[0]; \
                          s.dispatchEvent(new Event('change', { bubbles: true }));";
            page.js::<Value>(choose, vec![json!(node)]).await?;
            page.click("acquire").await?;
            page.until("the request on the stage", "$('request') !== null").await?;
            overlaps(page, "request", &format!("Budi asks {node}"), &mut broken).await?;
            page.screenshot(&format!("request-{node}")).await?;
            page.until("the wait to be over", "$('request') === null").await?;
        }
        none(broken)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_value_at_the_home_stands_beside_its_crown() -> Result<(), Failure> {
    scene("home-value", Allowed::default(), async |scene| {
        let page = &scene.page;
        open(page).await?;
        page.click("tab-cache").await?;
        let mut broken = Vec::new();
        let mut homes = Vec::new();
        for number in 1..=6 {
            let address = format!("seat-{number}");
            page.fill("address", &address).await?;
            page.fill("value", "\"taken by Ayu\"").await?;
            page.click("write").await?;
            let home = format!("$('line-{address}')?.dataset.home");
            page.until("the line", &format!("Boolean({home})")).await?;
            let home: String = page.js(&format!("return {home};"), Vec::new()).await?;
            page.until("its value", "/taken/.test(all('.home-value .value')[0]?.textContent)").await?;
            if !homes.contains(&home) {
                overlaps(page, "stage-line", &format!("{address} at {home}"), &mut broken).await?;
                homes.push(home);
            }
        }
        println!("homes: {homes:?}");
        pictures(page, "value").await?;
        none(broken)
    })
    .await
}

/// What was seen on the canvas over a while.
#[derive(Debug, Deserialize)]
struct Seen {
    /// Most that was drawn of messages over the words in the middle.
    over: u32,
    /// Most that was drawn anywhere.
    all: u32,
    frames: u32,
}

/// Counts painted pixels of the canvas under what is written in the middle, for a while.
const WATCH: &str = "
    const [selector, done] = arguments;
    const canvas = $('moving');
    const pen = canvas.getContext('2d');
    const seen = { over: 0, all: 0, frames: 0 };
    const end = performance.now() + 2500;
    const painted = (x, y, w, h) => {
        const { data } = pen.getImageData(x, y, Math.max(1, w), Math.max(1, h));
        let count = 0;
        for (let i = 3; i < data.length; i += 4) count += data[i] > 8 ? 1 : 0;
        return count;
    };
    const look = () => {
        const outer = canvas.getBoundingClientRect();
        const scale = canvas.width / outer.width;
        let over = 0;
        for (const element of all(selector)) {
            const r = element.getBoundingClientRect();
            over += painted((r.left - outer.left) * scale, (r.top - outer.top) * scale, r.width * scale, r.height * scale);
        }
        seen.over = Math.max(seen.over, over);
        seen.all = Math.max(seen.all, painted(0, 0, canvas.width, canvas.height));
        seen.frames += 1;
        if (performance.now() < end) requestAnimationFrame(look); else done(seen);
    };
    requestAnimationFrame(look);";

#[tokio::test(flavor = "multi_thread")]
async fn no_message_crosses_what_is_written_in_the_middle() -> Result<(), Failure> {
    scene("middle", Allowed::default(), async |scene| {
        let page = &scene.page;
        open(page).await?;
        let mut broken = Vec::new();
        watch(page, ".centre .big, .centre .small", "at rest", &mut broken).await?;
        page.click("add-node").await?;
        page.until_within("the change to be told", "$('ring-change') !== null", MOVED).await?;
        watch(page, ".ring-change .measure", "while shards move", &mut broken).await?;
        overlaps(page, "ring-change", "while shards move", &mut broken).await?;
        pictures(page, "change").await?;
        none(broken)
    })
    .await
}

async fn watch(page: &Page, selector: &str, when: &str, broken: &mut Vec<String>) -> Result<()> {
    for viewport in VIEWPORTS {
        page.resize(viewport).await?;
        let seen: Seen = page.js_later(WATCH, vec![json!(selector)]).await?;
        println!("{when} at {}: {seen:?}", viewport.name);
        ensure!(seen.all > 0 && seen.frames > 2, "nothing moved {when} at {}: {seen:?}", viewport.name);
        if seen.over > 0 {
            broken.push(format!("{when} at {}: {seen:?}", viewport.name));
        }
    }
    page.resize(VIEWPORTS[0]).await
}
