//! The fold: what the events of all nodes say, from the start of their boots, across a leader's death and without any
//! snapshot, is what the nodes answer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use futures_util::StreamExt as _;
use orrery_base::ids::{BootEpoch, NodeName};
use orrery_event::stream::Frame;
use orrery_event::{Event, Stamp};
use orrery_harness::cluster::{Cluster, READY};
use orrery_harness::process::until;
use orrery_projection::view::{FoldedStatus, View};
use serde_json::json;
use tokio::task::JoinSet;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use crate::{fold_queue, turn};

/// Every event of every node, in the order of their stamps.
type Tape = Arc<Mutex<BTreeMap<Stamp, Event>>>;

/// Reads a node's stream from the start of its boot, boot after boot, until it is aborted.
async fn record(address: String, tape: Tape) -> Result<()> {
    loop {
        // A node that is down has no stream.
        let _ = read_boot(&address, &tape).await?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// One connection. Its end is no error; what may not come is.
async fn read_boot(address: &str, tape: &Tape) -> Result<Option<BootEpoch>> {
    let Ok((mut stream, _)) = connect_async(format!("ws://{address}/ws/events?from=boot")).await else {
        return Ok(None);
    };
    let mut boot = None;
    while let Some(Ok(message)) = stream.next().await {
        let Message::Text(text) = message else { continue };
        match serde_json::from_str(&text).with_context(|| format!("a frame of {address}: {text}"))? {
            Frame::Hello(hello) => {
                ensure!(hello.tail <= 1, "{address} kept too few events: {hello:?}");
                boot = Some(hello.boot);
            }
            Frame::Batch(batch) => {
                let mut tape = tape.lock().unwrap();
                for event in batch.events {
                    let stamp =
                        Stamp { hlc: event.hlc, node: batch.node.clone(), boot: batch.boot, seq: event.seq };
                    tape.insert(stamp, event);
                }
            }
            Frame::Beat { .. } | Frame::Heartbeat(_) => {}
            Frame::Snapshot(_) => bail!("{address} sent a snapshot to who asked for the boot's events"),
            Frame::Gap { first, last } => bail!("{address} lost {first} to {last}"),
        }
    }
    Ok(boot)
}

fn fold(tape: &Tape) -> View {
    let mut view = View::default();
    for (stamp, event) in tape.lock().unwrap().iter() {
        view.apply(&stamp.node, stamp.boot, event);
    }
    view
}

/// The fold equals what every node answers, at a moment at which nothing happens.
async fn equal(cluster: &Cluster, tape: &Tape) -> Result<()> {
    until("the fold to equal what the nodes answer", READY, || async {
        let locks = cluster.agreed_locks().await?;
        let mut answered: BTreeMap<NodeName, FoldedStatus> = BTreeMap::new();
        for at in 0..cluster.len() {
            let status = cluster.status(at).await?;
            answered.insert(status.node_id.clone(), FoldedStatus::from(&status));
        }
        let view = fold(tape);
        let folded = view.lock_table();
        ensure!(folded.resources == locks.table.resources, "{:?}\n{:?}", folded, locks.table);
        ensure!(folded.sessions == locks.table.sessions, "{:?}\n{:?}", folded, locks.table);
        for (node, status) in &answered {
            let folded = view.status(node).with_context(|| format!("no event of {node}"))?;
            ensure!(folded == *status, "{node}: {folded:?}\nanswers: {status:?}");
        }
        fold_queue::equal(cluster, &view).await
    })
    .await
}

/// Grants, waits, hand-overs, an upgrade, a deadlock, a session, an expiry.
async fn act(cluster: &Cluster, live: &[usize], round: u32) -> Result<()> {
    let node = |at: usize| live[at % live.len()];
    let ask = |resource: &str, client: &str, mode: &str| {
        let resource = format!("{resource}{round}");
        json!({"resource": resource, "client": client, "mode": mode, "ttl_ms": 600_000, "queue": true})
    };
    cluster.done(node(0), "/lock/acquire", &ask("printer", "Ayu", "X")).await?;
    cluster.done(node(1), "/lock/acquire", &ask("book", "Budi", "S")).await?;
    for (at, client) in ["Budi", "Citra", "Dewi"].into_iter().enumerate() {
        let (status, answer) = cluster.post(node(at), "/lock/acquire", &ask("printer", client, "X")).await?;
        ensure!(status == 202, "{status} {answer}");
    }
    let (status, answer) = cluster.post(node(2), "/lock/acquire", &ask("book", "Ayu", "X")).await?;
    ensure!(status == 409 && answer["status"] == "deadlock", "{status} {answer}");
    cluster.done(node(3), "/lock/acquire", &ask("book", "Budi", "X")).await?;
    let release = json!({"resource": format!("printer{round}"), "client": "Ayu"});
    cluster.done(node(4), "/lock/release", &release).await?;
    let opened = cluster.done(node(0), "/session", &json!({"client": "Eka", "ttl_ms": 600_000})).await?;
    let desk = json!({"resource": format!("desk{round}"), "client": "Eka", "session": opened["session"]});
    cluster.done(node(1), "/lock/acquire", &desk).await?;
    let short = json!({"resource": format!("short{round}"), "client": "Fajar", "ttl_ms": 300});
    cluster.done(node(2), "/lock/acquire", &short).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_events_tell_what_the_nodes_answer() -> Result<()> {
    let _turn = turn().await;
    let mut cluster = Cluster::start("fold", 5).await?;
    let outcome = scenario(&mut cluster).await;
    cluster.explained(outcome)
}

async fn scenario(cluster: &mut Cluster) -> Result<()> {
    let tape = Tape::default();
    let mut readers = JoinSet::new();
    for address in cluster.addresses() {
        readers.spawn(record(address, tape.clone()));
    }
    let everybody: Vec<usize> = (0..cluster.len()).collect();
    act(cluster, &everybody, 1).await?;
    fold_queue::act(cluster, &everybody, 1).await?;

    // The leader dies right after it answered; the others go on; it comes back as a follower of a new boot.
    for round in 2..4 {
        let leader = cluster.wait_leader().await?;
        let last = json!({"resource": format!("last{round}"), "client": "Gita", "ttl_ms": 600_000});
        cluster.done(leader, "/lock/acquire", &last).await?;
        cluster.kill(leader)?;
        let live: Vec<usize> = everybody.iter().copied().filter(|at| *at != leader).collect();
        cluster.wait_leader().await?;
        act(cluster, &live, round).await?;
        fold_queue::act(cluster, &live, round).await?;
        cluster.start_node(leader)?;
        cluster.wait_leader().await?;
    }

    let compared = equal(cluster, &tape).await.and_then(|()| fold_queue::lively(&fold(&tape)));
    if let Some(failed) = readers.try_join_next() {
        failed??;
    }
    compared
}
