//! The view clock: pause, step back and forward, live again; by mouse and by keys.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use orrery_browser::{Allowed, Failure, scene};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::dash::{ask, leader, live, operate, pictures, status, without_hurry, words};

/// What the view shows of the cluster, as one text.
const PICTURE: &str = "return [$('term')?.textContent, $('pill-committed')?.textContent, \
    all('[data-testid^=lane-]').map((l) => l.dataset.holders + '/' + l.dataset.waiters).join(';'), \
    $('caption')?.querySelector('p,small')?.parentElement.innerText].join('|');";

#[tokio::test(flavor = "multi_thread")]
async fn the_view_is_paused_stepped_back_and_brought_to_live() -> Result<(), Failure> {
    scene("time", Allowed::default(), async |scene| {
        let (page, demo) = (&scene.page, &scene.demo);
        without_hurry(page).await?;
        ask(page, "Ayu", "acquire", "printer").await?;
        page.until("a holder", "$('lane-printer')?.dataset.holders === 'Ayu'").await?;
        live(page).await?;

        page.click("pause").await?;
        page.until("the clock to stand", "$('pause').getAttribute('aria-pressed') === 'true'").await?;
        page.settle().await?;
        let frozen: String = page.js(PICTURE, Vec::new()).await?;
        // the cluster goes on, and the view does not
        for client in ["Budi", "Citra"] {
            let body = json!({ "resource": format!("room-{client}"), "client": client, "wait_ms": 2000 });
            let (status, answer) = demo.post("node1", "/lock/acquire", &body).await?;
            ensure!(status == 200, "{status} {answer}");
        }
        page.until("the badge to say that the view is behind", "$('badge').dataset.live === 'false'").await?;
        page.until("by how much", "/[1-9]/.test($('badge').textContent)").await?;
        let later: String = page.js(PICTURE, Vec::new()).await?;
        ensure!(later == frozen, "the paused view went on:\n{frozen}\n{later}");
        page.screenshot("paused").await?;

        // back until the lock was not yet granted: facts are small, so it takes several
        let mut steps = 0;
        while page.js::<bool>("return $('lane-printer').dataset.holders === 'Ayu';", Vec::new()).await? {
            page.click("step-back").await?;
            page.settle().await?;
            steps += 1;
            ensure!(steps <= 400, "stepping back never comes to the grant");
        }
        println!("{steps} facts since the grant");
        let earlier: String = page.js(PICTURE, Vec::new()).await?;
        ensure!(earlier != frozen, "the view did not change");
        ensure!(
            words(page, "badge").await?.to_lowercase().contains("behind"),
            "{}",
            words(page, "badge").await?
        );
        pictures(page, "stepped-back").await?;
        page.click("step-forward").await?;
        page.until("the grant again, one fact on", "$('lane-printer').dataset.holders === 'Ayu'").await?;

        page.click("live").await?;
        live(page).await?;
        page.until("what happened meanwhile", "$('lane-room-Citra')?.dataset.holders === 'Citra'").await?;
        ensure!(
            words(page, "badge").await?.to_lowercase().contains("live"),
            "{}",
            words(page, "badge").await?
        );
        Ok(())
    })
    .await
}

/// Notes what a class sees from now on: how far behind live the view fell, how much slower than the world it went, and
/// whether somebody was seen standing for election.
const WATCH: &str = "
    window.seen = { behind: 0, slower: 0, candidate: false, words: '' };
    const look = () => {
        const badge = $('badge');
        if (badge?.dataset.live === 'false') {
            seen.words = badge.textContent;
            seen.behind = Math.max(seen.behind, parseFloat(badge.textContent) || 0);
        }
        const slower = /shown ([\\d,]+)/.exec($('caption')?.textContent ?? '');
        if (slower) seen.slower = Math.max(seen.slower, Number(slower[1].replaceAll(',', '')));
        if (document.querySelector('[data-role=candidate]') || $('votes')) seen.candidate = true;
        requestAnimationFrame(look);
    };
    look();";

/// From the click that kills the leader until the view is live again. On a quiet machine it takes some 10 s; here the
/// nodes and the browser share two cores.
const CAUGHT_UP: Duration = Duration::from_secs(25);

#[derive(Debug, Deserialize)]
struct Seen {
    behind: f64,
    slower: u64,
    candidate: bool,
    words: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn the_director_shows_an_election_slowly_and_catches_up() -> Result<(), Failure> {
    scene("director", Allowed { broken_links: true, statuses: &[] }, async |scene| {
        let page = &scene.page;
        let old = leader(page, 0).await?;
        page.click("rate-director").await?;
        live(page).await?;
        page.js::<Value>(WATCH, Vec::new()).await?;
        let begun = Instant::now();
        operate(page, &old.name, "kill").await?;
        page.until("the view to fall behind", "seen.behind > 0").await?;
        let new = leader(page, old.term()).await?;
        page.screenshot("election").await?;
        page.until_within("the view to be live again", "$('badge').dataset.live === 'true'", CAUGHT_UP)
            .await?;
        let took = begun.elapsed();
        let seen: Seen = page.js("return window.seen;", Vec::new()).await?;
        println!("figure: an election shown by the director, from click to live: {took:.1?}, {seen:?}");
        ensure!(new.name != old.name && seen.candidate, "the election was not seen: {seen:?}");
        ensure!(seen.slower >= 100, "the election was shown only {} times slower", seen.slower);
        ensure!(seen.behind >= 1.0 && seen.words.to_lowercase().contains("behind"), "{seen:?}");
        ensure!(took <= CAUGHT_UP, "it took {took:?}");

        // what a person does is not kept waiting by what was slow before
        let begun = Instant::now();
        operate(page, &old.name, "start").await?;
        status(page, &old.name, "up").await?;
        println!("figure: a node's restart is seen after {:.1?}", begun.elapsed());
        live(page).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_can_be_done_with_keys() -> Result<(), Failure> {
    scene("keys", Allowed { broken_links: true, statuses: &[] }, async |scene| {
        let (page, demo) = (&scene.page, &scene.demo);
        without_hurry(page).await?;
        let old = leader(page, 0).await?;
        // letters typed into a field are text; Escape or Tab leaves it
        page.js::<Value>("document.activeElement?.blur();", Vec::new()).await?;
        page.keys("i").await?;
        page.until("the lock by its key", "$('lane-printer')?.dataset.holders === 'Ayu'").await?;
        page.keys("u").await?;
        page.until("the release by its key", "$('lane-printer')?.dataset.holders === ''").await?;
        live(page).await?;

        page.keys(" ").await?;
        page.until("a pause by its key", "$('pause').getAttribute('aria-pressed') === 'true'").await?;
        page.keys("\u{e012}\u{e012}\u{e012}").await?; // three times the left arrow
        page.until("steps back by key", "$('badge').dataset.live === 'false'").await?;
        page.keys("l").await?;
        live(page).await?;

        page.keys("?").await?;
        page.until("the legend", "$('legend')").await?;
        page.screenshot("legend").await?;
        page.keys("\u{e00c}").await?; // Escape
        page.until("the legend to go", "!$('legend')").await?;

        // every control is reached by Tab, and is seen to have the focus
        let stops: Vec<String> = tab_around(page).await?;
        println!("{} stops of the Tab key", stops.len());
        let missing: Vec<String> = page.js(UNREACHED, vec![json!(stops)]).await?;
        ensure!(missing.is_empty(), "not reached by Tab: {missing:?}");

        // choose the leader and kill it
        for _ in 0..=demo.names().len() {
            page.keys("n").await?;
            page.settle().await?;
            let chosen = format!("return $('node-{}').getAttribute('aria-pressed') === 'true';", old.name);
            if page.js::<bool>(&chosen, Vec::new()).await? {
                break;
            }
        }
        page.keys("k").await?;
        page.until("what would happen", &format!("$('armed')?.textContent.includes('{}')", old.name)).await?;
        page.keys("k").await?;
        leader(page, old.term()).await?;
        page.keys("tt").await?;
        crate::dash::status(page, &old.name, "up").await
    })
    .await
}

/// The focusable elements that Tab did not stop at; a group of radio buttons is one stop or several.
const UNREACHED: &str = "
    const stops = new Set(arguments[0]);
    const radios = (e) => e.getAttribute('role') === 'radio';
    return all('button:not(:disabled),input,select,[role=button],[role=slider]')
        .filter((e) => e.checkVisibility() && !radios(e) && !stops.has(e.dataset.stop))
        .map((e) => e.outerHTML.slice(0, 120));";

/// Presses Tab until the focus comes round; a mark of every element that had it.
async fn tab_around(page: &orrery_browser::Page) -> Result<Vec<String>> {
    const STOPS_MAX: usize = 200;
    let mark = "let n = 0; for (const e of all('*')) e.dataset.stop = String(++n); window.scrollTo(0, 0); \
                document.activeElement?.blur();";
    page.js::<Value>(mark, Vec::new()).await?;
    let mut stops: Vec<String> = Vec::new();
    for _ in 0..STOPS_MAX {
        page.keys("\u{e004}").await?;
        let stop: Option<String> =
            page.js("return document.activeElement?.dataset.stop ?? null;", Vec::new()).await?;
        match stop {
            Some(stop) if stops.first() == Some(&stop) => break,
            // the page's end: the browser's own controls, then the page again
            None => continue,
            Some(stop) => stops.push(stop),
        }
    }
    Ok(stops)
}
