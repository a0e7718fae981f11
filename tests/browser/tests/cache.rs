//! The coherent cache by clicking: the letters change as the table says, copies are taken away, a sharer is cut off.

use anyhow::{Result, ensure};
use orrery_browser::{Allowed, Failure, Page, scene};
use orrery_cache::State;
use orrery_cache::table::{Stimulus, next};
use serde_json::{Value, json};

use crate::dash::{act_as, pictures};
use crate::queue;

/// The panel, in real time and once every shard is led.
async fn open(page: &Page) -> Result<()> {
    queue::open(page).await?;
    page.click("tab-cache").await?;
    page.fill("address", "price").await?;
    act_as(page, "Ayu").await
}

/// Reads, writes or deletes the line of the form at one node, and waits for the answer.
async fn ask(page: &Page, node: &str, button: &str, outcome: &str) -> Result<()> {
    page.click(&format!("at-{node}")).await?;
    page.click(button).await?;
    let answered = format!("$('result')?.dataset.outcome === '{outcome}'");
    page.until(&format!("{button} at {node} to be {outcome}"), &answered).await
}

/// The letter in a cell, in JavaScript; `-` where there is none.
fn letter(address: &str, node: &str) -> String {
    format!("$('cell-{address}-{node}')?.dataset.state")
}

/// Waits for the letters of three nodes.
async fn letters(page: &Page, nodes: [&str; 3], expected: &str) -> Result<()> {
    let shown = nodes.map(|node| letter("price", node)).join(", ");
    page.until(&format!("{expected} at {nodes:?}"), &format!("[{shown}].join('') === '{expected}'")).await
}

/// The home of a line, and three other nodes: at the home a copy comes without a message.
async fn cast(page: &Page, address: &str) -> Result<(String, [String; 3])> {
    page.until("a home", &format!("$('line-{address}')?.dataset.home")).await?;
    let read = "return [$(arguments[0]).dataset.home, ...all('[data-testid^=use-]').map((u) => u.dataset.testid.slice(4))];";
    let names: Vec<String> = page.js(read, vec![json!(format!("line-{address}"))]).await?;
    let (home, all) = names.split_first().expect("a demo has nodes");
    let mut others = all.iter().filter(|name| *name != home).cloned();
    let mut next = || others.next().expect("a demo has five nodes");
    Ok((home.clone(), [next(), next(), next()]))
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_change_as_the_table_says() -> Result<(), Failure> {
    scene("cache", Allowed::default(), async |scene| {
        let page = &scene.page;
        open(page).await?;
        ask(page, "any", "write", "written").await?;
        let (home, [first, second, third]) = cast(page, "price").await?;
        let nodes = [first.as_str(), second.as_str(), third.as_str()];
        // From nothing: whoever wrote owns no line that is deleted.
        ask(page, &home, "delete", "deleted").await?;

        // write on one node, and be answered before it is committed
        let to = |from, stimulus| next(from, stimulus).to.letter();
        page.click("write-back").await?;
        ask(page, nodes[0], "write", "not-durable").await?;
        let owned = to(State::I, Stimulus::LocalWrite);
        ensure!(owned == "M", "{owned}");
        page.until("it to be written", &format!("['M', 'E'].includes({})", letter("price", nodes[0])))
            .await?;
        page.screenshot("written").await?;

        // read on another: the owner shares
        ask(page, nodes[1], "read", "fill").await?;
        let shared = [to(State::M, Stimulus::Fetch), to(State::I, Stimulus::LocalRead)].concat();
        ensure!(shared == "SS", "{shared}");
        let both = [letter("price", nodes[0]), letter("price", nodes[1])].join(", ");
        page.until("both to share", &format!("[{both}].join('') === '{shared}'")).await?;
        let answer = "return $('result').innerText;";
        let answer: String = page.js(answer, Vec::new()).await?;
        ensure!(answer.contains("price") && answer.contains('S'), "{answer}");

        // again there: from its own copy
        ask(page, nodes[1], "read", "hit").await?;

        // write on a third, durably: the copies are invalidated
        page.click("durable").await?;
        ask(page, nodes[2], "write", "written").await?;
        ensure!(to(State::S, Stimulus::Inv) == "I", "the table");
        letters(page, nodes, "IIE").await?;
        page.until("two acknowledgements", "$('home-price')?.dataset.count === '2/2'").await?;
        page.until("the home's value to be the present one", "$('home-price')?.dataset.stale === 'false'")
            .await?;
        page.screenshot("invalidated").await?;

        // and there without a commit: the home's value is old until it is written back
        page.click("write-back").await?;
        ask(page, nodes[2], "write", "not-durable").await?;
        // from E to M, and a second later back
        let lit = "[$('diagram')?.dataset.from, $('diagram')?.dataset.to].sort().join('') === 'EM'";
        page.until("the diagram to say so", lit).await?;
        letters(page, nodes, "IIE").await?;
        page.until("it to be written back", "$('home-price')?.dataset.stale === 'false'").await?;

        // the whole table is there
        page.click("mesi-open").await?;
        let cells: u32 = page.js("return all('[data-testid=mesi-table] td').length;", Vec::new()).await?;
        ensure!(cells as usize == Stimulus::ALL.len() * State::ALL.len(), "{cells}");
        pictures(page, "table").await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn cells_are_clicked_and_a_load_is_mostly_hits() -> Result<(), Failure> {
    scene("cache-load", Allowed::default(), async |scene| {
        let page = &scene.page;
        open(page).await?;
        ask(page, "any", "write", "written").await?;
        let (_, nodes) = cast(page, "price").await?;
        let cell = |place: usize| format!("cell-price-{}", nodes[place]);
        page.click(&cell(0)).await?;
        page.until("a copy there", &format!("['S', 'E'].includes({})", letter("price", &nodes[0]))).await?;
        page.click("click-write").await?;
        page.click(&cell(1)).await?;
        page.until("the other one to own it", &format!("{} === 'E'", letter("price", &nodes[1]))).await?;
        page.until("the first copy to be gone", &format!("{} === 'I'", letter("price", &nodes[0]))).await?;

        // keys do the same: Y begins the load and ends it
        page.js::<Value>("document.activeElement.blur();", Vec::new()).await?;
        page.keys("y").await?;
        page.until("the load to run", "$('load').getAttribute('aria-pressed') === 'true'").await?;
        page.until("six lines", "all('[data-testid^=line-item-]').length === 6").await?;
        page.until("hits", "all('.uses .rate').some((r) => parseInt(r.innerText) > 0)").await?;
        page.keys("y").await?;
        page.until("the load to end", "$('load').getAttribute('aria-pressed') === 'false'").await?;
        pictures(page, "loaded").await?;

        // the layer is switched like the others
        page.until("the line on the stage", "$('stage-line')?.dataset.address").await?;
        page.keys("4").await?;
        page.until("no line on the stage", "$('stage-line') === null").await?;
        page.until("the locks", "$('tab-locks').getAttribute('aria-selected') === 'true'").await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_waits_for_the_lease_of_a_sharer_that_is_cut_off() -> Result<(), Failure> {
    // a cut link breaks requests of nodes among each other, not of the page
    scene("cut-sharer", Allowed { broken_links: true, statuses: &[] }, async |scene| {
        let page = &scene.page;
        open(page).await?;
        // in real time it is over before anybody sees it
        page.click("rate-director").await?;
        page.click("scenario-cut-sharer").await?;
        page.until("the write to wait for the sharer", "all('[data-waited=true]').length === 1").await?;
        page.screenshot("waiting").await?;
        let home = "all('[data-testid^=home-seat]')[0]?.dataset";
        page.until("the sharer's lease to be over", &format!("{home}.count === '1/1'")).await?;
        page.until("the value", &format!("{home}.value === '\"taken\"'")).await?;
        let over = "all('[data-testid^=cell-seat]').filter((c) => c.dataset.state === 'I').length > 0";
        page.until("the sharer to have nothing to read", over).await?;
        page.screenshot("over").await?;
        page.until("the links to be whole", "$('faults').innerText.includes('none')").await?;
        page.until("the scenario to be over", "all('.scenario.on').length === 0").await?;
        ensure!(page.js::<bool>("return $('notice') === null;", Vec::new()).await?, "it failed");
        Ok(())
    })
    .await
}
