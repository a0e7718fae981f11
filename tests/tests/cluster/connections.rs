//! Connections that do nothing keep neither clients nor peers out; a node that cannot be reached gives leadership up.
#![cfg(target_os = "linux")]

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use orrery_harness::cluster::{Cluster, READY};
use orrery_harness::process::until;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::turn;

/// Files that a node may have open.
const DESCRIPTORS: u32 = 64;
/// Connections of each node whose request never comes.
const HALF_SENT: usize = 120;

#[tokio::test(flavor = "multi_thread")]
async fn half_sent_headers_keep_a_node_neither_from_its_clients_nor_from_its_peers() -> Result<()> {
    let _turn = turn().await;
    let mut cluster = Cluster::start_limited("half-sent", 3, DESCRIPTORS).await?;
    let outcome = half_sent(&mut cluster).await;
    cluster.explained(outcome)
}

async fn half_sent(cluster: &mut Cluster) -> Result<()> {
    let mut open = Vec::new();
    for round in 0..2 {
        // This program's own files are bounded, too.
        open.clear();
        for at in 0..cluster.len() {
            open.extend(half_sent_headers(&cluster.address(at)).await?);
        }
        // Every link of this one is made anew, and it is in the way of nobody.
        let victim = cluster.wait_leader().await?;
        cluster.kill(victim)?;
        cluster.start_node(victim)?;
        open.extend(half_sent_headers_when_up(&cluster.address(victim)).await?);
        cluster.wait_leader().await?;
        for at in 0..cluster.len() {
            let body = json!({"resource": format!("printer-{round}-{at}"), "client": "Ayu"});
            until("a lock through each node", READY, || async {
                cluster.done(at, "/lock/acquire", &body).await.map(drop)
            })
            .await?;
        }
        cluster.check_alive()?;
    }
    Ok(())
}

async fn half_sent_headers(address: &str) -> Result<Vec<TcpStream>> {
    let mut open = Vec::new();
    for _ in 0..HALF_SENT {
        let mut stream = TcpStream::connect(address).await?;
        // One that was sent away at once is one more that was tried.
        let _ = stream.write_all(b"POST /lock/acquire HTTP/1.1\r\nhost: loc").await;
        open.push(stream);
    }
    Ok(open)
}

async fn half_sent_headers_when_up(address: &str) -> Result<Vec<TcpStream>> {
    until("the node to listen", READY, || half_sent_headers(address)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_can_accept_nobody_gives_leadership_up_and_serves_again_later() -> Result<()> {
    let _turn = turn().await;
    let mut cluster = Cluster::start("deaf", 3).await?;
    let outcome = deaf(&mut cluster).await;
    cluster.explained(outcome)
}

async fn deaf(cluster: &mut Cluster) -> Result<()> {
    let leader = cluster.wait_leader().await?;
    let pid = cluster.pid(leader).context("the leader runs")?;
    let pid = Pid::from_raw(i32::try_from(pid)?).context("a process id")?;
    // What this program may have, its child may, too.
    let all = getrlimit(Resource::Nofile);
    prlimit(Some(pid), Resource::Nofile, Rlimit { current: Some(3), maximum: all.maximum })?;
    // In the backlog of its listener: it is asked to accept it again and again.
    let _waiting = TcpStream::connect(cluster.address(leader)).await?;
    let other = (leader + 1) % cluster.len();
    until("another leader", Duration::from_secs(30), || async {
        let led_by = cluster.status(other).await?.leader_id.context("nobody leads")?;
        ensure!(led_by != cluster.name(leader).as_str(), "{led_by} leads still");
        Ok(())
    })
    .await?;
    prlimit(Some(pid), Resource::Nofile, Rlimit { current: all.maximum, maximum: all.maximum })?;
    cluster.wait_leader().await?;
    let body = json!({"resource": "printer", "client": "Ayu"});
    cluster.done(leader, "/lock/acquire", &body).await?;
    Ok(())
}
