//! Queues by clicking: publish, consume, acknowledge, a redelivery, dead letters; the ring on the stage and as a table.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use orrery_browser::{Allowed, Failure, Page, VIEWPORTS, layout, scene};
use serde_json::{Value, json};

use crate::dash::{act_as, leader, pictures, real_time, status, words};

/// Shards of a demo.
const SHARDS: u32 = 8;

/// The shards elect their leaders one after the other, and a slow machine takes its time.
pub const FORMED: Duration = Duration::from_secs(60);

/// Chooses an option of a select box.
async fn choose(page: &Page, testid: &str, value: &str) -> Result<()> {
    let set = "const s = $(arguments[0]); s.value = arguments[1]; \
               s.dispatchEvent(new Event('change', { bubbles: true })); return s.value;";
    let chosen: String = page.js(set, vec![json!(testid), json!(value)]).await?;
    ensure!(chosen == value, "`{testid}` has no option {value}");
    Ok(())
}

/// The queue panel in real time, once every shard is led.
pub async fn open(page: &Page) -> Result<()> {
    leader(page, 0).await?;
    real_time(page).await?;
    page.click("tab-queue").await?;
    let led = format!("all('[data-testid^=shard-][data-state=led]').length === {SHARDS}");
    page.until_within("every shard to be led", &led, FORMED).await
}

/// A figure of a topic's row, in JavaScript.
fn bin(topic: &str, figure: &str, count: u64) -> String {
    format!("$('topic-{topic}')?.dataset.{figure} === '{count}'")
}

pub async fn publish(page: &Page, message: &str) -> Result<()> {
    page.fill("message", message).await?;
    page.click("publish").await
}

/// Consumes as a client and waits for the delivery; its id and attempt.
async fn consume(page: &Page, client: &str, visibility_ms: u32) -> Result<(String, String)> {
    act_as(page, client).await?;
    choose(page, "visibility", &visibility_ms.to_string()).await?;
    page.click("consume").await?;
    page.until("a delivery", "all('[data-testid^=held-]').length === 1").await?;
    let read = "const h = all('[data-testid^=held-]')[0].dataset; return [h.testid.slice(5), h.attempt];";
    page.js(read, Vec::new()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_published_consumed_and_acknowledged_and_another_redelivered() -> Result<(), Failure> {
    scene("queue", Allowed::default(), async |scene| {
        let page = &scene.page;
        open(page).await?;
        act_as(page, "Ayu").await?;
        page.fill("topic", "orders").await?;
        publish(page, "tea").await?;
        page.until("the answer", "$('result')?.dataset.outcome === 'published'").await?;
        page.until("the message to be ready", &bin("orders", "ready", 1)).await?;
        page.screenshot("published").await?;

        let (id, attempt) = consume(page, "Budi", 30_000).await?;
        ensure!(attempt == "1", "{attempt}");
        page.until("the delivery to be in flight", &bin("orders", "inFlight", 1)).await?;
        let chip = format!("$('flight-{id}')?.textContent.includes('Budi')");
        page.until("the delivery to name its consumer", &chip).await?;
        pictures(page, "consumed").await?;
        page.click(&format!("ack-{id}")).await?;
        page.until("the acknowledgement", &bin("orders", "acknowledged", 1)).await?;
        page.until("the bins to be empty", &bin("orders", "inFlight", 0)).await?;
        ensure!(words(page, "result").await?.contains(&id), "{}", words(page, "result").await?);

        // nobody acknowledges the second one: it comes back
        publish(page, "coffee").await?;
        page.until("the second message", &bin("orders", "ready", 1)).await?;
        let (second, _) = consume(page, "Budi", 2_000).await?;
        page.until("it to be in flight", &bin("orders", "inFlight", 1)).await?;
        page.click("crash").await?;
        page.until("the consumer to have forgotten it", "all('[data-testid^=held-]').length === 0").await?;
        page.until("it to be ready again", &bin("orders", "ready", 1)).await?;
        let (again, attempt) = consume(page, "Citra", 30_000).await?;
        ensure!((again.as_str(), attempt.as_str()) == (second.as_str(), "2"), "{again}, attempt {attempt}");
        let chip = format!("$('flight-{again}')?.dataset.attempt === '2'");
        page.until("the redelivery to be marked", &chip).await?;
        ensure!(words(page, &format!("flight-{again}")).await?.contains("2×"), "a redelivery carries 2×");
        page.screenshot("redelivered").await?;
        page.click(&format!("ack-{again}")).await?;
        page.until("both to be done", &bin("orders", "acknowledged", 2)).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_always_fails_is_a_dead_letter_and_is_brought_back() -> Result<(), Failure> {
    scene("dead-letter", Allowed::default(), async |scene| {
        let page = &scene.page;
        open(page).await?;
        page.fill("topic", "mail").await?;
        publish(page, "to nobody").await?;
        page.until("the message to be ready", &bin("mail", "ready", 1)).await?;
        for _ in 0..5 {
            let (id, _) = consume(page, "Ayu", 30_000).await?;
            page.click(&format!("nack-{id}")).await?;
            page.until("it to be given back", "all('[data-testid^=held-]').length === 0").await?;
        }
        page.until("the dead letter", &bin("mail", "dead", 1)).await?;
        page.screenshot("dead").await?;
        page.click("redrive").await?;
        page.until("it to be ready again", &bin("mail", "ready", 1)).await?;
        page.until("no dead letter to be left", &bin("mail", "dead", 0)).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_fills_the_bins_until_it_is_stopped_and_layers_are_remembered() -> Result<(), Failure> {
    scene("stream", Allowed::default(), async |scene| {
        let page = &scene.page;
        open(page).await?;
        choose(page, "rate", "20").await?;
        page.click("stream").await?;
        page.until("ten messages", "Number($('topic-orders')?.dataset.ready) >= 10").await?;
        page.click("stream").await?;
        page.until("the stream to stop", "$('stream').getAttribute('aria-pressed') === 'false'").await?;

        // the ring in words is the ring that is drawn
        let drawn = "return all('[data-testid^=shard-]').map((s) => s.dataset.leader);";
        let drawn: Vec<String> = page.js(drawn, Vec::new()).await?;
        let told =
            "return all('[data-testid=ring-table] tbody tr').map((r) => r.cells[2].textContent.trim());";
        let told: Vec<String> = page.js(told, Vec::new()).await?;
        ensure!(drawn == told && drawn.len() == SHARDS as usize, "drawn {drawn:?}, told {told:?}");
        page.js::<Value>("$('ring-3').focus();", Vec::new()).await?;
        page.until("the replicas of shard 3", "all('.replica').length === 3").await?;
        page.screenshot("replicas").await?;

        // keys switch the layer and the panel; the choice outlives the page
        page.js::<Value>("document.activeElement.blur();", Vec::new()).await?;
        page.keys("3").await?;
        page.until("the ring to be gone", "all('[data-testid^=shard-]').length === 0").await?;
        page.until("the locks", "$('tab-locks').getAttribute('aria-selected') === 'true'").await?;
        page.open(&scene.demo.url()).await?;
        leader(page, 0).await?;
        page.until("the layer to be off still", "$('layer-queue').getAttribute('aria-pressed') === 'false'")
            .await?;
        page.keys("3").await?;
        page.until("the ring again", "all('[data-testid^=shard-]').length > 0").await?;
        page.until("the queue", "$('tab-queue').getAttribute('aria-selected') === 'true'").await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_without_a_majority_says_so() -> Result<(), Failure> {
    // publishes to it are refused with HTTP 503
    let allowed = Allowed { broken_links: true, statuses: &[503, 504] };
    scene("no-majority", allowed, async |scene| {
        let (page, demo) = (&scene.page, &scene.demo);
        open(page).await?;
        let replicas = "return all('[data-testid=ring-1] .hued').map((n) => n.textContent.trim());";
        let replicas: Vec<String> = page.js(replicas, Vec::new()).await?;
        // The leader, then the replicas.
        let (first, second) =
            (replicas.get(1).context("no replica")?, replicas.get(2).context("one replica")?);
        demo.act(first, "kill").await?;
        demo.act(second, "kill").await?;
        page.until("the shard to be lost", "$('shard-1')?.dataset.state === 'no-majority'").await?;
        ensure!(words(page, "ring-1").await?.contains("no majority"), "{}", words(page, "ring-1").await?);
        // Votes are drawn between the nodes while they are counted and a moment longer; the killed node may have led.
        status(page, first, "down").await?;
        status(page, second, "down").await?;
        leader(page, 0).await?;
        page.until("an election to be over", "$('votes') === null").await?;
        let mut broken = Vec::new();
        for viewport in VIEWPORTS {
            page.resize(viewport).await?;
            page.settle().await?;
            broken.extend(
                layout::findings(page, viewport)
                    .await?
                    .into_iter()
                    .map(|f| format!("{}: {f}", viewport.name)),
            );
            page.screenshot(&format!("lost-{}", viewport.name)).await?;
        }
        if !broken.is_empty() {
            bail!("{} findings:\n{}", broken.len(), broken.join("\n"));
        }
        Ok(())
    })
    .await
}
