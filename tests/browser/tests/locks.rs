//! Locks by clicking: acquire, queue, hand over, deadlock.

use anyhow::{Context, Result, ensure};
use orrery_api::lock::LockStatus;
use orrery_browser::{Allowed, Failure, scene};
use orrery_harness::demo::Demo;
use serde_json::{Value, json};

use crate::dash::{act_as, ask, pictures, without_hurry, words};

/// Who holds and who waits, as a node answers it.
async fn table(demo: &Demo, resource: &str) -> Result<(Vec<String>, Vec<String>)> {
    let status: LockStatus =
        demo.get(&format!("{}/lock/status?resource={resource}", demo.node_url("node1")?)).await?;
    let lock = status.table.resources.into_iter().find(|lock| lock.resource == resource);
    let Some(lock) = lock else { return Ok((Vec::new(), Vec::new())) };
    let holders = lock.holders.iter().map(|holder| holder.holder.client.to_string()).collect();
    let waiters = lock.waiters.iter().map(|waiter| waiter.holder.client.to_string()).collect();
    Ok((holders, waiters))
}

fn lane(resource: &str, holders: &str, waiters: &str) -> String {
    format!(
        "(() => {{ const l = $('lane-{resource}'); \
         return l && l.dataset.holders === '{holders}' && l.dataset.waiters === '{waiters}'; }})()"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_is_acquired_queued_for_and_handed_over() -> Result<(), Failure> {
    scene("locks", Allowed::default(), async |scene| {
        let (page, demo) = (&scene.page, &scene.demo);
        without_hurry(page).await?;

        ask(page, "Ayu", "acquire", "printer").await?;
        page.until("Ayu to be seen as the holder", &lane("printer", "Ayu", "")).await?;
        page.until("an answer to be shown", "$('result')?.dataset.outcome === 'acquired'").await?;
        ensure!(table(demo, "printer").await? == (vec!["Ayu".into()], vec![]), "the lane shows what is not so");
        // the holder's bar grows until it is as long as the lane allows
        let share = "$('holder-Ayu').getBoundingClientRect().width / \
                     $('lane-printer').querySelector('.holders').getBoundingClientRect().width > 0.95";
        page.until("the lane to be filled", share).await?;
        let first: u64 = page.attribute("holder-Ayu", "data-token").await?.context("no token")?.parse()?;

        ask(page, "Budi", "queue", "printer").await?;
        page.until("Budi to be seen waiting", &lane("printer", "Ayu", "Budi")).await?;
        page.until("his place", "$('result')?.dataset.outcome === 'waiting'").await?;
        ensure!(words(page, "waiter-Budi").await?.starts_with("1 Budi X"), "{}", words(page, "waiter-Budi").await?);
        pictures(page, "queued").await?;

        // by name, ahead of who waits
        act_as(page, "Ayu").await?;
        ensure!(page.js::<bool>("return $('transfer').disabled", Vec::new()).await?, "nobody is chosen yet");
        let choose = "const s = $('transfer-to'); s.value = 'Citra'; s.dispatchEvent(new Event('change', {bubbles: true}))";
        page.js::<Value>(choose, Vec::new()).await?;
        page.until("the button to be there for who has the lock", "!$('transfer').disabled").await?;
        page.click("transfer").await?;
        page.until("Citra to be seen as the holder", &lane("printer", "Citra", "Budi")).await?;
        page.until("the new token to be told", "$('result')?.dataset.outcome === 'transferred'").await?;
        pictures(page, "transferred").await?;

        ask(page, "Citra", "release", "printer").await?;
        page.until("the hand-over", &lane("printer", "Budi", "")).await?;
        let second: u64 = page.attribute("holder-Budi", "data-token").await?.context("no token")?.parse()?;
        ensure!(second > first, "the fencing token did not grow: {first}, then {second}");
        ensure!(table(demo, "printer").await? == (vec!["Budi".into()], vec![]), "the lane shows what is not so");

        // two readers side by side
        act_as(page, "Ayu").await?;
        page.click("mode-shared").await?;
        ask(page, "Ayu", "acquire", "report").await?;
        ask(page, "Citra", "acquire", "report").await?;
        page.until("both readers", &lane("report", "Ayu Citra", "")).await?;
        let beside = "const a = $('lane-report').querySelector('[data-testid=holder-Ayu]').getBoundingClientRect(); \
                      const b = $('lane-report').querySelector('[data-testid=holder-Citra]').getBoundingClientRect(); \
                      return a.right <= b.left && Math.abs(a.top - b.top) < 1;";
        ensure!(page.js::<bool>(beside, Vec::new()).await?, "shared holders are not side by side");
        page.screenshot("shared").await.map(drop)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadlock_of_two_shows_its_cycle_and_its_victim() -> Result<(), Failure> {
    // the victim's refusal is HTTP 409
    let allowed = Allowed { statuses: &[409], ..Allowed::default() };
    scene("deadlock", allowed, async |scene| {
        let (page, demo) = (&scene.page, &scene.demo);
        without_hurry(page).await?;
        ask(page, "Ayu", "acquire", "printer").await?;
        page.until("Ayu to hold", &lane("printer", "Ayu", "")).await?;
        ask(page, "Budi", "acquire", "report").await?;
        page.until("Budi to hold", &lane("report", "Budi", "")).await?;
        ask(page, "Ayu", "queue", "report").await?;
        page.until("Ayu to wait", &lane("report", "Budi", "Ayu")).await?;
        ask(page, "Budi", "queue", "printer").await?;

        page.until("the cycle", "$('cycle')").await?;
        let victim = "return all('.person.victim').map((g) => g.querySelector('text').textContent);";
        page.until("the victim's badge", "$('victim')").await?;
        let victims: Vec<String> = page.js(victim, Vec::new()).await?;
        ensure!(victims == ["Budi"], "the youngest waiter is Budi, but {victims:?} is marked");
        let edges = "return all('[data-testid=wait-graph] .edge-word.cycle').map((e) => e.textContent);";
        let edges: Vec<String> = page.js(edges, Vec::new()).await?;
        ensure!(edges.len() == 2 && edges[0].starts_with('1') && edges[1].starts_with('2'), "{edges:?}");
        page.until(
            "the refusal",
            "all('[data-testid=result]').some((r) => r.dataset.outcome === 'deadlock')",
        )
        .await?;
        pictures(page, "deadlock").await?;

        // the victim's wait is gone, everything else is as it was
        ensure!(
            table(demo, "report").await? == (vec!["Budi".into()], vec!["Ayu".into()]),
            "Ayu must still wait"
        );
        ensure!(table(demo, "printer").await? == (vec!["Ayu".into()], vec![]), "Budi must not wait any more");
        let (status, answer) =
            demo.post("node2", "/lock/release", &json!({"resource": "report", "client": "Budi"})).await?;
        ensure!(status == 200, "{status} {answer}");
        page.until("Ayu to get both", &lane("report", "Ayu", "")).await
    })
    .await
}
