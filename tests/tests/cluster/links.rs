//! Links that are slow, and links that are cut by one request.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use orrery_api::fault::{FaultSet, Faults, LinkFault};
use orrery_base::fault::Fault;
use orrery_harness::cluster::{Cluster, READY};
use orrery_harness::process::until;
use serde_json::{Value, json};

use crate::turn;

/// How often each node is asked for everything on a slow link.
const ROUNDS: usize = 3;

fn link(cluster: &Cluster, (from, to): (usize, usize), fault: Fault) -> LinkFault {
    LinkFault { from: cluster.name(from).into(), to: cluster.name(to).into(), fault }
}

fn everywhere(cluster: &Cluster, fault: Fault) -> FaultSet {
    let all = 0..cluster.len();
    let pairs = all.clone().flat_map(|from| all.clone().map(move |to| (from, to)));
    let pairs = pairs.filter(|(from, to)| from != to);
    FaultSet { faults: pairs.map(|pair| link(cluster, pair, fault)).collect() }
}

/// Every node serves locks, queues and the cache, and the leader stays, while every message takes so long.
async fn serves_at(delay_ms: u32, timing: &[&str]) -> Result<()> {
    let _turn = turn().await;
    let name = format!("slow-{delay_ms}");
    let flags = [&["--faults"], timing].concat();
    let mut cluster = Cluster::start_with(&name, 3, &flags).await?;
    let outcome = serve_slowly(&mut cluster, delay_ms).await;
    cluster.explained(outcome)
}

async fn serve_slowly(cluster: &mut Cluster, delay_ms: u32) -> Result<()> {
    let slow = everywhere(cluster, Fault { delay_ms, ..Fault::NONE });
    let answer: Faults = serde_json::from_value(cluster.done(0, "/faults", &slow).await?)?;
    ensure!(answer.faults.len() == slow.faults.len() && answer.unreached.is_empty(), "{answer:?}");
    // The links are known as slow after some round trips; until then an election may come.
    let all = &*cluster;
    until("all nodes to serve", READY, || serve_all(all)).await?;
    let leader = cluster.wait_leader().await?;
    let term = cluster.status(leader).await?.term;
    for _ in 0..ROUNDS {
        serve_all(cluster).await?;
    }
    let status = cluster.status(leader).await?;
    ensure!(status.term == term, "the leader of term {term} was lost: {status:?}");
    // And somebody else is elected on such links.
    cluster.kill(leader)?;
    let (cluster, other) = (&*cluster, (leader + 1) % cluster.len());
    until("another leader", READY, || lock(cluster, other)).await
}

async fn serve_all(cluster: &Cluster) -> Result<()> {
    for at in 0..cluster.len() {
        lock(cluster, at).await?;
        let line = json!({"address": "user:7", "value": at});
        cluster.done(at, "/cache/write", &line).await?;
        let read: Value = cluster.get(at, "/cache/read?address=user:7").await?;
        ensure!(read["value"] == json!(at), "{read}");
        cluster.done(at, "/queue/publish", &json!({"topic": "orders", "message": at})).await?;
        let consume = json!({"topic": "orders", "group": "readers", "consumer": cluster.name(at)});
        cluster.done(at, "/queue/consume", &consume).await?;
    }
    Ok(())
}

async fn lock(cluster: &Cluster, at: usize) -> Result<()> {
    let body = json!({"resource": "printer", "client": cluster.name(at)});
    cluster.done(at, "/lock/acquire", &body).await?;
    cluster.done(at, "/lock/release", &body).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn five_milliseconds_one_way() -> Result<()> {
    serves_at(5, &["--profile", "realistic"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn forty_milliseconds_one_way() -> Result<()> {
    serves_at(40, &["--profile", "realistic"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_and_fifty_milliseconds_one_way() -> Result<()> {
    serves_at(150, &["--profile", "wan"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_cuts_a_leader_off_and_one_heals_it() -> Result<()> {
    let _turn = turn().await;
    let mut cluster = Cluster::start_with("cut-off", 3, &["--faults"]).await?;
    let outcome = cut_off(&mut cluster).await;
    cluster.explained(outcome)
}

async fn cut_off(cluster: &mut Cluster) -> Result<()> {
    let leader = cluster.wait_leader().await?;
    let other = (leader + 1) % cluster.len();
    let mut cut = everywhere(cluster, Fault::CUT);
    let name = cluster.name(leader);
    cut.faults.retain(|fault| fault.from == *name || fault.to == *name);
    let answer: Faults = serde_json::from_value(cluster.done(other, "/faults", &cut).await?)?;
    ensure!(answer.faults.len() == 4 && answer.unreached.is_empty(), "{answer:?}");
    let here: Faults = cluster.get(other, "/faults?scope=node").await?;
    ensure!(here.faults.len() == 1 && here.faults[0].to == *name, "{here:?}");
    let rest = &*cluster;
    until("another leader", READY, || lock(rest, other)).await?;
    let status = cluster.status(other).await?;
    ensure!(status.leader_id.is_some_and(|now| now != *name), "nobody else leads");

    // The older route is the same list.
    let one = json!({"peer": name, "cut": false});
    let answer = cluster.done(other, "/fault/link", &one).await?;
    ensure!(answer["cut"] == json!([]), "{answer}");
    let (status, answer) = cluster.delete(leader, "/faults").await?;
    ensure!(status == 200 && answer == json!({"faults": [], "unreached": []}), "{status} {answer}");
    cluster.wait_leader().await?;

    let unknown = json!({"faults": [{"from": "node1", "to": "node9", "cut": true}]});
    ensure!(cluster.post(other, "/faults", &unknown).await?.0 == 404);
    let foreign = json!({"faults": [{"from": name, "to": cluster.name(other), "cut": true}]});
    ensure!(cluster.post(other, "/faults?scope=node", &foreign).await?.0 == 400);
    // Who does not run is named.
    cluster.kill(leader)?;
    let all: Faults = cluster.get(other, "/faults").await?;
    ensure!(all.unreached.iter().any(|silent| silent.node == *name), "{all:?}");
    tokio::time::timeout(Duration::from_secs(20), cluster.delete(other, "/faults")).await??;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_whose_home_only_this_node_does_not_reach_is_refused_at_once() -> Result<()> {
    let _turn = turn().await;
    let mut cluster = Cluster::start_with("beyond-reach", 3, &["--faults"]).await?;
    let outcome = ask_beyond_reach(&cluster).await;
    cluster.explained(outcome)
}

async fn ask_beyond_reach(cluster: &Cluster) -> Result<()> {
    let write = json!({"address": "user:7", "value": 1});
    cluster.done(0, "/cache/write", &write).await?;
    let line: Value = cluster.get(0, "/cache/directory?address=user:7").await?;
    let home = (0..3).find(|at| line["home"] == json!(cluster.name(*at))).context("nobody is its home")?;
    let (cut_off, between_them) = ((home + 1) % 3, (home + 2) % 3);
    let faults = [(home, cut_off), (cut_off, home)].map(|pair| link(cluster, pair, Fault::CUT)).into();
    cluster.done(between_them, "/faults", &FaultSet { faults }).await?;
    let refused = async || {
        let begun = Instant::now();
        let (status, answer) = cluster.post(cut_off, "/cache/write", &write).await?;
        let message = answer["error"]["message"].as_str().unwrap_or_default().to_owned();
        let named = message.contains("does not reach") && message.contains(&*cluster.name(home));
        ensure!(status == 503 && named && message.contains("Nothing was done"), "{status} {answer}");
        ensure!(begun.elapsed() < Duration::from_millis(1_500), "after {:?}", begun.elapsed());
        Ok(())
    };
    // Until it hears nothing any more, it waits for answers.
    until("it to be said at once", READY, refused).await?;
    for _ in 0..3 {
        refused().await?;
    }
    // Whoever reaches both serves it, and so does this one when the link is whole.
    cluster.done(between_them, "/cache/write", &write).await?;
    cluster.delete(between_them, "/faults").await?;
    until("it to be served again", READY, async || {
        cluster.done(cut_off, "/cache/write", &write).await.map(drop)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn of_those_who_pass_on_one_is_found_that_reaches_both() -> Result<()> {
    let _turn = turn().await;
    let mut cluster = Cluster::start_with("go-between", 5, &["--faults"]).await?;
    let outcome = pass_around(&mut cluster).await;
    cluster.explained(outcome)
}

/// Two nodes lack one direction to the leader or from it, so each of them is a bad choice for the other.
async fn pass_around(cluster: &mut Cluster) -> Result<()> {
    let leader = cluster.wait_leader().await?;
    let [one, two] = [(leader + 1) % 5, (leader + 2) % 5];
    let faults = [(leader, one), (two, leader)].map(|pair| link(cluster, pair, Fault::CUT)).into();
    cluster.done(leader, "/faults", &FaultSet { faults }).await?;
    let cluster = &*cluster;
    for at in [one, two] {
        until("a lock through others", READY, || lock(cluster, at)).await?;
        for _ in 0..4 {
            let begun = Instant::now();
            lock(cluster, at).await?;
            ensure!(
                begun.elapsed() < Duration::from_secs(4),
                "{} took {:?}",
                cluster.name(at),
                begun.elapsed()
            );
        }
    }
    Ok(())
}
