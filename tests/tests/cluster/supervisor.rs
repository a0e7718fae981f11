//! No node outlives its supervisor, however that one ends.

use std::net::TcpListener;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use orrery_harness::demo::{Demo, DemoOptions};
use orrery_harness::process::{Orphan, alive, until};
use serde_json::json;

use crate::turn;

/// How long nodes may take to notice that nobody holds their standard input any more, and to end.
const ORPHANS_END: Duration = Duration::from_secs(10);

const NODES: u16 = 3;

/// Shards move one by one.
const SHARDS_MOVE: Duration = Duration::from_secs(90);

async fn demo(name: &str) -> Result<(Demo, Vec<u32>)> {
    let demo = Demo::start(name, DemoOptions { nodes: NODES, ..DemoOptions::default() }).await?;
    let pids = demo.pids().await?;
    ensure!(pids.len() == usize::from(NODES) && pids.iter().all(|pid| alive(*pid)), "{pids:?}");
    // A stopped process takes no signal but the last one.
    demo.act("node2", "pause").await?;
    Ok((demo, pids))
}

fn none_is_left(pids: &[u32]) -> Result<()> {
    match pids.iter().find(|pid| alive(**pid)) {
        Some(pid) => bail!("process {pid} is still there"),
        None => Ok(()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_leaves_no_process_and_no_port() -> Result<()> {
    let _turn = turn().await;
    let (mut demo, pids) = demo("interrupted").await?;
    let status = demo.supervisor().interrupt()?;
    ensure!(status.success(), "it ended with {status}");
    none_is_left(&pids)?;
    let first = demo.url().rsplit(':').next().unwrap().parse::<u16>()?;
    for port in first..=first + NODES {
        TcpListener::bind(("127.0.0.1", port))?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_leaves_no_process() -> Result<()> {
    let _turn = turn().await;
    let (mut demo, pids) = demo("terminated").await?;
    let status = demo.supervisor().terminate()?;
    ensure!(status.success(), "it ended with {status}");
    none_is_left(&pids)
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_of_a_killed_supervisor_end_and_the_next_demo_goes_on_with_their_data() -> Result<()> {
    let _turn = turn().await;
    let (mut demo, pids) = demo("killed").await?;
    let hold = json!({"resource": "printer", "client": "Ayu", "ttl_ms": 3_600_000});
    let (status, granted) = demo.post("node1", "/lock/acquire", &hold).await?;
    ensure!(status == 200, "{granted}");
    // Where this test fails on the way.
    let _orphans: Vec<Orphan> = pids.iter().copied().map(Orphan).collect();
    demo.supervisor().kill()?;
    // The one that stands still too: the system wakes a stopped process that is left alone in its group, and hangs it up.
    until("the nodes to end with their standard input", ORPHANS_END, || async { none_is_left(&pids) })
        .await?;

    demo.start_again().await?;
    let new = demo.pids().await?;
    ensure!(new.len() == usize::from(NODES) && !new.iter().any(|pid| pids.contains(pid)), "{new:?}");
    let (status, again) = demo.post("node1", "/lock/acquire", &hold).await?;
    ensure!(status == 200 && again["fencing_token"] == granted["fencing_token"], "{again} {granted}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_asked_out_through_another_is_no_node_of_the_demo_any_more() -> Result<()> {
    let _turn = turn().await;
    let demo = Demo::start("asked-out", DemoOptions { nodes: NODES + 1, ..DemoOptions::default() }).await?;
    demo.wait_leader().await?;
    until("the node to be asked out", SHARDS_MOVE, || async {
        // until every shard is there the cluster may have to say "later"
        let (status, answer) = demo.post("node1", "/cluster/leave", &json!({"node": "node4"})).await?;
        ensure!(status == 200, "{status} {answer}");
        Ok(())
    })
    .await?;
    until("the node to be gone from the list", SHARDS_MOVE, || async {
        let names: Vec<_> = demo.processes().await?.into_iter().map(|process| process.node).collect();
        ensure!(names == ["node1", "node2", "node3"], "{names:?}");
        Ok(())
    })
    .await
}
